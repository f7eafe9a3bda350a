"""The scorer as a process, and its clients."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from infra.settings import Settings
from streams.scoring.client import ScoreClient, ask_scorer
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.wire import address_file
from tests.helpers.waiting import wait_for

TEXTS = ["shares surge", "shares plunge", "the sky is wide", "shares  surge"]
LEXICON = LexiconScorer()


@contextmanager
def scorer(data_dir: Path, *options: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running ``moodtape score``, listening."""
    command = [sys.executable, "-m", "moodtape", "score", "--data-dir", str(data_dir), "--json", *options]
    env = {**os.environ, "MOODTAPE_SCORER": "lexicon", "MOODTAPE_LOG_LEVEL": "error", **environ}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, cwd=data_dir)
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), "the scorer ended before it listened"
        yield process
    finally:
        process.kill()
        process.wait()


def address(data_dir: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the process listens, once it has said so."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if address_file(data_dir).is_file():
            entry = json.loads(address_file(data_dir).read_text())
            if entry["pid"] == process.pid:
                return str(entry["url"])
        time.sleep(0.02)
    raise AssertionError("the scorer did not write score.json")


def ask(settings: Settings, texts: list[str]) -> dict[str, object]:
    """One question of a client of its own."""
    return dict(asyncio.run(ask_scorer(settings)(texts)))


def test_a_text_comes_back_with_the_score_it_has_in_process(tmp_path: Path) -> None:
    """Scores are bit-equal over HTTP; equal texts, long texts and more texts than fit a request are answered."""
    many = [f"shares surge {number}" for number in range(150)]
    long = "good " * 400
    with scorer(tmp_path):
        found = ask(Settings(data_dir=tmp_path), [*TEXTS, *many, long, ""])
    assert found == {text: LEXICON.score(" ".join(text.split())) for text in [*TEXTS, *many, long, ""]}


def test_a_scorer_killed_and_started_elsewhere_only_delays(tmp_path: Path) -> None:
    """A client that asks while none is there gets its answer from the next one, on another port."""

    async def story() -> None:
        client = ScoreClient(Settings(data_dir=tmp_path))
        early = asyncio.create_task(client.ask(["shares surge"]))
        with scorer(tmp_path) as first:
            expected = {"shares surge": LEXICON.score("shares surge")}
            assert await early == expected
            before = address(tmp_path, first)
            first.send_signal(signal.SIGKILL)
            first.wait()
            waiting = asyncio.create_task(client.ask(["shares plunge"]))
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done
            with scorer(tmp_path) as second:
                assert await waiting == {"shares plunge": LEXICON.score("shares plunge")}
                assert address(tmp_path, second) != before
        await client.close()

    asyncio.run(story())


def test_sigterm_ends_cleanly_and_takes_the_address_away(tmp_path: Path) -> None:
    """It stops with code 0 and leaves no file that names a dead process; before, health pages answer, and Prometheus is
    told where.
    """
    with scorer(tmp_path) as process:
        url = address(tmp_path, process)
        assert [httpx.get(f"{url}/{page}").status_code for page in ("livez", "readyz", "metrics")] == [200] * 3
        target = tmp_path / "metrics" / f"score-{process.pid}.json"
        wait_for(target.exists, "Prometheus is told")
        told = [{"targets": [url.removeprefix("http://")], "labels": {"process": "score"}}]
        assert json.loads(target.read_text()) == told
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert not address_file(tmp_path).exists()
        assert not target.exists()


def test_bad_questions_are_refused(tmp_path: Path) -> None:
    """What is no question, or too large a one, is told so; the scorer goes on."""
    with scorer(tmp_path) as process:
        url = f"{address(tmp_path, process)}/score"
        for body, status in (
            ({"text": "a"}, 422),
            ({"texts": [1]}, 422),
            ({"texts": ["a"] * 257}, 413),
            ({"texts": ["a" * 10_001]}, 413),
            ({"texts": []}, 200),
        ):
            assert httpx.post(url, json=body).status_code == status
        assert httpx.post(url, content=b"\xff").status_code == 422


def test_a_key_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    """With MOODTAPE_API_KEY the scorer answers its clients, who send the key, and no one else."""
    with scorer(tmp_path, MOODTAPE_API_KEY="secret") as process:
        url = address(tmp_path, process)
        assert httpx.post(f"{url}/score", json={"texts": ["a"]}).status_code == 401
        settings = Settings(scorer_url=url, api_key="secret")  # type: ignore[arg-type]
        assert ask(settings, ["shares surge"]) == {"shares surge": LEXICON.score("shares surge")}


def test_an_answer_that_is_none_is_asked_for_again(tmp_path: Path) -> None:
    """A stale score.json, a broken one and a foreign server behind it are tried again until a scorer is there."""
    bodies = iter([b"{", b'{"url": "http://127.0.0.1:9", "pid": 1}'])
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        body = next(bodies, None)
        address_file(tmp_path).write_bytes(body if body is not None else good)
        await asyncio.sleep(0)

    real = tmp_path / "real"
    real.mkdir()
    with scorer(real) as process:
        good = json.dumps({"url": address(real, process), "pid": process.pid}).encode()
        client = ScoreClient(Settings(data_dir=tmp_path), sleep)
        assert len(asyncio.run(client.ask(["shares surge"]))) == 1
    assert len(waits) == 3
    assert all(0 < wait <= 5 for wait in waits)
