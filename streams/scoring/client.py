"""Asks the scorers' processes, for as long as it takes: a scorer that is gone delays posts and nothing else."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import httpx
import msgspec

from infra.errors import TransientError
from infra.log import get_logger
from infra.metrics import RETRIES
from infra.settings import Settings
from schemas.records import SentimentScore

from .wire import KEY_HEADER, Address, Answer, Question, address_file, scorer_of

TIMEOUT_SECONDS = 60.0
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
TEXTS_PER_REQUEST = 64
_log = get_logger(__name__)

Sleep = Callable[[float], Awaitable[None]]


class ScoreClient:
    """Asks the scorers, each about its own texts and all at once.

    Where one listens is looked up again at each attempt, so it may come back elsewhere.
    """

    def __init__(self, settings: Settings, sleep: Sleep = asyncio.sleep) -> None:
        """Take the settings ``scorer_url`` or, where that is unset, ``data_dir`` and ``scorer_processes``."""
        self._settings = settings
        self._scorers = 1 if settings.scorer_url else settings.scorer_processes
        self._sleep = sleep
        self._http: httpx.AsyncClient | None = None

    async def ask(self, texts: Sequence[str]) -> Mapping[str, SentimentScore]:
        """A score for each text; a text on which the model failed is left out. Returns only with an answer."""
        shares: dict[int, list[str]] = {}
        for text in dict.fromkeys(texts):
            shares.setdefault(scorer_of(text, self._scorers), []).append(text)
        answers = await asyncio.gather(*(self._share(number, share) for number, share in shares.items()))
        return {text: score for answer in answers for text, score in answer if score is not None}

    async def _share(self, number: int, texts: list[str]) -> Iterable[tuple[str, SentimentScore | None]]:
        scores: list[SentimentScore | None] = []
        for start in range(0, len(texts), TEXTS_PER_REQUEST):
            scores += await self._insist(number, texts[start : start + TEXTS_PER_REQUEST])
        return zip(texts, scores, strict=True)

    async def _insist(self, number: int, texts: list[str]) -> Sequence[SentimentScore | None]:
        wait, told = FIRST_WAIT_SECONDS, ""
        while True:
            try:
                return await self._attempt(number, texts)
            except TransientError as error:
                RETRIES.labels("score").inc()
                if str(error) != told:
                    told = str(error)
                    _log.warning("scorer does not answer; posts wait", reason=told)
            await self._sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  # spreads retries, no secret
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _attempt(self, number: int, texts: list[str]) -> Sequence[SentimentScore | None]:
        """Ask once.

        Raises:
            TransientError: no scorer, no answer, or an answer that is none.
        """
        url = self._address(number)
        if self._http is None:
            key = self._settings.api_key
            headers = {} if key is None else {KEY_HEADER: key.get_secret_value()}
            self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, headers=headers)
        try:
            response = await self._http.post(f"{url}/score", content=msgspec.json.encode(Question(texts)))
        except (httpx.HTTPError, OSError) as error:
            raise TransientError(f"{url}: {type(error).__name__}") from None
        if response.status_code != httpx.codes.OK:
            raise TransientError(f"{url}: HTTP {response.status_code}")
        try:
            items = msgspec.json.decode(response.content, type=Answer).items
        except msgspec.MsgspecError as error:
            raise TransientError(f"{url}: not a scorer's answer: {error}") from None
        if len(items) != len(texts):
            raise TransientError(f"{url}: {len(items)} scores for {len(texts)} texts")
        return items

    def _address(self, number: int) -> str:
        if self._settings.scorer_url:
            return self._settings.scorer_url.rstrip("/")
        path = address_file(self._settings.data_dir, number)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Address).url
        except (OSError, msgspec.MsgspecError):
            command = "moodtape score" if number == 1 else f"moodtape score --number {number}"
            raise TransientError(f"{path}: no scorer is running; start one with `{command}`") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None


def ask_scorer(settings: Settings) -> Callable[[Sequence[str]], Awaitable[Mapping[str, SentimentScore]]]:
    """The function with which a stage asks its scorers."""
    return ScoreClient(settings).ask
