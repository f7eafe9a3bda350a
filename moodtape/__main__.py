"""``python -m moodtape`` is ``moodtape``."""

from .cli import main

main()
