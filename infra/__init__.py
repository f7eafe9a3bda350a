"""Run-time plumbing: settings, errors, clock, Kafka clients, services, metrics, logs, migrations."""
