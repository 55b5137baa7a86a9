"""The songs in progress: who joins and leaves the model's batch, step by step.

Iteration-level scheduling (Yu et al., "Orca", OSDI 2022): a finished song leaves at once and a
waiting one takes its places, so that nobody waits for another's song to end. Replaced weights take
over between songs: those in progress end in the batch, and with the model, that they began in.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import BotError, WriterFailed
from bot.turns import Turns
from bot.writing import Outcome, Writing
from model import Lyric, ModelError, RequestError, Wish

log = logging.getLogger(__name__)

CRASHED = "The writer stumbled over this lyric (the log has the reason): try again."
EMPTY = "Nothing came to mind this time: try again, or another seed."

ONE_CANDIDATE = Wish(best_of=1)  # the room that a code needs: it says which candidate was kept

News = tuple[Writing, Sequence[str], Outcome | None]  # whom to tell, new lines, how it ended


class Song(Protocol):
    """A lyric that is being written."""

    @property
    def lines(self) -> Sequence[str]:
        """Its finished lines; only grows."""

    @property
    def lyric(self) -> Lyric | None:
        """The lyric, once it has finished."""

    def cut(self) -> None:
        """End it at the next whole line, in a later step."""


class Batch(Protocol):
    """Songs that are written together, one token of each at a step."""

    def has_room(self, wish: Wish, /) -> bool:
        """Whether a song of this wish can join now; an empty batch has room for any."""

    def join(self, wish: Wish, random_seed: int | None, /) -> Song:
        """Begin a song. Raises RequestError."""

    def join_code(self, code: str, /) -> Song:
        """Begin the song of a code. Raises RequestError."""

    def leave(self, song: Any, /) -> None:
        """Give up a song of this batch."""

    def step(self) -> Sequence[Song]:
        """Write one token of every song; returns those that have finished, which have left."""


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

    def batch(self) -> Batch:
        """An empty batch."""


@dataclass(eq=False)
class _Part:
    """A song in a batch, and whom to tell of it."""

    writing: Writing
    song: Song
    batch: Batch
    deadline: float  # on the monotonic clock
    told: int = 0  # lines


class Batches:
    """The batch that new songs join, and those of earlier models until their songs have ended.

    For one thread, but `writer`. load, stamp, writing_seconds: as in `Engine`.
    """

    def __init__(
        self, load: Callable[[], Writer], stamp: Callable[[], object], writing_seconds: float
    ) -> None:
        self.writer: Writer  # of new songs; set by `open`
        self._load = load
        self._stamp = stamp
        self._writing_seconds = writing_seconds
        self._seen: object = None  # the stamp of the newest weights
        self._batch: Batch | None = None  # for new songs; None after a crash
        self._parts: list[_Part] = []
        self._news: list[News] = []

    @property
    def busy(self) -> bool:
        """Whether a song is in progress."""
        return bool(self._parts)

    def open(self) -> None:
        """Load the model. Raises whatever that raises."""
        self._seen = self._stamp()
        self._open_model()

    def step(self, turns: Turns[Writing]) -> list[News]:
        """One token of every song, after those whose turn it is have joined. Raises nothing."""
        try:
            self._dismiss()
            if turns or not self.busy:
                self._renew()
            self._admit(turns)
            self._advance()
        except BaseException as error:  # nothing may end the thread: all would wait for ever
            self._start_afresh(error, turns)
        news, self._news = self._news, []
        return news

    def _dismiss(self) -> None:
        """Songs that nobody waits for any more leave."""
        for part in [part for part in self._parts if part.writing.ended]:
            self._parts.remove(part)
            part.batch.leave(part.song)

    def _renew(self) -> None:
        """New weights write the songs to come."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            self._open_model()
        except BaseException as error:
            log.error("The new model cannot be used; the old one goes on", exc_info=error)
        else:
            log.info("New songs are written by %s", self.writer.version)

    def _open_model(self) -> Batch:
        writer = self._load()
        self._batch = writer.batch()
        self.writer = writer
        return self._batch

    def _admit(self, turns: Turns[Writing]) -> None:
        """Those join whose turn it is, as long as there is room."""
        while (writing := turns.next()) is not None:
            batch = self._batch if self._batch is not None else self._fresh_batch()
            asked = writing.asked
            try:
                if not batch.has_room(ONE_CANDIDATE if isinstance(asked, str) else asked):
                    return
                if not turns.take(writing.space, writing):
                    continue  # it was given up just now
                if isinstance(asked, str):
                    song = batch.join_code(asked)
                else:
                    song = batch.join(asked, writing.random_seed)
            except RequestError as error:
                self._news.append((writing, (), error))
            except BaseException as error:
                turns.remove(writing.space, writing)
                self._news.append((writing, (), _crash(error)))
                raise
            else:
                deadline = time.monotonic() + self._writing_seconds
                self._parts.append(_Part(writing, song, batch, deadline))

    def _fresh_batch(self) -> Batch:
        try:
            self._batch = self.writer.batch()
        except BaseException as error:
            log.error("The model makes no batch any more and is loaded anew", exc_info=error)
            return self._open_model()
        return self._batch

    def _advance(self) -> None:
        """One token of every song, and the news of it."""
        batches = {id(part.batch): part.batch for part in self._parts}
        finished = {id(song) for batch in batches.values() for song in batch.step()}
        now = time.monotonic()
        for part in self._parts:
            song, sung = part.song, len(part.song.lines)
            if id(song) in finished:
                self._news.append((part.writing, song.lines[part.told :], _outcome(song)))
                continue
            if sung > part.told:
                self._news.append((part.writing, song.lines[part.told : sung], None))
                part.told = sung
            if now > part.deadline:
                song.cut()
                part.deadline = math.inf
        self._parts = [part for part in self._parts if id(part.song) not in finished]

    def _start_afresh(self, error: BaseException, turns: Turns[Writing]) -> None:
        """After a crash: songs in progress have failed; those that wait get a fresh batch.

        When there was none to be had, those that wait have failed too.
        """
        log.error("The model broke", exc_info=error)
        lost = [part.writing for part in self._parts]
        while self._batch is None and (writing := turns.next()) is not None:
            turns.remove(writing.space, writing)
            lost.append(writing)
        self._news += [(writing, (), _crash(error)) for writing in lost]
        self._parts = []
        self._batch = None


def _outcome(song: Song) -> Outcome:
    lyric = song.lyric
    if lyric is None or not lyric.text.strip():
        return WriterFailed(EMPTY)
    return lyric


def _crash(error: BaseException) -> WriterFailed:
    """In the words of the error, where it speaks to people."""
    return WriterFailed(str(error) if isinstance(error, ModelError | BotError) else CRASHED)
