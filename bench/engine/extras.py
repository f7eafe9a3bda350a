"""What the alternatives need and the project does not, apart from its own environment, made on first use.

An environment of Python for quixstreams; the jars of Kafka Streams and, because the Java of a wheel has no compiler,
the one of Eclipse.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.servers import note
from infra.services.jars import fetched_jars
from infra.services.java import find_java
from infra.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-bench.lock"
FOLDER = ROOT / ".venv-bench"
JAVA_SOURCE = Path(__file__).resolve().parent / "kstreams" / "Bench.java"


def quix_python() -> Path:
    """The Python of an environment with quixstreams as locked; made on first use."""
    folder = FOLDER / "quixstreams"
    python, stamp = folder / "bin" / "python", folder / ".ready"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    note(f"installing quixstreams into {folder.relative_to(ROOT)}")
    uv = [sys.executable, "-m", "uv", "-q"]
    subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], check=True)
    install = ["pip", "install", "--python", str(python), "--require-hashes", "-r", str(LOCK)]
    subprocess.run([*uv, *install], check=True)
    stamp.write_text(wanted)
    return python


def streams_command() -> list[str]:
    """Java with Kafka Streams and our program on it, compiled if it was not yet."""
    locked = json.loads((JAVA_SOURCE.parent / "jars.lock.json").read_text())
    settings = Settings()
    java, _ = find_java(settings.java)
    path = os.pathsep.join(str(jar) for jar in fetched_jars(locked["streams"], settings, note))
    wanted = hashlib.sha256(JAVA_SOURCE.read_bytes() + path.encode()).hexdigest()
    folder = FOLDER / "kstreams" / wanted[:16]
    if not (folder / "Bench.class").exists():
        note("compiling Kafka Streams' program")
        compiler = os.pathsep.join(str(jar) for jar in fetched_jars(locked["compiler"], settings, note))
        compile_ = [str(java), "-cp", compiler, "org.eclipse.jdt.internal.compiler.batch.Main", "-source", "17"]
        options = ["-target", "17", "-proc:none", "-warn:none", "-cp", path, "-d", str(folder), str(JAVA_SOURCE)]
        subprocess.run([*compile_, *options], check=True)
    return [str(java), "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{folder}{os.pathsep}{path}", "Bench"]


def alternatives() -> dict[str, str]:
    """Versions of what we are compared with and do not have in our own environment."""
    lines = LOCK.read_text().splitlines()
    pinned = dict(line.rstrip(" \\").split("==") for line in lines if "==" in line and ";" not in line)
    jars = json.loads((JAVA_SOURCE.parent / "jars.lock.json").read_text())["streams"]
    streams = next(coordinate.rpartition(":")[2] for coordinate, _ in jars if "kafka-streams" in coordinate)
    return {**{name: pinned[name] for name in ("quixstreams", "rocksdict")}, "kafka-streams": streams}
