"""One request as whoever asked sees it: lines as they are sung, and the lyric at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NewType

from bot.errors import WriterFailed
from model import Lyric, Wish

GIVEN_UP = "This lyric was given up before it was written."

Code = NewType("Code", str)  # a lyric's code, to write that lyric again
Outcome = Lyric | Exception  # how a request ended


class Writing(AsyncIterator[str]):
    """A lyric on its way, for the event loop's thread: iterate over its lines as they are sung.

    Leaving its `with` block gives up what has not ended, and frees its places for others. The
    lines end when it has ended in any way; `lyric` says in which.
    """

    def __init__(
        self,
        space: str,
        asked: Wish | Code,
        random_seed: int | None,
        on_end: Callable[[Writing], None],
    ) -> None:
        self.space = space
        self.asked = asked
        self.random_seed = random_seed
        self._on_end = on_end
        self._lines: list[str] = []
        self._read = 0
        self._outcome: Outcome | None = None
        self._news = asyncio.Event()

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    @property
    def ended(self) -> bool:
        """Whether it is written, has failed or was given up. Any thread may ask."""
        return self._outcome is not None

    def cancel(self) -> None:
        """Give it up, unless it has ended."""
        self.hear((), WriterFailed(GIVEN_UP))

    def hear(self, lines: Iterable[str], outcome: Outcome | None) -> None:
        """What the engine tells it: more lines, and at last how it ended. Nothing after that."""
        if self.ended:
            return
        self._lines.extend(lines)
        self._outcome = outcome
        if outcome is not None:
            self._on_end(self)
        self._news.set()  # wakes those who wait now; who comes later waits for the next news
        self._news.clear()

    async def __anext__(self) -> str:
        while self._read == len(self._lines):
            if self.ended:
                raise StopAsyncIteration
            await self._news.wait()
        self._read += 1
        return self._lines[self._read - 1]

    async def lyric(self) -> Lyric:
        """The lyric, at its end. Raises model.RequestError, WriterFailed."""
        while self._outcome is None:
            await self._news.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome
