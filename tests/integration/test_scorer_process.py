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
from streams.scoring.wire import address_file, scorer_of
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


def address(data_dir: Path, process: subprocess.Popen[bytes], number: int = 1) -> str:
    """Where the process listens, once it has said so."""
    deadline, file = time.monotonic() + 30, address_file(data_dir, number)
    while time.monotonic() < deadline:
        if file.is_file():
            entry = json.loads(file.read_text())
            if entry["pid"] == process.pid:
                return str(entry["url"])
        time.sleep(0.02)
    raise AssertionError(f"the scorer did not write {file.name}")


def scored(url: str) -> dict[str, int]:
    """How many texts a scorer has answered, by the model and from its cache."""
    lines = [line.split() for line in httpx.get(f"{url}/metrics").text.splitlines()]
    found = {line[0]: int(float(line[1])) for line in lines if line[0].startswith("moodtape_texts_scored_total")}
    return {by: found.get(f'moodtape_texts_scored_total{{by="{by}"}}', 0) for by in ("model", "cache")}


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


TWO = {"MOODTAPE_SCORER_PROCESSES": "2"}
MANY = [f"shares surge {number}" for number in range(300)]


def test_two_scorers_share_the_texts_and_say_the_same(tmp_path: Path) -> None:
    """Each text is scored by one of them, once, and found in its cache by the next who asks; scores are bit-equal."""
    settings = Settings(data_dir=tmp_path, scorer_processes=2)
    with scorer(tmp_path, **TWO) as first, scorer(tmp_path, "--number", "2", **TWO) as second:
        urls = [address(tmp_path, first), address(tmp_path, second, 2)]
        found = ask(settings, MANY)
        assert ask(settings, [f"{text} " for text in MANY]) == {f"{text} ": score for text, score in found.items()}
        told = [scored(url) for url in urls]
    assert found == {text: LEXICON.score(text) for text in MANY}
    shares = [sum(scorer_of(text, 2) == number for text in MANY) for number in (1, 2)]
    assert told == [{"model": share, "cache": share} for share in shares]


def test_one_of_two_scorers_that_is_away_delays_its_texts_alone(tmp_path: Path) -> None:
    """The other has answered meanwhile; the answer is whole once the one that was killed is back, at another port."""

    async def story() -> None:
        client = ScoreClient(Settings(data_dir=tmp_path, scorer_processes=2))
        with scorer(tmp_path, **TWO) as first:
            url = address(tmp_path, first)
            with scorer(tmp_path, "--number", "2", **TWO) as second:
                before = address(tmp_path, second, 2)
            waiting = asyncio.create_task(client.ask(MANY))
            share = sum(scorer_of(text, 2) == 1 for text in MANY)
            await asyncio.to_thread(wait_for, lambda: scored(url)["model"] == share, "the first has answered")
            assert not waiting.done()
            with scorer(tmp_path, "--number", "2", **TWO) as second:
                assert await waiting == {text: LEXICON.score(text) for text in MANY}
                assert address(tmp_path, second, 2) != before
        await client.close()

    asyncio.run(story())


def test_sigterm_ends_cleanly_and_takes_the_address_away(tmp_path: Path) -> None:
    """It stops with code 0 and leaves no file that names a dead process; before, health pages answer, and Prometheus is
    told where.
    """
    with scorer(tmp_path) as process:
        url = address(tmp_path, process)
        assert [httpx.get(f"{url}/{page}").status_code for page in ("livez", "readyz", "metrics")] == [200] * 3
        target = tmp_path / "metrics" / f"score-1-{process.pid}.json"
        wait_for(target.exists, "Prometheus is told")
        told = [{"targets": [url.removeprefix("http://")], "labels": {"process": "score-1"}}]
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
