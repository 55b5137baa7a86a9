"""The engine: one thread that owns the model, and a queue of requests for it.

numpy never runs on the event loop, which must acknowledge Discord within 3 seconds whatever is
being written. The model is no more than one thread can use at a time, so one thread it is; the
queue is bounded, because an answer that comes after minutes is worse than an honest refusal.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Protocol

from bot.errors import Busy, WriterFailed
from model import Lyric, ModelError, Wish

log = logging.getLogger(__name__)

CLOSING_SECONDS = 5.0  # how long close() waits for the line that is being written


class Writer(Protocol):
    """What the engine asks of a model; `model.LyricModel` is one."""

    @property
    def version(self) -> str:
        """Which weights these are."""

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres it knows, sorted."""

    @property
    def parameter_count(self) -> int:
        """How many numbers it has learned."""

    def write(self, wish: Wish, random_seed: int | None, should_stop: Callable[[], bool]) -> Lyric:
        """Write a lyric; end it early, on a whole line, once should_stop() says yes."""


@dataclass(frozen=True)
class _Request:
    wish: Wish
    random_seed: int | None
    answer: Future[Lyric] = field(default_factory=Future)


class Engine:
    """Writes lyrics one after the other in its own thread. start() it, and close() it at the end.

    load: makes the model, and is called in that thread.
    queue_size: how many requests may wait beside the one being written.
    writing_seconds: after so long a lyric ends with the line that it has come to.
    """

    def __init__(
        self, load: Callable[[], Writer], *, queue_size: int, writing_seconds: float
    ) -> None:
        self._load = load
        self._writing_seconds = writing_seconds
        self._queue: Queue[_Request | None] = Queue(queue_size)  # None ends the thread
        self._loaded: Future[Writer] = Future()
        self._closing = False
        # A daemon, so that a model that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    async def start(self) -> None:
        """Load the model. Raises model.WeightsError, or WriterFailed."""
        self._thread.start()
        await asyncio.wrap_future(self._loaded)

    @property
    def version(self) -> str:
        """Which weights write."""
        return self._loaded.result(0).version

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that the model knows, sorted; may be empty."""
        return self._loaded.result(0).genres

    @property
    def parameter_count(self) -> int:
        """How many numbers the model has learned."""
        return self._loaded.result(0).parameter_count

    async def write(self, wish: Wish, random_seed: int | None = None) -> Lyric:
        """Write a lyric when its turn comes; whoever stops waiting for it also stops the writing.

        Raises Busy when too many wait already, model.RequestError for a wish that the model
        cannot meet, and WriterFailed when the model breaks or the engine closes.
        """
        if self._closing:
            raise _closed()
        request = _Request(wish, random_seed)
        try:
            self._queue.put_nowait(request)
        except Full:
            raise Busy(
                f"{self._queue.maxsize} lyrics are waiting to be written: try again in a minute."
            ) from None
        return await asyncio.wrap_future(request.answer)

    async def close(self) -> None:
        """End the lyric being written, fail those that wait, and end the thread."""
        self._closing = True
        with suppress(Empty):
            while True:
                request = self._queue.get_nowait()
                if request is not None:
                    _fail(request.answer, _closed())
        self._queue.put_nowait(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, CLOSING_SECONDS)

    def _run(self) -> None:
        self._loaded.set_running_or_notify_cancel()  # from here on nobody can cancel it
        try:
            writer = self._load()
        except BaseException as error:
            words = "The model could not be loaded; the log has the reason."
            self._loaded.set_exception(_explained(error, words))
            return
        self._loaded.set_result(writer)
        while (request := self._queue.get()) is not None:
            self._answer(writer, request)

    def _answer(self, writer: Writer, request: _Request) -> None:
        answer = request.answer
        deadline = time.monotonic() + self._writing_seconds

        def should_stop() -> bool:
            return self._closing or answer.cancelled() or time.monotonic() > deadline

        if answer.cancelled():
            return
        try:
            if self._closing:
                raise _closed()
            lyric = writer.write(request.wish, request.random_seed, should_stop)
            if self._closing:
                raise _closed()
            if not lyric.text.strip():
                raise WriterFailed("Nothing came to mind this time: try again, or another seed.")
        except BaseException as error:  # nothing may end the thread: the others would wait forever
            words = "The writer stumbled over this lyric (the log has the reason): try again."
            _fail(answer, _explained(error, words))
        else:
            with suppress(InvalidStateError):  # nobody waits for it any more
                answer.set_result(lyric)


def _closed() -> WriterFailed:
    return WriterFailed("The writer is stopping: try again in a minute.")


def _fail(answer: Future[Lyric], error: Exception) -> None:
    with suppress(InvalidStateError):  # nobody waits for it any more
        answer.set_exception(error)


def _explained(error: BaseException, words: str) -> Exception:
    """The error itself where it speaks to people; else these words, with the error in the log."""
    if isinstance(error, ModelError | WriterFailed):
        return error
    log.error("The model broke", exc_info=error)
    return WriterFailed(words)
