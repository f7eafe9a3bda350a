"""``moodtape api`` as a process: its address, its end, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

COMMAND = [sys.executable, "-m", "moodtape", "api"]
UNREACHABLE = {
    "MOODTAPE_KAFKA_BOOTSTRAP": "127.0.0.1:9",
    "MOODTAPE_DATABASE_URL": "postgresql://x:y@127.0.0.1:9/z",
    "MOODTAPE_REDIS_URL": "redis://127.0.0.1:9/0",
}


def start(folder: Path, *arguments: str) -> tuple["subprocess.Popen[str]", str]:
    """A process that listens, and its URL as printed."""
    process = subprocess.Popen(
        [*COMMAND, "--data-dir", str(folder), "--json", *arguments],
        env={**os.environ, **UNREACHABLE},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["url"]


def stop(process: "subprocess.Popen[str]") -> int:
    """The exit code after SIGTERM, within ten seconds."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(10)
    finally:
        process.kill()
        process.communicate()


def test_it_tells_where_it_listens_ends_cleanly_and_comes_back_there(tmp_path: Path) -> None:
    """api.json has URL and pid of a process that answers, and Prometheus is told; the next one takes the same port."""
    process, url = start(tmp_path)
    told = json.loads((tmp_path / "api.json").read_text())
    (target,) = json.loads((tmp_path / "metrics" / f"api-{process.pid}.json").read_text())
    alive = httpx.get(f"{url}/livez").status_code
    code = stop(process)
    again, url_again = start(tmp_path)
    code_again = stop(again)

    assert told == {"url": url, "pid": process.pid}
    assert target == {"targets": [url.removeprefix("http://")], "labels": {"process": "api"}}
    assert list((tmp_path / "metrics").iterdir()) == []
    assert (alive, code, code_again, url_again) == (200, 0, 0, url)


def test_it_will_not_be_heard_elsewhere_without_a_key(tmp_path: Path) -> None:
    """Another address than loopback needs MOODTAPE_API_KEY: one line says so, with exit code 2."""
    done = subprocess.run(
        [*COMMAND, "--data-dir", str(tmp_path), "--host", "0.0.0.0"],
        env={**os.environ, **UNREACHABLE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "MOODTAPE_API_KEY" in done.stderr
