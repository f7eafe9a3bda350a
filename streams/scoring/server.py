"""A scorer's process: ``POST /score`` with texts, scores back. Inference lives here so that nothing else waits."""

import asyncio
import hmac
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.errors import PoisonError
from infra.files import write_whole
from infra.listening import url_of
from infra.log import get_logger
from infra.memory import settle
from infra.metrics import TEXTS_SCORED, announce
from infra.stopping import on_stop
from schemas.records import SentimentScore

from .cache import ScoreCache, plain_text
from .scorer import Scorer
from .wire import KEY_HEADER, MOST_CHARACTERS, MOST_TEXTS, Address, Answer, Question, address_file

_log = get_logger(__name__)
MOST_TOGETHER = 16
Scores = Mapping[str, SentimentScore | None]


class Desk:
    """Answers questions: from the cache, from a score in the making, or from the scorer in a pool of threads."""

    def __init__(self, scorer: Scorer, threads: int, cache: ScoreCache | None = None) -> None:
        """Take a loaded scorer and the number of texts that are scored at the same time."""
        self.scorer = scorer
        self._cache = ScoreCache() if cache is None else cache
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
        self._making: dict[str, asyncio.Future[Scores]] = {}

    async def answer(self, texts: Sequence[str]) -> Answer:
        """Score texts; equal ones once."""
        plains = [plain_text(text) for text in texts]
        found: dict[str, SentimentScore | None] = {}
        for plain in dict.fromkeys(plains):
            kept = self._cache.get(plain)
            if kept is not None:
                found[plain] = kept
        TEXTS_SCORED.labels("cache").inc(len(found))
        wanted = [plain for plain in dict.fromkeys(plains) if plain not in found]
        self._order([plain for plain in wanted if plain not in self._making])
        jobs = {plain: self._making[plain] for plain in wanted}
        for plain, job in jobs.items():
            found[plain] = (await asyncio.shield(job))[plain]
        return Answer([found[plain] for plain in plains], self.scorer.name, self.scorer.version)

    def _order(self, plains: Sequence[str]) -> None:
        """Have texts scored, a few in one go: handing one over costs as much as the light model's score of it."""
        size = min(MOST_TOGETHER, -(-len(plains) // self._threads))
        for start in range(0, len(plains), size or 1):
            part = plains[start : start + size]
            self._making |= dict.fromkeys(part, asyncio.ensure_future(self._make(part)))

    async def _make(self, plains: Sequence[str]) -> Scores:
        try:
            scores = await asyncio.get_running_loop().run_in_executor(self._pool, self._scored, plains)
        finally:
            for plain in plains:
                del self._making[plain]
        for plain, score in scores.items():
            if score is not None:
                self._cache.put(plain, score)
        return scores

    def _scored(self, plains: Sequence[str]) -> Scores:
        return {plain: self._score(plain) for plain in plains}

    def _score(self, plain: str) -> SentimentScore | None:
        try:
            score = self.scorer.score(plain)
        except (PoisonError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # A text that the model cannot take is not scored; asking again would stop all posts for ever.
            _log.error("text not scored", model=self.scorer.name, characters=len(plain), error=type(error).__name__)
            TEXTS_SCORED.labels("failed").inc()
            return None
        TEXTS_SCORED.labels("model").inc()
        return score

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def score_app(desk: Desk, api_key: str | None = None) -> FastAPI:
    """The HTTP application: ``/score`` (with the key where there is one), ``/livez``, ``/readyz``, ``/metrics``."""
    app = FastAPI(title="moodtape scorer", openapi_url=None)

    @app.post("/score")
    async def score(request: Request) -> Response:
        if api_key and not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), api_key.encode()):
            return _problem(401, f"send the API key in the header {KEY_HEADER}")
        try:
            question = msgspec.json.decode(await request.body(), type=Question)
        except msgspec.MsgspecError as error:
            return _problem(422, str(error))
        if len(question.texts) > MOST_TEXTS or any(len(text) > MOST_CHARACTERS for text in question.texts):
            return _problem(413, f"at most {MOST_TEXTS} texts of {MOST_CHARACTERS} characters")
        return _json(msgspec.json.encode(await desk.answer(question.texts)))

    @app.get("/livez")
    @app.get("/readyz")
    async def health() -> Response:
        return _json(b'{"status":"ok","problems":{}}')

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _problem(status: int, detail: str) -> Response:
    body = {"type": "about:blank", "title": "Bad question", "status": status, "detail": detail}
    return Response(json.dumps(body), status, media_type="application/problem+json")


@asynccontextmanager
async def announced(data_dir: Path, number: int, url: str) -> AsyncIterator[None]:
    """Write the address for as long as the scorer listens; that of a newer one of its number is left alone."""
    path, entry = address_file(data_dir, number), msgspec.json.encode(Address(url, os.getpid()))
    write_whole(path, entry.decode())
    try:
        yield
    finally:
        if path.is_file() and path.read_bytes() == entry:
            path.unlink(missing_ok=True)


async def serve(desk: Desk, sock: socket.socket, data_dir: Path, number: int, api_key: str | None) -> None:
    """Serve until SIGTERM or SIGINT as the scorer of a number, saying where in the data folder while listening."""
    url = url_of(sock)
    app = score_app(desk, api_key)
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
    loop = asyncio.get_running_loop()
    on_stop(lambda: loop.call_soon_threadsafe(server.stop))
    settle()
    try:
        async with announced(data_dir, number, url):
            announce(data_dir, f"score-{number}", url)
            _log.info("scorer listens", url=url, number=number, model=desk.scorer.name, version=desk.scorer.version)
            await server.serve([sock])
    finally:
        desk.close()


class _Server(uvicorn.Server):
    """Stops when told to; uvicorn would raise the signal again and end the process before it cleans up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True
