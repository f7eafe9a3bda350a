"""What the folds let go of is gone at once: workers collect cycles so seldom that these would pile up."""

import gc
import random

import pytest

from tests.helpers.verified import stages_of, world_of
from tests.helpers.world import Worker


@pytest.mark.parametrize("seed", [3, 4])
def test_folds_leave_no_cycles_behind(seed: int) -> None:
    """After days of quotes and mentions nothing of ours is unreachable and still there."""
    world, rng = world_of(seed, 300, returns=False), random.Random(seed)
    gc.collect()
    gc.disable()
    try:
        workers = []
        for stage in stages_of():
            workers.append(Worker(world, stage, rng, most=20))
            while workers[-1].work():
                workers[-1].commit()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = {type(thing).__qualname__ for thing in gc.garbage if type(thing).__module__.startswith("streams.")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == set()
