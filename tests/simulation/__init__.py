"""Whole systems in one process, deterministic: the real engine and sink loop over a Kafka and a database in memory.

================  ===========================================================================================
``machine``       processes that take turns, virtual time
``broker``        logs, transactions with their markers, producers' epochs
``groups``        consumer groups: generations, static names, who may commit
``clients``       confluent_kafka's consumer, producer and admin client over these
``database``      rows and the sinks' ledger, with row locks and commits whose outcome is unknown
``programs``      what runs: a worker (the real pump and agent), a sink (the real loop)
``flows``         what is computed: stages, inputs, and what must be the same in every history
``histories``     a seed -> inputs and steps -> what differs from a plain run
``retracing``     the committed chunks once more, by cores that never stop
``shrinking``     the fewest inputs and steps that still fail
``mutants``       ways to break the system on purpose
================  ===========================================================================================

``python -m tests.simulation --help`` (or ``make histories``) runs many histories, or one by its seed.
"""
