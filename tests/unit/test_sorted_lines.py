"""Sorting more lines than memory holds."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.sorted_lines import SortedLines

ITEMS = st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=3), st.binary(max_size=30))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ITEMS, max_size=40), st.sampled_from([1, 700, 10**9]))
def test_however_little_is_held_the_order_is_the_same(
    tmp_path: Path, items: list[tuple[int, str, bytes]], run_bytes: int
) -> None:
    """All lines come, in the order of time, source and content, and no file of them is left in the folder."""
    lines = SortedLines(tmp_path / "made", run_bytes)
    for item in items:
        lines.add(*item)
    assert list(lines) == [line for *_, line in sorted(items)]
    assert lines.count == len(items)
    assert not list(tmp_path.glob("made/*"))
