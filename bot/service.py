"""The writer service: write, take again, rate, list. The one layer under the two thin faces.

Data flows settings -> service -> engine -> model. What is written is stored before it is shown, and
a rating is on the disk before it is acknowledged. A lyric is seen only in the space it came from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

import model
from bot.database import Database, LyricRow, RatingRow, StateRow
from bot.engine import Engine
from bot.errors import UnknownLyric
from bot.settings import Settings
from bot.writing import Code
from model import OPTIONS, Lyric, RequestError, Wish

Last = Literal["last"]  # the newest lyric that this person had written in this space
Vote = Literal[1, -1]

LARGEST_ID = 2**63 - 1  # SQLite's and PostgreSQL's; a larger number cannot even be looked up
OWN_COLUMNS = ("seed", "genre", "title")  # options of a wish; the others share one
SHORTEST_RUN = OPTIONS["max_run"].metadata["least"]  # words; shorter runs are not told apart


@dataclass(frozen=True)
class Origin:
    """Who asks, and from where. `space` is "guild:<id>", "user:<id>" or "console"."""

    space: str
    user_id: int


@dataclass(frozen=True)
class LyricRecord:
    """A stored lyric, as faces see it. Its texts are untrusted: escape them before showing them."""

    id: int
    space: str
    text: str
    seed: str | None
    genre: str | None
    title: str | None
    model: str
    code: str
    random_seed: int
    longest_run: int | None  # as in `model.Lyric`
    ups: int
    downs: int
    created_at: datetime  # UTC
    notes: tuple[str, ...] = ()  # as in `model.Lyric`; not stored, so only of a new lyric

    @property
    def run_in_words(self) -> str | None:
        """How much of it stands in a song that was learned; None where that is not known."""
        if self.longest_run is None:
            return None
        words = self.longest_run or f"under {SHORTEST_RUN}"
        return f"longest run of words that stands in a song it learned: {words}"


@dataclass(frozen=True)
class About:
    """Which model writes, and what is stored over all spaces."""

    model: str
    parameters: int
    genres: tuple[str, ...]
    lyrics: int
    ratings: int


class WriterService:
    """All that a member can ask for. Any method may raise DatabaseError. close() it at the end."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that the loaded model knows, sorted; may be empty."""
        return self._engine.genres

    async def write(
        self, origin: Origin, wish: Wish, *, random_seed: int | None = None
    ) -> LyricRecord:
        """Write and store a lyric. Raises model.RequestError, Busy, WriterFailed.

        The wish's `word_filter` is the space's.
        """
        lyric = await self._write(origin, wish, random_seed)
        return await self._store(origin, lyric, parent_id=None)

    async def rewrite(self, origin: Origin, code: str) -> LyricRecord:
        """Write the lyric of a code again, and store it. Raises as `write`.

        It is refused when it was written without the word filter, and that is on here.
        """
        lyric = await self._engine.write(origin.space, Code(code))
        # Asked at the end, as the filter may have been switched on while the lyric waited.
        if not lyric.wish.word_filter and await self.word_filter(origin):
            raise RequestError("This lyric was written without the word filter, which is on here.")
        return await self._store(origin, lyric, parent_id=None)

    async def another(self, origin: Origin, lyric_id: int | Last) -> LyricRecord:
        """Write the same wish from a new random seed. Raises UnknownLyric, and as `write`."""
        async with self._database.reading() as session:
            parent = await _find(session, origin, lyric_id)
        lyric = await self._write(origin, _wish(parent))
        return await self._store(origin, lyric, parent_id=parent.id)

    async def rate(self, origin: Origin, lyric_id: int | Last, value: Vote) -> LyricRecord:
        """Store this person's vote in place of an earlier one. Raises UnknownLyric.

        Returns, with the new counts, only when the vote is on the disk.
        """
        now = datetime.now(UTC)
        async with self._database.writing() as session:
            row = await _find(session, origin, lyric_id)
            vote = insert(RatingRow).values(
                lyric_id=row.id, user_id=origin.user_id, value=value, created_at=now, updated_at=now
            )
            await session.execute(
                vote.on_conflict_do_update(
                    index_elements=[RatingRow.lyric_id, RatingRow.user_id],
                    set_={"value": vote.excluded.value, "updated_at": vote.excluded.updated_at},
                )
            )
            (record,) = await _records(session, _counted().where(LyricRow.id == row.id))
        return record  # only after the block above has committed

    async def top(self, origin: Origin, limit: int = 10) -> list[LyricRecord]:
        """The rated lyrics of this space: best by ups minus downs first, then newest.

        While the word filter is on, those that were written without it are left out.
        """
        best = (
            _counted()
            .where(LyricRow.space == origin.space)
            .having(func.count(RatingRow.value) > 0)
            .order_by(func.sum(RatingRow.value).desc(), LyricRow.id.desc())
            .limit(limit)
        )
        if await self.word_filter(origin):
            best = best.where(LyricRow.options["word_filter"].as_boolean().is_not(False))
        async with self._database.reading() as session:
            return await _records(session, best)

    async def get(self, origin: Origin, lyric_id: int | Last) -> LyricRecord:
        """One lyric of this space, or UnknownLyric."""
        async with self._database.reading() as session:
            row = await _find(session, origin, lyric_id)
            (record,) = await _records(session, _counted().where(LyricRow.id == row.id))
        return record

    async def about(self) -> About:
        """Which model writes, and how many lyrics and ratings are stored."""
        async with self._database.reading() as session:
            lyrics = await session.scalar(select(func.count()).select_from(LyricRow))
            ratings = await session.scalar(select(func.count()).select_from(RatingRow))
        return About(
            model=self._engine.version,
            parameters=self._engine.parameter_count,
            genres=self._engine.genres,
            lyrics=lyrics or 0,
            ratings=ratings or 0,
        )

    async def word_filter(self, origin: Origin) -> bool:
        """Whether slurs and obscene words are kept out in this space; at first they are."""
        return await self.recall(_filter_key(origin)) != "off"

    async def set_word_filter(self, origin: Origin, on: bool) -> None:
        """Switch the word filter of this space, for the lyrics to come."""
        await self.remember(_filter_key(origin), "on" if on else "off")

    async def recall(self, key: str) -> str | None:
        """What a face remembered under this key, or None."""
        async with self._database.reading() as session:
            return await session.scalar(select(StateRow.value).where(StateRow.key == key))

    async def remember(self, key: str, value: str) -> None:
        """Keep a short string over restarts, such as the hash of the commands Discord has."""
        async with self._database.writing() as session:
            await session.merge(StateRow(key=key, value=value))

    def stop_writing(self) -> None:
        """Fail what is being written or waits, and what will be asked for; the rest goes on."""
        self._engine.stop()

    async def close(self) -> None:
        """Stop writing, and close the database."""
        await self._engine.close()
        await self._database.close()

    async def _write(self, origin: Origin, wish: Wish, random_seed: int | None = None) -> Lyric:
        filtered = replace(wish, word_filter=await self.word_filter(origin))
        checked = filtered.checked(self._engine.genres)
        return await self._engine.write(origin.space, checked, random_seed)

    async def _store(self, origin: Origin, lyric: Lyric, parent_id: int | None) -> LyricRecord:
        wish = lyric.wish
        row = LyricRow(
            space=origin.space,
            user_id=origin.user_id,
            parent_id=parent_id,
            seed=wish.seed,
            genre=wish.genre,
            title=wish.title,
            options={n: value for n, value in asdict(wish).items() if n not in OWN_COLUMNS},
            text=lyric.text,
            model=lyric.model,
            code=lyric.code,
            random_seed=lyric.random_seed,
            longest_run=lyric.longest_run,
            created_at=datetime.now(UTC),
        )
        async with self._database.writing() as session:
            session.add(row)
        return _record(row, ups=0, downs=0, notes=lyric.notes)


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[WriterService]:
    """The service over the settings' database and weights, closed at the end of the block.

    Makes the database's folder, brings its tables up to date, and loads the model off the event
    loop. Raises DatabaseError, model.WeightsError or WriterFailed.
    """
    engine = Engine(
        partial(model.load, settings.weights),
        stamp=partial(_stamp, settings.weights),
        queue_size=settings.queue_size,
        writing_seconds=settings.writing_seconds,
    )
    service = WriterService(await Database.open(settings.database_url), engine)
    try:
        await engine.start()
        yield service
    finally:
        await service.close()


