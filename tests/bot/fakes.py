"""A model for the bot's tests: instant, the same every time, and as breakable as a test asks."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.database import Database
from bot.engine import Engine
from bot.service import WriterService
from model import Lyric, Wish

PATIENCE = 30.0  # seconds until a test that waits for another thread gives up


@dataclass
class FakeModel:
    """Stands for `model.LyricModel` in an Engine: a lyric is the seed and numbered lines."""

    version: str = "fake-00c0ffee"
    genres: tuple[str, ...] = ("country", "rap")
    parameter_count: int = 1234
    asked: list[Wish] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)  # those that write was called in
    breaks_with: BaseException | None = None  # raised by the next lyric, once
    endless: bool = False  # a lyric goes on until it is stopped
    holds: bool = False  # a lyric waits for `let_go` before it ends
    begun: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def write(self, wish: Wish, random_seed: int | None, should_stop: Callable[[], bool]) -> Lyric:
        """As `model.LyricModel.write`."""
        self.asked.append(wish)
        self.threads.add(threading.get_ident())
        self.begun.set()
        if self.holds:
            self.let_go.wait(PATIENCE)
        if self.breaks_with is not None:
            error, self.breaks_with = self.breaks_with, None
            raise error
        while self.endless and not should_stop():
            pass
        drawn = len(self.asked) if random_seed is None else random_seed
        first = "[Verse 1]" if wish.seed is None else wish.seed
        text = "\n".join([first, *(f"line {n} of take {drawn}" for n in range(2, wish.lines + 1))])
        return Lyric(text, f"{self.version}:{drawn}", self.version, drawn, wish)


@asynccontextmanager
async def open_engine(
    model: FakeModel, *, queue_size: int = 8, writing_seconds: float = PATIENCE
) -> AsyncIterator[Engine]:
    """A started engine over the fake model."""
    engine = Engine(lambda: model, queue_size=queue_size, writing_seconds=writing_seconds)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def url_of(file: Path) -> str:
    """The DATABASE_URL of an SQLite file."""
    return f"sqlite+aiosqlite:///{file}"


@asynccontextmanager
async def open_fake_service(
    file: Path, model: FakeModel | None = None
) -> AsyncIterator[WriterService]:
    """The service over a real database and a fake model."""
    async with open_engine(model or FakeModel()) as engine:
        service = WriterService(await Database.open(url_of(file)), engine)
        try:
            yield service
        finally:
            await service.close()
