"""Sentences of company reports that we made up, with their labels: what no headline and no post of the sets teaches.

The labelled sets are headlines and posts. Reports say the same otherwise: "Operating profit was EUR 8.7 mn, compared
with EUR 13.1 mn a year earlier" has no word of mood at all. Each sentence is drawn from patterns of ours, its figures,
names and words by a seed; those that compare figures take their label from the figures.
"""

from collections.abc import Callable, Sequence
from random import Random

from streams.scoring.scorer import Label

Sentence = tuple[str, Label]

_FIRMS = (
    "Aldermoor", "Brannet", "Cortavo", "Delvik", "Estuna", "Fjordal", "Galvero", "Hartwell", "Isonor", "Jarnvik",
    "Kelvara", "Lundemo", "Metsola", "Norvent", "Oskari", "Pelmark", "Quintor", "Rautala", "Solvang", "Tervo",
    "Ulvane", "Vantro", "Westmere", "Ylivesi",
)  # fmt: skip
_ENDS = ("", "", " Group", " Oyj", " AB", " plc", " Corporation", " Inc", " Holdings", " ASA")
_GOODS = (
    "paper machines", "lifts", "cranes", "mobile phones", "medical devices", "steel pipes", "software for banks",
    "diesel engines", "tyres", "frozen food", "timber houses", "harbour equipment", "network equipment", "sensors",
    "packaging lines", "wind turbines", "furniture", "crop protection", "data centres", "bus bodies",
)  # fmt: skip
_PLACES = (
    "Finland", "Sweden", "Russia", "Estonia", "Poland", "China", "India", "Brazil", "Germany", "the Baltic states",
    "the United States", "Norway", "Turkey", "South Korea", "Chile", "Canada", "Lithuania", "Hungary",
)  # fmt: skip
_GAINS = (
    "Operating profit", "Net sales", "Net profit", "Pretax profit", "Turnover", "Earnings per share",
    "Profit before taxes", "Order intake", "Revenue", "Operating income", "Cash flow from operations", "EBITDA",
    "The order book", "Sales of the unit", "Profit for the period", "Comparable operating profit",
    "Net interest income", "Export sales", "The dividend", "Equity",
)  # fmt: skip
_BURDENS = (
    "The operating loss", "The net loss", "Net debt", "Costs", "The loss before taxes", "Credit losses",
    "Raw material costs", "Interest expenses", "Impairment losses", "The loss per share",
)  # fmt: skip
_RISES = ("rose", "increased", "grew", "climbed", "went up", "jumped", "advanced")
_FALLS = ("fell", "decreased", "declined", "dropped", "went down", "shrank", "slipped")
_BEFORE = (
    "a year earlier", "the year before", "in the corresponding period of {year}", "in the comparison period",
    "in the same period of the previous year", "in {year}", "in the second quarter of {year}",
    "during the previous quarter",
)  # fmt: skip
_SPANS = (
    "in the third quarter", "in {year}", "in January-September {year}", "for the first half of the year",
    "in the period", "in the last quarter", "during the financial year",
)  # fmt: skip
_UNITS = (
    "EUR {} mn",
    "EUR {} million",
    "USD {} million",
    "{} million euros",
    "EUR{}m",
    "SEK {} mn",
    "{} mn euro",
    "EUR {} bn",
)


class Writer:
    """Draws what patterns leave open."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # the same sentences each time

    def one(self, of: Sequence[str]) -> str:
        """One of some."""
        return self._random.choice(of)

    def firm(self) -> str:
        """A company's name."""
        return self.one(("The company", "The group", self.one(_FIRMS) + self.one(_ENDS), self.one(_FIRMS)))

    def year(self, text: str) -> str:
        """A text with its year in place."""
        return text.format(year=self._random.randint(2004, 2023))

    def two(self) -> tuple[float, float]:
        """A larger and a smaller figure."""
        small = self._random.choice((1, 10, 100)) * self._random.uniform(0.4, 9)
        return round(small * self._random.uniform(1.03, 1.9), 1), round(small, 1)

    def scene(self) -> tuple[str, str, str, str]:
        """A company, goods, a place, and an amount."""
        return self.firm(), self.one(_GOODS), self.one(_PLACES), self.one(_UNITS).format(self.two()[0])

    def many(self) -> str:
        """A whole number of people or things."""
        return f"{self._random.randrange(10, 2000, 10):,}"

    def percent(self) -> str:
        """A share."""
        return f"{self._random.uniform(1, 45):.1f} {self.one(('%', 'percent', 'per cent'))}"

    def pick(self, weights: Sequence[float]) -> int:
        """A place among weights."""
        return self._random.choices(range(len(weights)), weights)[0]


def _compared(writer: Writer) -> Sentence:
    """Two figures: the label is theirs."""
    large, small = writer.two()
    unit, burden, up = writer.one(_UNITS), writer.pick((3, 1)) == 1, writer.pick((1, 1)) == 1
    what = writer.one(_BURDENS if burden else _GAINS)
    now, then = (unit.format(value) for value in ((large, small) if up else (small, large)))
    before, span = writer.year(writer.one(_BEFORE)), writer.year(writer.one(_SPANS))
    verb = writer.one(_RISES if up else _FALLS)
    if burden and not up:
        verb = writer.one((*_FALLS, "narrowed"))
    elif burden:
        verb = writer.one((*_RISES, "widened"))
    share = writer.percent()
    text = writer.one((
        f"{what} {verb} to {now} from {then} {before} .",
        f"{what} {verb} to {now} , compared to {then} {before} .",
        f"{what} was {now} , compared with {then} {before} .",
        f"{what} totalled {now} {span} , {'up' if up else 'down'} from {then} {before} .",
        f"{what} {verb} by {share} to {now} {span} .",
        f"{what} amounted to {now} , against {then} {before} .",
        f"{span[0].upper()}{span[1:]} , {what[0].lower()}{what[1:]} {verb} {share} year-on-year to {now} .",
        f"{writer.firm()} said that {what[0].lower()}{what[1:]} {verb} to {now} {span} from {then} {before} .",
    ))  # fmt: skip
    return text, "positive" if up != burden else "negative"


