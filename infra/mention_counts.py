"""How often each rule found an instrument in the posts that are stored, of the version that readers see."""

from dataclasses import dataclass

from .database import connected

_RULES = """
SELECT rule, count(*), avg(confidence) FROM mention WHERE replay = (SELECT replay FROM served) AND NOT deleted
GROUP BY rule ORDER BY count(*) DESC, rule
"""
_POSTS = """
SELECT count(*), count(*) FILTER (WHERE 'unsure_mention' = ANY (flags)) FROM post
WHERE replay = (SELECT replay FROM served)
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: how many mentions it made, all revisions, and their mean confidence."""

    rule: str
    mentions: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Counted:
    """All rules, the most used first; ``unsure_posts`` of ``posts`` name an instrument too unsurely."""

    rules: list[Rule]
    posts: int
    unsure_posts: int


def count_rules(database: str) -> Counted:
    """Count the stored mentions.

    Raises:
        ServiceUnavailable: the database does not answer.
    """
    with connected(database) as connection:
        rules = [Rule(*row) for row in connection.execute(_RULES)]
        posts, unsure = connection.execute(_POSTS).fetchone() or (0, 0)
    return Counted(rules, posts, unsure)
