"""The engine: one thread that owns the model, with a queue before it and an async face.

numpy never runs on the event loop, which must acknowledge Discord within 3 seconds whatever is
being written. The thread and the loop share the queue alone; what the thread has to tell goes to
the loop in one call a step. The queue is bounded, because an answer that comes after minutes is
worse than an honest refusal.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from bot.batches import Batches, News, Writer
from bot.errors import BotError, WriterFailed
from bot.turns import Turns
from bot.writing import Code, Writing
from model import Lyric, ModelError, Wish

log = logging.getLogger(__name__)

CLOSING_SECONDS = 5.0  # how long close() waits for the step that is being computed
WAITING_SECONDS = 720.0  # longest wait for a turn: Discord takes an answer for 15 minutes
LOOK_SECONDS = 5.0  # how often a thread with nothing to write looks for new weights

UNLOADED = "The model could not be loaded; the log has the reason."
CLOSED = "The writer is stopping: try again in a minute."
LATE = "So many lyrics are being written that this one's turn did not come: try again later."


class Engine:
    """Writes lyrics, many at a time, in its own thread. start() it, and close() it at the end.

    load: makes the model, and is called in that thread.
    stamp: says which weights there are, likewise; when it says something new, load is called
    again, and new lyrics are of the new model if it can be loaded.
    queue_size: how many requests of one space may wait beside those being written.
    writing_seconds: so long after its beginning a lyric ends with the line that it has come to.
    """

    def __init__(
        self,
        load: Callable[[], Writer],
        *,
        stamp: Callable[[], object],
        queue_size: int,
        writing_seconds: float,
    ) -> None:
        self._turns: Turns[Writing] = Turns(queue_size)
        self._batches = Batches(load, stamp, writing_seconds)  # the thread's
        self._open: dict[Writing, asyncio.TimerHandle] = {}  # the event loop's
        self._loop: asyncio.AbstractEventLoop
        self._started: asyncio.Future[None]
        # A daemon, so that a model that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    async def start(self) -> None:
        """Load the model. Raises model.WeightsError, or WriterFailed."""
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.create_future()
        self._thread.start()
        try:
            await self._started
        except BaseException:
            self._turns.close()
            raise

    @property
    def version(self) -> str:
        """Which weights write new lyrics, once it has started."""
        return self._batches.writer.version

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that they know, sorted; may be empty."""
        return self._batches.writer.genres

    @property
    def parameter_count(self) -> int:
        """How many numbers they are."""
        return self._batches.writer.parameter_count

    async def write(self, space: str, asked: Wish | Code, random_seed: int | None = None) -> Lyric:
        """Write a lyric when its turn comes; whoever stops waiting for it also stops the writing.

        Raises as `begin` and `Writing.lyric`.
        """
        with self.begin(space, asked, random_seed) as writing:
            return await writing.lyric()

    def begin(self, space: str, asked: Wish | Code, random_seed: int | None = None) -> Writing:
        """Ask for a lyric, or for the one of a code again, and read along as it is written.

        space: who asks, such as "guild:1"; spaces take turns. Raises Busy when too many wait
        already, and WriterFailed when the engine closes.
        """
        if self._turns.closed:
            raise WriterFailed(CLOSED)
        loop = asyncio.get_running_loop()
        writing = Writing(space, asked, random_seed, self._forget)
        self._turns.add(space, writing)
        self._open[writing] = loop.call_later(WAITING_SECONDS, self._give_up_waiting, writing)
        return writing

    def stop(self) -> None:
        """Fail what is being written and those that wait; nobody can begin any more."""
        self._turns.close()
        for writing in list(self._open):
            writing.hear((), WriterFailed(CLOSED))

    async def close(self) -> None:
        """Stop, and end the thread."""
        self.stop()
        if self._thread.is_alive():
            self._settle_start(WriterFailed(CLOSED))
            await asyncio.to_thread(self._thread.join, CLOSING_SECONDS)

    def _forget(self, writing: Writing) -> None:
        """It has ended: it leaves the queue now, or its batch before the next step."""
        self._open.pop(writing).cancel()
        self._turns.remove(writing.space, writing)

    def _give_up_waiting(self, writing: Writing) -> None:
        if self._turns.remove(writing.space, writing):
            writing.hear((), WriterFailed(LATE))

    def _settle_start(self, error: Exception | None) -> None:
        if self._started.done():
            return
        if error is None:
            self._started.set_result(None)
        else:
            self._started.set_exception(error)

    def _run(self) -> None:
        """What the thread does."""
        try:
            self._batches.open()
        except BaseException as error:
            self._call_loop(self._settle_start, _explained(error))
            return
        self._call_loop(self._settle_start, None)
        while self._turns.wait(0 if self._batches.busy else LOOK_SECONDS):
            news = self._batches.step(self._turns)
            if news:
                self._call_loop(_tell, news)

    def _call_loop(self, function: Callable[..., None], argument: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, argument)


def _tell(news: Iterable[News]) -> None:
    for writing, lines, outcome in news:
        writing.hear(lines, outcome)


def _explained(error: BaseException) -> Exception:
    """The error itself where it speaks to people; else other words, with the error in the log."""
    if isinstance(error, ModelError | BotError):
        return error
    log.error("The model broke", exc_info=error)
    return WriterFailed(UNLOADED)
