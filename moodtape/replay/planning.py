"""What a replay will read, decided once, or why there can be none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from infra.clock import to_rfc3339
from infra.endpoints import Endpoints
from infra.errors import UserError
from infra.offsets import cluster_of, log_ends, log_starts
from infra.replays import Plan, check_id, code_version, find_plan, require_plan, store_plan
from infra.settings import Settings
from schemas.replays import AGGREGATED
from schemas.topics import RAW_TOPICS
from streams.scoring.choose import chosen

from .archives import OpenArchive, joined, require_same_log, require_whole
from .history import NOWHERE, Place, complete_after

_ARCHIVE = (
    "--archive DIR, where `moodtape record DIR --archive` wrote in time (a recording without it plays in a data "
    "folder of its own: `moodtape demo --recording DIR --data-dir D`)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asks for; times are microseconds UTC. ``from_mentions``: fold stored mentions, not raw facts.

    ``archives`` are read before the raw topics, the earliest first.
    """

    id: str
    start: int
    end: int
    symbols: tuple[str, ...] = ()
    from_mentions: bool = False
    archives: tuple[OpenArchive, ...] = ()


def plan_replay(settings: Settings, endpoints: Endpoints, wanted: Wanted) -> Plan:
    """The plan of a new replay, stored; or that of one that was begun and goes on.

    Raises:
        UserError: it cannot be; the message says why and what can be done.
        ServiceUnavailable: a server is away.
    """
    check_id(wanted.id)
    if wanted.start >= wanted.end:
        raise UserError(f"--from {to_rfc3339(wanted.start)} is not before --to {to_rfc3339(wanted.end)}")
    if wanted.from_mentions and wanted.symbols:
        raise UserError("--symbols does not go with --from-mentions: symbols are chosen where raw facts are read")
    if wanted.from_mentions and wanted.archives:
        raise UserError("--archive does not go with --from-mentions: an archive holds raw facts and no scores")
    plan = _fresh(settings, endpoints, wanted)
    begun = find_plan(endpoints.database, wanted.id)
    if begun is not None:
        _require_same(begun, plan)
        _require_input(endpoints.kafka, begun, wanted.archives)
        return begun
    if wanted.archives:
        plan = replace(plan, begins=_joined(endpoints.kafka, plan, wanted.archives))
    known_after = _known_after(endpoints.kafka, plan, wanted.archives)
    _require_known(plan, known_after)
    store_plan(endpoints.database, replace(plan, known_after=known_after))
    return require_plan(endpoints.database, wanted.id)


def _fresh(settings: Settings, endpoints: Endpoints, wanted: Wanted) -> Plan:
    topics = AGGREGATED if wanted.from_mentions else RAW_TOPICS
    return Plan(
        id=wanted.id,
        start=wanted.start,
        end=wanted.end,
        symbols=wanted.symbols,
        scorer="none" if wanted.from_mentions else settings.scorer_url or chosen(settings),
        code=code_version(),
        cluster=cluster_of(endpoints.kafka),
        archives=tuple(sorted({each.archive for each in wanted.archives}, key=attrgetter("sha256"))),
        begins=log_starts(endpoints.kafka, topics),
        ends=log_ends(endpoints.kafka, topics),
    )


def _joined(bootstrap: str, plan: Plan, archives: Sequence[OpenArchive]) -> dict[Place, int]:
    """Where it begins to read, once all is there that it has to read."""
    require_same_log(bootstrap, archives)
    begins = joined(archives, log_starts(bootstrap, RAW_TOPICS), plan.ends)
    require_whole(archives)
    return begins


def _require_input(bootstrap: str, begun: Plan, archives: Sequence[OpenArchive]) -> None:
    """Refuse to go on with a replay that has lost what it has still to read."""
    if begun.complete or begun.loaded is not None:
        return
    if begun.archives:
        try:
            _joined(bootstrap, begun, archives)
        except UserError as error:
            raise UserError(
                f"replay {begun.id} cannot go on loading: {error}. Remove it by `moodtape replay drop {begun.id}`"
            ) from error
    else:
        require_offsets(bootstrap, begun, begun.begins)


def _require_same(begun: Plan, now: Plan) -> None:
    """Refuse to go on with a replay that was asked for something else."""
    if begun.reaggregated != now.reaggregated:
        raise UserError(
            f"replay {begun.id} was begun {'with' if begun.reaggregated else 'without'} --from-mentions. "
            f"Give another ID, or remove it by `moodtape replay drop {begun.id}`"
        )
    named = {"start": "--from", "end": "--to", "symbols": "--symbols", "archives": "--archive"}
    made = {} if begun.complete else {"scorer": "the scorer", "code": "the code", "cluster": "the Kafka cluster"}
    for attribute, name in {**named, **made}.items():
        was, is_now = getattr(begun, attribute), getattr(now, attribute)
        if was != is_now:
            raise UserError(
                f"replay {begun.id} was begun with another {name.removeprefix('the ')}: {_told(attribute, was)}, not "
                f"{_told(attribute, is_now)}. Give another ID, or remove it by `moodtape replay drop {begun.id}`"
            )


def _told(attribute: str, value: object) -> str:
    if attribute in ("start", "end"):
        return to_rfc3339(int(str(value)))
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or ("none" if attribute == "archives" else "all")
    return str(value)


def _known_after(bootstrap: str, plan: Plan, archives: Sequence[OpenArchive]) -> int | None:
    """Event time after which no fact that it reads is missing; None where nothing was ever removed."""
    times = complete_after(bootstrap, plan.begins, plan.ends, archives).values()
    return max((time for time in times if time is not None), default=None)


def _require_known(plan: Plan, known_after: int | None) -> None:
    """Refuse a replay of a time of which facts were removed."""
    if known_after is None or plan.start > known_after:
        return
    inputs = "mentions.v1 or bars.v1" if plan.reaggregated else "a raw topic"
    if plan.archives:
        inputs = "what the archives and the raw topics hold together"
    again = "" if plan.reaggregated else "; or --from-mentions, which folds moods and correlations of what was scored"
    if known_after == NOWHERE:
        raise UserError(
            f"{inputs} holds nothing any more of what it held: there is nothing to replay. Give {_ARCHIVE}{again}"
        )
    raise UserError(
        f"{inputs} lacks what came before {to_rfc3339(known_after)}: it was removed (raw posts are kept for 48 hours). "
        f"Give a later --from; or {_ARCHIVE}{again}"
    )


def require_offsets(bootstrap: str, plan: Plan, stands: Mapping[Place, int]) -> None:
    """Check that the live topics still hold what a replay has to read from ``stands`` on.

    Raises:
        UserError: they do not.
    """
    for (topic, partition), low in log_starts(bootstrap, dict.fromkeys(topic for topic, _ in plan.ends)).items():
        stand, end = stands.get((topic, partition), 0), plan.ends[topic, partition]
        if low > stand and stand < end:
            raise UserError(
                f"{topic}/{partition}: replay {plan.id} has to read from offset {stand} on, but the log begins at "
                f"{low} now. Remove it by `moodtape replay drop {plan.id}` and begin anew, with a later --from"
            )