def _stamp(weights: Path) -> tuple[int, int, int] | None:
    """Changes when the weights are replaced: their tensors are written last, and renamed."""
    try:
        file = (weights / "model.safetensors").stat()
    except OSError:
        return None
    return file.st_mtime_ns, file.st_size, file.st_ino


def _filter_key(origin: Origin) -> str:
    return f"word_filter:{origin.space}"


def _wish(row: LyricRow) -> Wish:
    """What was asked for; the defaults stand for what another version did not store."""
    known = {name: value for name, value in row.options.items() if name in OPTIONS}
    return Wish(**{**known, **{name: getattr(row, name) for name in OWN_COLUMNS}})


async def _find(session: AsyncSession, origin: Origin, lyric_id: int | Last) -> LyricRow:
    """The row, if it is of this space; others are as unknown as those that never were."""
    query = select(LyricRow).where(LyricRow.space == origin.space)
    if lyric_id == "last":
        mine = query.where(LyricRow.user_id == origin.user_id)
        row = await session.scalar(mine.order_by(LyricRow.id.desc()).limit(1))
        if row is None:
            raise UnknownLyric("You have no lyric here yet: /lyrics writes one.")
        return row
    row = None
    if 0 < lyric_id <= LARGEST_ID:
        row = await session.scalar(query.where(LyricRow.id == lyric_id))
    if row is None:
        raise UnknownLyric("There is no lyric with that number here.")
    return row


def _counted() -> Select[LyricRow, int, int]:
    """Lyrics with their ups and downs."""
    return (
        select(
            LyricRow,
            func.count().filter(RatingRow.value == 1),
            func.count().filter(RatingRow.value == -1),
        )
        .outerjoin(RatingRow, RatingRow.lyric_id == LyricRow.id)
        .group_by(LyricRow.id)
    )


async def _records(session: AsyncSession, counted: Select[LyricRow, int, int]) -> list[LyricRecord]:
    return [_record(row, ups, downs) for row, ups, downs in await session.execute(counted)]


def _record(row: LyricRow, ups: int, downs: int, notes: tuple[str, ...] = ()) -> LyricRecord:
    return LyricRecord(
        id=row.id,
        space=row.space,
        text=row.text,
        seed=row.seed,
        genre=row.genre,
        title=row.title,
        model=row.model,
        code=row.code,
        random_seed=row.random_seed,
        longest_run=row.longest_run,
        ups=ups,
        downs=downs,
        created_at=row.created_at,
        notes=notes,
    )
