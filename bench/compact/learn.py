"""How the compact model learns: cross entropy with the labels' shares, AdamW, a rate that rises and falls in a line."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from streams.scoring.compact.base import Base, Floats

from .net import Net, padded

EPOCHS, RATE, RISE, DECAY, STEEPEST = 3, 1e-3, 0.06, 0.01, 1.0
BATCH, POOL, TOLD_EVERY, SEED = 32, 40, 200, 1


def learned(
    base: Base, texts: Sequence[Sequence[int]], shares: Floats, common: Floats, tell: Callable[[str], None]
) -> Net:
    """A net of texts; on one thread the same data give the same net.

    Args:
        base: where it begins.
        texts: as ids.
        shares: of their labels (n, 3).
        common: logarithm of how common the labels are in each row's group (n, 3); what is learned is free of it.
        tell: is told how far it is.
    """
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    net, random = Net(base), np.random.default_rng(SEED)
    free = [weights for weights in net.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(free, RATE, weight_decay=DECAY)
    wanted, given = (torch.tensor(values, dtype=torch.float32) for values in (shares, common))
    steps = [batch for _ in range(EPOCHS) for batch in _batches([len(ids) for ids in texts], random)]
    net.train()
    run = 0.0
    for step, batch in enumerate(steps, 1):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(step / (RISE * len(steps)), (len(steps) - step + 1) / len(steps), 1.0)
        logits = net(*padded([texts[place] for place in batch])) + given[batch]
        loss = nn.functional.cross_entropy(logits, wanted[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(free, STEEPEST)
        optimiser.step()
        optimiser.zero_grad()
        run += float(loss.detach())
        if step % TOLD_EVERY == 0:
            tell(f"step {step} of {len(steps)}: loss {run / TOLD_EVERY:.4f}")
            run = 0.0
    return net


def _batches(lengths: Sequence[int], random: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """All texts once in chance order, those of like length together so that little is padding."""
    order, known = random.permutation(len(lengths)), np.array(lengths)
    batches = []
    for start in range(0, len(order), BATCH * POOL):
        pool = order[start : start + BATCH * POOL]
        pool = pool[np.argsort(known[pool], kind="stable")]
        batches += [pool[at : at + BATCH] for at in range(0, len(pool), BATCH)]
    yield from (batches[place] for place in random.permutation(len(batches)))
