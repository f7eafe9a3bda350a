"""The two price stages without Kafka: what a raw quote costs them, beside a plain loop that does the same."""
