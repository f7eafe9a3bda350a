"""Posts that we made up, of firms that do not exist: what a model and its copy are compared on by default.

Headlines, sentences of reports, talk of traders, forums and chats, sarcasm, questions, the economy at large, complaints
and advertisements, of one word to a hundred. Many are on the border of two labels, as real posts are: a copy that
differs shows it there first.
"""

from importlib.resources import files


def invented_posts() -> list[str]:
    """The posts, each another."""
    return files(__package__).joinpath("invented.txt").read_text("utf-8").splitlines()
