"""What a reader found: of the mentions of a rule that no label confirms, how many are wrong, and how many were read.

Of ``--show 40`` (``name_alone``, ``bare_alone``, ``bare_community``) and ``--show 30``, reposts once. An exchange named
as a place, a newspaper as a source, a rating agency of the same name and a link's host counted as wrong.
"""

TWEETS: dict[str, tuple[int, int]] = {
    "exchange": (0, 30),
    "name": (2, 30),
    "name_capital": (1, 30),
    "name_listed": (2, 30),
    "bare": (3, 30),
    "bare_listed": (8, 13),
    "traded": (3, 3),
    "exchange_unknown": (0, 12),
    "name_alone": (6, 40),
    "bare_alone": (34, 40),
}
FORUM: dict[str, tuple[int, int]] = {
    "cashtag": (2, 25),
    "exchange": (0, 2),
    "name": (1, 25),
    "name_capital": (0, 10),
    "name_listed": (4, 25),
    "bare": (1, 25),
    "bare_listed": (0, 2),
    "bare_community": (7, 40),
    "traded": (0, 2),
    "cashtag_unknown": (5, 24),
    "name_alone": (2, 4),
}
