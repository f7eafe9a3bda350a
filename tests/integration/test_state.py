"""``moodtape state show``: what a stage keeps of a symbol, read from its state topic."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.kafka import plain_producer
from schemas.topics import partition_of, state_topic

pytestmark = pytest.mark.services
FROZEN = Path(__file__).parents[1] / "unit" / "frozen" / "snapshots-2.json"


def show(kafka: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, against a broker."""
    environment = {
        **os.environ,
        "MOODTAPE_KAFKA_BOOTSTRAP": kafka,
        "MOODTAPE_DATABASE_URL": "postgresql://unused",
        "MOODTAPE_REDIS_URL": "redis://unused",
    }
    command = [sys.executable, "-m", "moodtape", "state", "show", *arguments, "--data-dir", str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_symbol_of_the_state_topic_is_shown(topics: str, tmp_path: Path) -> None:
    """The newest committed snapshot is decoded, with where the partition stands; what is not there is one line."""
    entries, number = json.loads(FROZEN.read_text())["quotes"], partition_of("TSLA")
    producer = plain_producer(topics)
    for key, text in entries.items():
        producer.produce(state_topic("quotes"), bytes.fromhex(text), f"{number}:{key}", number)
    assert producer.flush(30) == 0
    told = show(topics, tmp_path, "quotes", "TSLA", "--json")
    assert told.returncode == 0, told.stderr
    (kept,) = json.loads(told.stdout)["partitions"]
    assert (kept["partition"], kept["offsets"]) == (number, {"raw.quotes.v1": 30})
    assert kept["watermark"] == "2023-11-14T22:27:55Z"
    assert kept["state"]["yahoo 0"]["keys"] == 16
    assert '"keys": 16' in show(topics, tmp_path, "quotes", "TSLA").stdout
    for stage in ("quotes", "posts"):
        nothing = show(topics, tmp_path, stage, "NVDA")
        assert (nothing.returncode, nothing.stdout) == (2, "")
        assert nothing.stderr.startswith(f"moodtape: {stage} keeps nothing of NVDA;")
        assert nothing.stderr.count("\n") == 1


def test_an_unknown_stage_is_named_with_those_there_are(tmp_path: Path) -> None:
    """A wrong stage is a mistake that lists the right ones, before any server is asked."""
    told = show("127.0.0.1:1", tmp_path, "ticks", "TSLA")
    assert told.returncode == 2
    assert "'ticks' is not one of 'quotes', 'bars', 'posts', 'moods', 'correlations'" in told.stderr
    assert "Traceback" not in told.stderr
