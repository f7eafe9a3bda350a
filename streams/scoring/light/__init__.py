"""The light model: counted words, pairs and kinds of words under a linear head; no library scores it."""

from .scorer import LightScorer

__all__ = ["LightScorer"]
