"""One run of one contender in a process of its own: costs to the standard output, what came out to a file."""

import gc
import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from . import ours, plain
from .meter import Meter
from .workload import chunks, facts_in


@dataclass(frozen=True, slots=True)
class Job:
    """What to run.

    Attributes:
        contender: ``ours`` or ``plain``.
        workload: see :func:`bench.stage.workload.chunks`.
        records: how many facts of it.
        snapshot_every: records of a partition between two snapshots.
        outputs: file to write.
    """

    contender: str
    workload: str
    records: int
    snapshot_every: int
    outputs: str

    def text(self) -> str:
        """The argument."""
        return json.dumps(asdict(self))


def main() -> None:
    """Run the job of the only argument."""
    job = Job(**json.loads(sys.argv[1]))
    some = chunks(job.workload, job.records)
    records = facts_in(some)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as a worker does
    with Meter() as meter:
        if job.contender == "ours":
            written = ours.run(some, meter, job.snapshot_every)
        else:
            written = meter.call("plain", plain.run, some)
    quotes, bars = written.plainly()
    digest = hashlib.sha256(msgspec.msgpack.encode(quotes)).hexdigest()
    out = {"quotes": digest, "dead": sorted(written.dead), "bars": bars}
    Path(job.outputs).write_bytes(msgspec.msgpack.encode(out))
    counts = {"records": records, "quotes": sum(map(len, quotes)), "bars": len(bars), "dead": len(written.dead)}
    report = {"microseconds": meter.total(records), "parts": meter.costs(records), **counts}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
