"""Every route on a real PostgreSQL: what it answers when there is much, little, nothing and nonsense."""

from collections.abc import Iterator

import httpx
import pytest

from api.app import create_app
from infra.clock import to_rfc3339
from infra.endpoints import Endpoints
from infra.settings import Settings

from .serving import MINUTE, NOON, Rows, running

pytestmark = pytest.mark.services
DAY_ENDS = NOON - 12 * 60 * MINUTE  # midnight of New York on that day


@pytest.fixture
def rows(database: str) -> Iterator[Rows]:
    """The database of the test, to put rows in."""
    rows = Rows(database)
    yield rows
    rows.close()


@pytest.fixture
def client(database: str, endpoints: Endpoints, settings: Settings) -> Iterator[httpx.Client]:
    """A client of the whole API over that database."""
    app = create_app(settings, Endpoints(kafka="", database=database, redis=endpoints.redis))
    with running(app) as client:
        yield client


def test_a_quote_names_its_source_change_and_age(client: httpx.Client, rows: Rows) -> None:
    """The change is against the last daily close before the quote's day, the age against the played source's end."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON)
    rows.put("quote", symbol="GME", price=1.0, event_time=NOON + MINUTE)
    rows.bar("TSLA", DAY_ENDS, 10.0, 86400)
    rows.bar("TSLA", DAY_ENDS + 24 * 60 * MINUTE, 99.0, 86400)

    told = client.get("/api/v1/stocks/tsla/quote").json()

    assert (told["symbol"], told["price"], told["source"], told["event_time"]) == (
        "TSLA",
        11.0,
        "simulator",
        "2022-03-16T16:00:00Z",
    )
    assert told["change"] == pytest.approx(1.0)
    assert told["change_percent"] == pytest.approx(10.0)
    assert (told["age_seconds"], told["status"]) == (60.0, "live")
    assert client.get("/api/v1/stocks/TSLA/quote", params={"as_of": "2022-03-16T15:59:59Z"}).json()["price"] is None
