"""Kafka, PostgreSQL and Valkey as child processes in one data folder: no Docker, no root, no installation."""

from .control import start_services, stop_services
from .status import services_status

__all__ = ["services_status", "start_services", "stop_services"]
