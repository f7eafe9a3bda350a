"""Recordings played one after the other into the same topics."""

import os
import signal
import time
from pathlib import Path

import pytest

from schemas.topics import BARS, CORRELATIONS, MENTIONS, SENTIMENT
from tests.helpers import mood_oracle
from tests.helpers.playing import Played, Servers, play
from tests.helpers.waiting import wait_for

from .cutting import cut
from .test_recordings import compare
from .test_sameness import running_pids

pytestmark = [pytest.mark.services, pytest.mark.shared, pytest.mark.timeout(600)]
WAIT_SECONDS = 120
HELD_SECONDS = 10


def test_prices_do_not_run_ahead_of_the_next_recordings_posts(shared: Path, tmp_path: Path) -> None:
    """While the posts of the second one wait to be scored its bars are made; its correlations still have its moods."""
    data_dir = tmp_path / "data"
    for day, meanwhile in (("2022-03-14", None), ("2022-03-15", hold_posts)):
        recording = cut(shared, tmp_path / day, f"{day}T12:00:00Z", f"{day}T15:00:00Z", day)
        counts = play(recording, data_dir, meanwhile=meanwhile)
    with Servers(data_dir) as endpoints:
        played = Played(recording, data_dir, counts, endpoints)
        bars, moods, mentions = (played.records(topic) for topic in (BARS, SENTIMENT, MENTIONS))
        found = played.records(CORRELATIONS)
    first = [m for m in moods if not m.revision]  # whole already: nothing came late
    compare(first, mood_oracle.moods(mentions))
    for interval in (60, 300):
        ours = [c for c in found if (c.symbol, c.interval) == ("TSLA", interval)]
        compare(ours, mood_oracle.correlations(bars, moods, symbol="TSLA", interval=interval))


def hold_posts(data_dir: Path) -> None:
    """Stop the worker of the posts as soon as it is there, until the bars have long been made."""
    wait_for(lambda: "stream-posts" in running_pids(data_dir), "the worker runs", WAIT_SECONDS)
    pid = running_pids(data_dir)["stream-posts"]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: "produce-recording" in running_pids(data_dir), "the producer runs", WAIT_SECONDS)
    wait_for(lambda: "produce-recording" not in running_pids(data_dir), "the producer has ended", WAIT_SECONDS)
    time.sleep(HELD_SECONDS)
    os.kill(pid, signal.SIGCONT)
