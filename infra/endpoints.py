"""Where the three servers are: those of the settings, else those that run in the data folder."""

from dataclasses import dataclass
from pathlib import Path

from .errors import ServiceUnavailable
from .ledger import Entry, Ledger
from .settings import Settings

KAFKA = "kafka"
POSTGRES = "postgres"
VALKEY = "valkey"
SERVERS = (KAFKA, POSTGRES, VALKEY)
DATABASE_USER = "moodtape"
DATABASE_NAME = "moodtape"
CACHE_USER = "moodtape"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses with their passwords: Kafka's bootstrap list, a ``postgresql://`` and a ``redis://`` URL."""

    kafka: str
    database: str
    redis: str


def find_endpoints(settings: Settings) -> Endpoints:
    """The servers to use. Asks the process table only, not the servers.

    Raises:
        ServiceUnavailable: an embedded server is needed and does not run.
    """
    outside = external_urls(settings)
    if len(outside) < len(SERVERS):
        ledger = Ledger.load(settings.data_dir)
        for name in SERVERS:
            if name not in outside:
                outside[name] = embedded_url(name, _running_entry(ledger, name, settings.data_dir))
    return Endpoints(kafka=outside[KAFKA], database=outside[POSTGRES], redis=outside[VALKEY])


def external_urls(settings: Settings) -> dict[str, str]:
    """The servers that the settings name, by the name of the embedded server that each replaces."""
    urls = {
        KAFKA: settings.kafka_bootstrap,
        POSTGRES: settings.database_url.get_secret_value() if settings.database_url else None,
        VALKEY: settings.redis_url.get_secret_value() if settings.redis_url else None,
    }
    return {name: url for name, url in urls.items() if url}


def embedded_url(name: str, entry: Entry, database: str = DATABASE_NAME) -> str:
    """Address of an embedded server."""
    address = f"127.0.0.1:{entry.port}"
    if name == POSTGRES:
        return f"postgresql://{DATABASE_USER}:{entry.secret}@{address}/{database}"
    return f"redis://{CACHE_USER}:{entry.secret}@{address}/0" if name == VALKEY else address


def _running_entry(ledger: Ledger, name: str, data_dir: Path) -> Entry:
    entry = ledger.entries.get(name)
    if entry is None or not entry.running():
        raise ServiceUnavailable(f"{name} is not running in {data_dir}: run `moodtape up --data-dir {data_dir}`")
    return entry
