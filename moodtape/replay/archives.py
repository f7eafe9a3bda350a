"""Archives as input of a replay: of one log, whole, and joined by offsets with one another and with the live topics."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import UserError
from infra.files import has_sha256
from infra.offsets import cluster_of, topic_ids
from infra.replays import Archive
from producers.archive import LOG_FILE, Log, Logged, read_log
from producers.recording import read_manifest
from schemas.topics import RAW_TOPICS

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """The folder of an archive and what its manifest says of its log."""

    folder: Path
    log: Log

    @property
    def archive(self) -> Archive:
        """As a plan remembers it."""
        return Archive(str(self.folder.resolve()), self.log.sha256)


def open_archives(folders: Iterable[Path]) -> tuple[OpenArchive, ...]:
    """The archives of some folders, the earliest first; the logs themselves are not read yet.

    Raises:
        UserError: one of them is none.
    """
    found = []
    for folder in folders:
        log = read_manifest(folder).log
        if log is None:
            raise UserError(
                f"{folder} holds a recording and no log, so no replay can read it: only `moodtape record --archive` "
                f"writes one. It plays in a data folder of its own: `moodtape demo --recording {folder} --data-dir D`"
            )
        found.append(OpenArchive(folder, log))
    # A log's beginning and end only ever move on, so of two archives one is the earlier in every partition.
    return tuple(sorted(found, key=lambda each: (sum(each.log.firsts.values()), sum(each.log.ends.values()))))


def require_whole(archives: Sequence[OpenArchive]) -> None:
    """Check every byte of the logs.

    Raises:
        UserError: one is not as it was written.
    """
    for archive in archives:
        if not has_sha256(archive.folder / LOG_FILE, archive.log.sha256):
            raise UserError(
                f"{archive.folder / LOG_FILE} is missing, cut off or changed: its sha256 is not the one in "
                "recording.json; take another copy of it"
            )


def require_same_log(bootstrap: str, archives: Sequence[OpenArchive]) -> None:
    """Check that the archives are of the very topics that this broker has.

    Raises:
        UserError: one is not.
        ServiceUnavailable: the broker does not answer.
    """
    cluster, topics = cluster_of(bootstrap), topic_ids(bootstrap, RAW_TOPICS)
    for archive in archives:
        if archive.log.cluster != cluster:
            raise UserError(
                f"{archive.folder} is of another Kafka cluster ({archive.log.cluster}, not {cluster}), whose offsets "
                "mean nothing here: replay it there, or play it: "
                f"`moodtape demo --recording {archive.folder} --data-dir D`"
            )
        if archive.log.topics != topics:
            raise UserError(
                f"{archive.folder} is of raw topics that were deleted and made anew since, so its offsets mean nothing "
                f"here; it can be played: `moodtape demo --recording {archive.folder} --data-dir D`"
            )


def joined(archives: Sequence[OpenArchive], starts: Mapping[Place, int], ends: Mapping[Place, int]) -> dict[Place, int]:
    """Where each partition begins when the archives are read first, and then the live topics.

    Args:
        archives: the earliest first, at least one.
        starts: first offsets that the live topics hold.
        ends: their ends.

    Raises:
        UserError: between two of them, or in what a manifest says, something is missing.
    """
    for archive in archives:
        if archive.log.firsts.keys() != ends.keys():
            raise UserError(f"recording.json in {archive.folder} does not name each partition of the raw topics")
    for place in ends:
        reach, before = archives[0].log.firsts[place], ""
        for archive in archives:
            _require_next(place, before, reach, str(archive.folder), archive.log.firsts[place])
            reach, before = max(reach, archive.log.ends[place]), str(archive.folder)
        _require_next(place, before, reach, "the topic", starts[place])
        if reach > ends[place]:
            raise UserError(
                f"{place[0]}/{place[1]}: {before} goes on to offset {reach} and the topic ends at {ends[place]}: Kafka "
                "has lost what it held, and what it holds now is another log"
            )
    return archives[0].log.firsts


def _require_next(place: Place, before: str, reach: int, then: str, first: int) -> None:
    if first > reach:
        raise UserError(
            f"{place[0]}/{place[1]}: {before} ends at offset {reach} and {then} begins at {first}; what lies between "
            "is missing. Name an --archive that holds it, or else give only what joins and a later --from"
        )


def reaches(archives: Sequence[OpenArchive]) -> dict[Place, int]:
    """Where the last archive ends, and the live topics go on."""
    return {place: max(each.log.ends[place] for each in archives) for place in archives[0].log.firsts}


def archived(archives: Sequence[OpenArchive]) -> Iterator[Logged]:
    """Every record of archives that join, once, in the order of each partition's log."""
    reach = dict(archives[0].log.firsts)
    for archive in archives:
        for record in read_log(archive.folder):
            if record.offset >= reach[record.place]:
                yield record
        reach = {place: max(reach[place], end) for place, end in archive.log.ends.items()}
