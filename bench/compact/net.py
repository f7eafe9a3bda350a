"""The compact model while it learns: the public base, with a low-rank change beside each matrix of its layers."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load
from torch import nn
from transformers import BertConfig, BertModel

from streams.scoring.compact.base import Base, Floats
from streams.scoring.compact.part import MATRICES, Part

RANK, GAIN, DROPOUT = 16, 2.0, 0.1
CLASSES = 3
LOOK = 64


class Changed(nn.Module):
    """A matrix of the base, which stays, and its change, which is learned: ``GAIN * up @ down``."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, rows: Any) -> Any:
        """Rows (..., inputs) -> (..., outputs)."""
        return self.base(rows) + GAIN * (rows @ self.down.T) @ self.up.T


class Net(nn.Module):
    """Logits (texts, 3) of ids (texts, tokens), of which ``mask`` says which are no padding."""

    def __init__(self, base: Base) -> None:
        super().__init__()
        with TemporaryDirectory() as room:
            (Path(room) / "config.json").write_text(json.dumps(base.config), encoding="utf-8")
            config = BertConfig.from_pretrained(room)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.bert.load_state_dict(load(base.weights), strict=False)
        self.bert.requires_grad_(False)
        for layer in self.bert.encoder.layer:
            for theirs in MATRICES.values():
                owner, _, name = theirs.rpartition(".")
                place = layer.get_submodule(owner)
                setattr(place, name, Changed(getattr(place, name)))
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(config.hidden_size, CLASSES)

    def forward(self, ids: Any, mask: Any) -> Any:
        """The head of the mean of a text's tokens."""
        rows = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        real = mask[:, :, None].to(rows.dtype)
        return self.head(self.dropout((rows * real).sum(1) / real.sum(1)))

    def part(self, temperature: float, plain: Floats, linked: Floats) -> Part:
        """What was learned: logits over ``temperature``, and how common labels are taken to be, in logarithms.

        Args:
            temperature: of the calibration.
            plain: of texts without a link (3).
            linked: of texts with one (3).
        """
        changes = {
            (number, ours): (_array(change.down), GAIN * _array(change.up))
            for number, layer in enumerate(self.bert.encoder.layer)
            for ours, theirs in MATRICES.items()
            for change in [layer.get_submodule(theirs)]
        }
        head, own = _array(self.head.weight) / temperature, _array(self.head.bias) / temperature
        return Part(changes, head, own + plain, linked - plain)


def logits(net: Net, texts: Sequence[Sequence[int]]) -> Floats:
    """Logits (texts, 3) of texts as ids."""
    net.eval()
    found = np.zeros((len(texts), CLASSES))
    order = np.argsort([len(ids) for ids in texts], kind="stable")
    with torch.no_grad():
        for start in range(0, len(texts), LOOK):
            places = order[start : start + LOOK]
            found[places] = net(*padded([texts[place] for place in places])).numpy()
    return found


def padded(texts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Ids and mask (texts, longest)."""
    ids = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
    return ids, mask


def _array(tensor: Any) -> Floats:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)
