"""The compact model: a public transformer of six layers, and what we taught it, put together on the user's machine.

The base, all-MiniLM-L6-v2, comes from the Python package index, by its SHA-256 (``base.py``). What comes with this
package is our part alone (``part.npz``): low-rank changes of the base's matrices and a head. ``moodtape models pull
compact`` writes both as one int8 graph (``graph.py``), which the scorer ``compact`` gives to onnxruntime.
"""

from .pull import compact_folder, pull_compact

__all__ = ["compact_folder", "pull_compact"]
