"""Exchanges: their currency and calendar, Yahoo's suffix of their symbols, and what is written before a symbol."""

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange.

    Attributes:
        name: as ``Instrument.exchange`` has it.
        calendar: ISO 10383 code of the market whose trading days it keeps.
        currency: ISO 4217 code of what its prices are in.
        suffix: Yahoo's, without the dot; empty for the exchanges of the United States.
        prefixes: what is written before a symbol, as in ``NYSE: GME``; capitals without spaces.
    """

    name: str
    calendar: str
    currency: str
    suffix: str
    prefixes: tuple[str, ...]


# name | calendar | currency | suffix | prefixes
_TABLE = """
NASDAQ | XNAS | USD | | NASDAQ NASDAQGS NASDAQGM NASDAQCM
NYSE | XNYS | USD | | NYSE
NYSE Arca | XNYS | USD | | NYSEARCA ARCA
AMEX | XNYS | USD | | AMEX NYSEAMERICAN NYSEMKT
BATS | XNYS | USD | | BATS CBOE
IEX | XNYS | USD | | IEX
OTC | XNYS | USD | | OTC OTCMKTS OTCQB OTCQX OTCPK OTCBB
Toronto | XTSE | CAD | TO | TSX
TSX Venture | XTSX | CAD | V | TSXV CVE
Mexico | XMEX | MXN | MX | BMV
São Paulo | BVMF | BRL | SA | BVMF B3
London | XLON | GBP | L | LON LSE
Frankfurt | XFRA | EUR | F | FRA
XETRA | XETR | EUR | DE | ETR XETRA XETR
Euronext Paris | XPAR | EUR | PA | EPA
Euronext Amsterdam | XAMS | EUR | AS | AMS
Euronext Brussels | XBRU | EUR | BR | EBR
Euronext Lisbon | XLIS | EUR | LS | ELI
Milan | XMIL | EUR | MI | BIT
Madrid | XMAD | EUR | MC | BME
SIX | XSWX | CHF | SW | SWX SIX
Vienna | XWBO | EUR | VI | VIE
Stockholm | XSTO | SEK | ST | STO
Helsinki | XHEL | EUR | HE | HEL
Copenhagen | XCSE | DKK | CO | CPH
Oslo | XOSL | NOK | OL | OSL
Warsaw | XWAR | PLN | WA | WSE
Istanbul | XIST | TRY | IS | IST
Moscow | MISX | RUB | ME | MCX MOEX
Johannesburg | XJSE | ZAR | JO | JSE
Tel Aviv | XTAE | ILS | TA | TASE TLV
Saudi | XSAU | SAR | SR | TADAWUL
Tokyo | XTKS | JPY | T | TYO
Hong Kong | XHKG | HKD | HK | HKG HKEX SEHK
Shanghai | XSHG | CNY | SS | SHA
Shenzhen | XSHE | CNY | SZ | SHE SZSE
Korea | XKRX | KRW | KS | KRX
KOSDAQ | XKRX | KRW | KQ | KOSDAQ
Taiwan | XTAI | TWD | TW | TPE TWSE
NSE | XNSE | INR | NS | NSE
BSE | XBOM | INR | BO | BSE BOM
Singapore | XSES | SGD | SI | SGX
Jakarta | XIDX | IDR | JK | IDX
Bangkok | XBKK | THB | BK | BKK
Australia | XASX | AUD | AX | ASX
New Zealand | XNZE | NZD | NZ | NZE NZX
"""
_DIGITS = {"T": 4, "HK": 4, "SS": 6, "SZ": 6, "KS": 6, "KQ": 6, "TW": 4, "SR": 4, "BO": 6}
ALWAYS_OPEN = "24/7"


@cache
def exchanges() -> tuple[Exchange, ...]:
    """All that are known."""
    rows = (line.split("|") for line in _TABLE.strip().splitlines())
    return tuple(
        Exchange(name.strip(), calendar.strip(), currency.strip(), suffix.strip(), tuple(prefixes.split()))
        for name, calendar, currency, suffix, prefixes in rows
    )


@cache
def by_name() -> dict[str, Exchange]:
    """By ``Instrument.exchange``."""
    return {exchange.name: exchange for exchange in exchanges()}


@cache
def by_suffix() -> dict[str, Exchange]:
    """By Yahoo's suffix; those of the United States have none."""
    return {exchange.suffix: exchange for exchange in exchanges() if exchange.suffix}


@cache
def by_prefix() -> dict[str, Exchange]:
    """By what is written before a symbol."""
    return {prefix: exchange for exchange in exchanges() for prefix in exchange.prefixes}


def digits_of(suffix: str) -> int | None:
    """How many digits make a symbol under a suffix; None where symbols are letters."""
    return _DIGITS.get(suffix)
