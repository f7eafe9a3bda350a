"""The settings: one tree, built once, passed down.

Every setting is read from the environment (``MOODTAPE_*``) or from ``moodtape.toml`` in the working folder;
the environment wins. ``moodtape doctor`` prints them without secrets.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .errors import UserError


def _parts(value: object) -> object:
    """Names of a text that are separated by commas; anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part for part in (part.strip() for part in value.split(",")) if part)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
"""Names in order; separated by commas in the environment, there or a list in ``moodtape.toml``."""


def _is_database_url(url: str) -> bool:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return url.startswith(("postgresql://", "postgres://"))


def _is_redis_url(url: str) -> bool:
    from redis.connection import parse_url

    try:
        parse_url(url)  # type: ignore[no-untyped-call]  # redis ships it so
    except ValueError:
        return False
    return True


class Settings(BaseSettings):
    """What a user can set. The defaults run everything on one machine, on loopback."""

    model_config = SettingsConfigDict(
        env_prefix="MOODTAPE_", toml_file="moodtape.toml", extra="forbid", frozen=True, allow_inf_nan=False
    )

    data_dir: Path = Field(Path(".moodtape"), description="Folder of the embedded servers, logs and checkpoints.")

    kafka_bootstrap: str | None = Field(None, description="host:port,... of an external Kafka; unset = embedded.")
    database_url: SecretStr | None = Field(
        None, description="postgresql:// URL of an external server; unset = embedded."
    )
    redis_url: SecretStr | None = Field(
        None, description="redis:// URL of an external Redis or Valkey; unset = embedded."
    )
    replication_factor: int = Field(1, ge=1, le=5, description="Copies of each topic; 3 outside one machine.")

    java: Path | None = Field(None, description="A java program (17 or newer) to run the embedded Kafka with.")
    cache_dir: Path | None = Field(None, description="Where downloads are kept; unset = the user's cache folder.")

    maven_url: str | None = Field(
        None, description="Mirror of Maven Central to fetch Kafka from; unset = Maven Central itself."
    )

    day_zone: str = Field("America/New_York", description="Time zone whose midnights bound the 86400 s buckets.")
    quote_sources: Names = Field(
        ("yahoo", "finnhub", "simulator"), description="Preference of sources for bars, separated by commas."
    )
    post_sources: Names = Field(
        (),
        description="Post sources that coverage counts, as their clocks name them (a recording by its own name), "
        "separated by commas; empty = those heard of.",
    )
    quotes_lateness_seconds: float = Field(5.0, ge=0, description="How long bars wait for late quotes, event time.")
    posts_lateness_seconds: float = Field(120.0, ge=0, description="How long moods wait for late posts, event time.")

    mention_confidence: float = Field(
        0.5, ge=0, le=1, description="Instruments that a post names less surely than this are left out, and counted."
    )

    scorer: str = Field(
        "auto",
        description="auto, light, lexicon, or [cascade:] compact, onnx:FOLDER, transformers:FOLDER-OR-NAME.",
    )
    cascade_confidence: float = Field(
        0.8, ge=0, le=1, description="A cascade asks the larger model where the light one is less sure than this."
    )
    scorer_url: str | None = Field(
        None, description="http:// address of the scorer; unset = started beside the worker."
    )
    scorer_processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Scorers that share the texts, each a process with the model in memory; more help `light` and "
        "`lexicon`, which use one core each. With a scorer_url there is one.",
    )
    model: str = Field("ProsusAI/finbert", description="Model that auto looks for: a folder or a hub name.")

    sets_dir: Path = Field(
        Path("../shared/data"), description="Folder of the public labelled sets that `models evaluate --set` knows."
    )

    instance: str | None = Field(
        None, description="Names this machine's workers, each with a number behind it; unset = its host name."
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        "classic", description="classic = static range; consumer = KIP-848."
    )
    consume_records: int = Field(1000, ge=1, le=10_000, description="Most records of one poll.")
    commit_interval_ms: int = Field(100, ge=5, le=5000, description="Time between transactions of a stage.")
    snapshot_interval_seconds: float = Field(5.0, gt=0, description="Time between snapshots of a partition.")
    snapshot_records: int = Field(
        50_000, ge=1, description="Most records of a partition between snapshots: what a restore folds again."
    )
    stall_seconds: float = Field(
        60.0, ge=5, description="A worker with input that gets nothing done for this long ends, to be started again."
    )
    session_timeout_ms: int = Field(
        10_000, ge=6000, le=300_000, description="When the broker gives up on a silent worker."
    )

    api_host: str = Field("127.0.0.1", description="Address the API listens on; others than loopback need an API key.")
    api_port: int | None = Field(None, ge=0, le=65535, description="Port of the API; unset = remembered or free.")
    api_key: SecretStr | None = Field(None, description="Key that callers must send when set.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    metrics_host: str = Field("127.0.0.1", description="Address of /metrics, /livez and /readyz of a process.")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of /metrics, /livez and /readyz; 0 = free. A supervisor takes it, its processes free ones.",
    )

    @field_validator("api_key", "database_url", "redis_url")
    @classmethod
    def _empty_is_unset(cls, secret: SecretStr | None) -> SecretStr | None:
        return secret or None

    # These say nothing of the value: each is a secret, or holds one.
    @field_validator("api_key")
    @classmethod
    def _fits_into_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else ""
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise PydanticCustomError("api_key", "give printable ASCII characters, without spaces at the ends")
        return key

    @field_validator("database_url")
    @classmethod
    def _names_a_database(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not _is_database_url(url.get_secret_value()):
            raise PydanticCustomError("url", "give postgresql://USER:PASSWORD@HOST:PORT/DATABASE, % in them as %25")
        return url

    @field_validator("redis_url")
    @classmethod
    def _names_a_cache(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not _is_redis_url(url.get_secret_value()):
            raise PydanticCustomError("url", "give redis://USER:PASSWORD@HOST:PORT/0, or a rediss:// or unix:// URL")
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then moodtape.toml."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    def public(self) -> dict[str, object]:
        """Every setting as JSON values, secrets masked."""
        return self.model_dump(mode="json")


def load_settings(**overrides: object) -> Settings:
    """Settings from arguments, environment and ``moodtape.toml``.

    Raises:
        UserError: a value is wrong; the message names the setting.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]  # pydantic validates
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError("settings: " + "; ".join(lines)) from None
    except ValueError as error:
        raise UserError(f"moodtape.toml: {error}") from None
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().resolve()})


def cache_dir(settings: Settings) -> Path:
    """Where downloads are kept: the setting, else ``$XDG_CACHE_HOME/moodtape``, else ``~/.cache/moodtape``."""
    if settings.cache_dir is not None:
        return settings.cache_dir.expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moodtape"
