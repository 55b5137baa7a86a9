"""A model for the bot's tests: instant, the same every time, and as breakable as a test asks."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.database import Database
from bot.engine import Engine
from bot.service import WriterService
from model import Lyric, RequestError, Wish

PATIENCE = 30.0  # seconds until a test that waits for another thread gives up


class FakeSong:
    """Stands for `model.Song`: a line at a step. With candidates to choose from, all at the end."""

    def __init__(self, lyric: Lyric, *, endless: bool) -> None:
        self.lyric: Lyric | None = None
        self._whole = lyric
        self._endless = endless
        self._sung = 0
        self._is_cut = False

    @property
    def lines(self) -> list[str]:
        """As `model.Song.lines`."""
        grows = self._whole.wish.best_of == 1 or self.lyric is not None
        return self._all_lines[: self._sung] if grows else []

    def cut(self) -> None:
        """As `model.Song.cut`."""
        self._is_cut = True

    def step(self) -> bool:
        """Sing a line; says whether the song has finished."""
        if self._endless and not self._is_cut:
            return False
        self._sung += 1
        if self._sung >= len(self._all_lines):
            self.lyric = self._whole
        elif self._is_cut:
            self.lyric = replace(self._whole, text="\n".join(self._all_lines[: self._sung]))
        return self.lyric is not None

    @property
    def _all_lines(self) -> list[str]:
        return self._whole.text.split("\n")


class FakeBatch:
    """Stands for `model.WritingBatch`, with a place for each of so many songs."""

    def __init__(self, model: FakeModel) -> None:
        self._model = model
        self._songs: list[FakeSong] = []

    def has_room(self, wish: Wish) -> bool:
        """As `model.WritingBatch.has_room`."""
        self._model.enter("has_room")
        return len(self._songs) < self._model.places

    def join(self, wish: Wish, random_seed: int | None) -> FakeSong:
        """As `model.WritingBatch.join`."""
        self._model.enter("join")
        return self._add(self._model.write(wish, random_seed))

    def join_code(self, code: str) -> FakeSong:
        """As `model.WritingBatch.join_code`, for lyrics that this model has written."""
        self._model.enter("join_code")
        if code not in self._model.written:
            raise RequestError(f"This code is not of the model {self._model.version}.")
        return self._add(self._model.written[code])

    def leave(self, song: FakeSong) -> None:
        """As `model.WritingBatch.leave`."""
        self._model.enter("leave")
        self._songs.remove(song)

    def step(self) -> list[FakeSong]:
        """As `model.WritingBatch.step`."""
        self._model.enter("step")
        self._model.steps += 1
        if self._model.holds:
            self._model.let_go.wait(PATIENCE)
        finished = [song for song in self._songs if song.step()]
        self._songs = [song for song in self._songs if song not in finished]
        return finished

    def __len__(self) -> int:
        return len(self._songs)

    def _add(self, lyric: Lyric) -> FakeSong:
        song = FakeSong(lyric, endless=self._model.endless)
        self._songs.append(song)
        self._model.begun.set()
        return song


@dataclass
class FakeModel:
    """Stands for `model.LyricModel` in an Engine: a lyric is the seed and numbered lines."""

    version: str = "fake-00c0ffee"
    genres: tuple[str, ...] = ("country", "rap")
    parameter_count: int = 1234
    places: int = 1  # of a batch
    longest_run: int | None = None  # of every lyric
    notes: tuple[str, ...] = ()  # likewise
    asked: list[Wish] = field(default_factory=list)
    written: dict[str, Lyric] = field(default_factory=dict)  # by code
    steps: int = 0  # of all batches
    begun_at: list[int] = field(default_factory=list)  # after so many steps each song has joined
    threads: set[int] = field(default_factory=set)  # those that the model worked in
    breaks_with: BaseException | None = None  # raised once
    breaks_in: str = "step"  # the method that raises it
    endless: bool = False  # a song that joins goes on until it is cut
    holds: bool = False  # a step waits for `let_go`
    begun: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def batch(self) -> FakeBatch:
        """As `model.LyricModel.batch`."""
        self.enter("batch")
        return FakeBatch(self)

    def write(self, wish: Wish, random_seed: int | None) -> Lyric:
        """The lyric of a wish, ahead of its singing."""
        self.asked.append(wish)
        self.begun_at.append(self.steps)
        drawn = len(self.asked) if random_seed is None else random_seed
        first = "[Verse 1]" if wish.seed is None else wish.seed
        text = "\n".join([first, *(f"line {n} of take {drawn}" for n in range(2, wish.lines + 1))])
        code = f"{self.version}:{drawn}"
        self.written[code] = Lyric(
            text, code, self.version, drawn, wish, self.longest_run, self.notes
        )
        return self.written[code]

    def enter(self, method: str) -> None:
        """What every method begins with: break if a test asked for that."""
        self.threads.add(threading.get_ident())
        if self.breaks_with is not None and self.breaks_in == method:
            error, self.breaks_with = self.breaks_with, None
            raise error


@asynccontextmanager
async def open_engine(
    model: FakeModel | Callable[[], FakeModel],
    *,
    stamp: Callable[[], object] = lambda: None,
    queue_size: int = 8,
    writing_seconds: float = PATIENCE,
) -> AsyncIterator[Engine]:
    """A started engine over the fake model, or over those that a function makes."""
    load = (lambda: model) if isinstance(model, FakeModel) else model
    engine = Engine(load, stamp=stamp, queue_size=queue_size, writing_seconds=writing_seconds)
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