def _good(writer: Writer) -> Sentence:
    firm, goods, place, worth = writer.scene()
    return writer.one((
        f"{firm} has won an order worth {worth} to supply {goods} to {place} .",
        f"{firm} has received an order for {goods} from a customer in {place} .",
        f"{firm} has signed an agreement to deliver {goods} to {place} .",
        f"{firm} has been awarded a contract valued at {worth} for {goods} .",
        f"{firm} expects net sales to grow and the operating result to improve {writer.year(writer.one(_SPANS))} .",
        f"{firm} raised its forecast for the full year after strong demand for {goods} in {place} .",
        f"{firm} turned to a profit of {worth} from a loss {writer.year(writer.one(_BEFORE))} .",
        f"The acquisition will strengthen the position of {firm} in {goods} and is expected to lower costs .",
        f"{firm} will hire {writer.many()} people to meet the growing demand for {goods} .",
        f"The new plant in {place} will double the capacity of {firm} for {goods} .",
        f"{firm} and a partner in {place} start long-term cooperation in {goods} .",
        f"The deal will add {writer.percent()} to the earnings of {firm} .",
        f"The market for {goods} in {place} is growing , and {firm} is gaining share .",
        f"Shares of {firm} rose {writer.percent()} after the announcement .",
        f"The board proposes a dividend of {worth} , more than analysts had expected .",
    )), "positive"  # fmt: skip


def _bad(writer: Writer) -> Sentence:
    firm, goods, place, worth = writer.scene()
    return writer.one((
        f"{firm} will lay off {writer.many()} people in {place} .",
        f"{firm} starts talks with employees to cut {writer.many()} jobs because demand for {goods} is weak .",
        f"{firm} issued a profit warning and expects sales of {goods} to decline .",
        f"{firm} swung to a loss of {worth} from a profit {writer.year(writer.one(_BEFORE))} .",
        f"{firm} will close its plant for {goods} in {place} .",
        f"{firm} books an impairment of {worth} on its unit for {goods} .",
        f"{firm} lost a customer for {goods} in {place} , which will cut sales .",
        f"The order for {goods} worth {worth} was cancelled .",
        f"Demand for {goods} in {place} has weakened , and {firm} lowers its outlook .",
        f"Shares of {firm} dropped {writer.percent()} after the announcement .",
        f"{firm} has to pay a fine of {worth} in {place} .",
        f"The result of {firm} was hurt by higher raw material prices and a weak market in {place} .",
        f"{firm} will not pay a dividend for the year .",
        f"Production of {goods} in {place} was halted by a strike .",
    )), "negative"  # fmt: skip


def _plain(writer: Writer) -> Sentence:
    firm, goods, place, worth = writer.scene()
    span = writer.year(writer.one(_SPANS))
    return writer.one((
        f"{firm} makes {goods} and has its head office in {place} .",
        f"{firm} employs {writer.many()} people in {place} .",
        f"The annual general meeting of {firm} will be held in the spring .",
        f"{firm} will publish its interim report {span} .",
        "The value of the deal was not disclosed .",
        "The financial details of the transaction were not given .",
        f"{firm} had net sales of {worth} {span} and employs {writer.many()} people .",
        f"{writer.one(_GAINS)} of {firm} was {worth} {span} .",
        f"{firm} owns {writer.percent()} of the shares and votes in a maker of {goods} .",
        f"The number of shares of {firm} is {writer.many()},000 after the registration .",
        f"{firm} has agreed to sell its unit for {goods} in {place} to an investor .",
        f"{firm} has bought a maker of {goods} in {place} for {worth} .",
        f"The unit in {place} supplies {goods} to hospitals , schools and shops .",
        f"{firm} appointed a new head of its business in {goods} .",
        f"The plant in {place} was built in {writer.year('{year}')} and covers {writer.many()} square metres .",
        f"The investment in {place} totals some {worth} .",
        f"The shares of {firm} are quoted on the exchange in the capital of {place} .",
        f"{firm} is studying whether to make {goods} in {place} .",
        f"The contract for {goods} covers design , delivery and installation .",
        f"The delivery of {goods} will begin {span} .",
        f"The offer for the shares of {firm} ends on Friday .",
        f"The new product of {firm} is used with {goods} and will be shown at a fair in {place} .",
    )), "neutral"  # fmt: skip


_PATTERNS: Sequence[Callable[[Writer], Sentence]] = (_compared, _good, _bad, _plain)
_SHARES = (0.3, 0.2, 0.15, 0.35)


def reports(count: int, seed: int = 1) -> list[Sentence]:
    """So many sentences, no two alike; the same seed gives the same."""
    writer = Writer(seed)
    found: dict[str, Label] = {}
    while len(found) < count:
        text, label = _PATTERNS[writer.pick(_SHARES)](writer)
        found[text.replace(" The company", " the company").replace(" The group", " the group")] = label
    return list(found.items())
