"""Faust agents on channels, Kafka by librdkafka, one transaction per moment."""
