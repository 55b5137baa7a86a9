"""The tables, and the one door to them: SQLAlchemy 2, async, over an SQLite file.

The file is in write-ahead mode and synchronous=FULL: what is committed outlives a killed process
and a power cut (https://sqlite.org/pragma.html#pragma_synchronous). Alembic migrations run at the
start. Every SQLite error leaves this file as a DatabaseError in words.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import alembic.command
from alembic.config import Config
from alembic.util import CommandError as MigrationError
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    TypeDecorator,
    event,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.errors import DatabaseError

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MILLISECONDS = 5000  # how long a write waits for another process to finish its own


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, in UTC going in and coming out; SQLite itself keeps no time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The same moment without its time zone, which is UTC."""
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored moment with its time zone."""
        return value and value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a later migration can change it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime, dict[str, Any]: JSON}


class LyricRow(Base):
    """A lyric that was written, with all that it takes to write it again."""

    __tablename__ = "lyrics"
    __table_args__ = (
        Index(None, "space", "user_id"),
        {"sqlite_autoincrement": True},  # an old message's button must never meet a reused id
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    space: Mapped[str]  # "guild:<id>", "user:<id>" or "console"
    user_id: Mapped[int] = mapped_column(BigInteger)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("lyrics.id", ondelete="SET NULL"))
    seed: Mapped[str | None]
    genre: Mapped[str | None]
    title: Mapped[str | None]
    options: Mapped[dict[str, Any]]  # of the wish, but those above
    text: Mapped[str]
    model: Mapped[str]
    code: Mapped[str]
    random_seed: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    longest_run: Mapped[int | None]  # words in a row that stand in what the model learned


class RatingRow(Base):
    """What one person thinks of one lyric: 1 or -1."""

    __tablename__ = "ratings"
    __table_args__ = (CheckConstraint("value IN (-1, 1)", name="value"),)

    lyric_id: Mapped[int] = mapped_column(
        ForeignKey("lyrics.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, index=True)
    value: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StateRow(Base):
    """A short string that outlives the process."""

    __tablename__ = "state"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Database:
    """Sessions over one SQLite file. Make it with `open`; close() it at the end."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # BEGIN IMMEDIATE takes the write lock before the first read, so a transaction that reads
        # and then writes waits its turn instead of failing half-way (sqlite.org/lang_transaction).
        self._writing_engine = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")

    @classmethod
    async def open(cls, url: str) -> Database:
        """Open the file that `url` names, or make it and its folder; bring its tables up to date.

        Raises DatabaseError, which names the file.
        """
        engine = create_async_engine(url, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _prepare_connection)
        event.listen(engine.sync_engine, "begin", _begin)
        database = cls(engine)
        try:
            await database._make_ready()
        except BaseException:
            await database.close()
            raise
        return database

    async def _make_ready(self) -> None:
        file = Path(self._engine.url.database or "")
        try:
            await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
            # One transaction: a start that is cut off leaves no half-made tables, and of two
            # processes that start at once the second finds the work done.
            async with self._writing_engine.begin() as connection:
                await connection.run_sync(_migrate)
        except MigrationError as error:
            raise DatabaseError(
                f"The database {file} was made by a newer version of this program: update the "
                "program, or name another file in DATABASE_URL"
            ) from error
        except SQL_ERRORS as error:
            raise DatabaseError(f"The database {file} {_reason(error)}") from error
        except OSError as error:
            raise DatabaseError(
                f"The folder of the database {file} cannot be made: {error.strerror}"
            ) from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session to read with; sees the database as it stood at the first read."""
        with _errors_in_words():
            async with AsyncSession(self._engine) as session:
                yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session to write with: alone, and on the disk when the block ends; undone if it raises.

        Its rows stay readable after the block.
        """
        with _errors_in_words():
            async with (
                AsyncSession(self._writing_engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


SQL_ERRORS = (DBAPIError, PoolTimeout, sqlite3.Error)


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except SQL_ERRORS as error:
        log.error("The database failed: %s", error)
        raise DatabaseError(f"The database {_reason(error)}; nothing was saved") from error


def _reason(error: Exception) -> str:
    """What is wrong with the database, and what helps, to stand after its name."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # Extended codes such as SQLITE_IOERR_WRITE begin with the name of the primary one.
    name = getattr(cause, "sqlite_errorname", "")
    for primary, reason in REASONS.items():
        if name.startswith(primary):
            return reason
    return f"failed: {cause}"


REASONS = {
    "SQLITE_FULL": "cannot grow, because the disk is full: make room on it",
    "SQLITE_BUSY": "is locked by another program: close that program, or try again",
    "SQLITE_READONLY": "cannot be written: make its file and folder writable",
    "SQLITE_PERM": "cannot be opened: make its file and folder readable and writable",
    "SQLITE_CANTOPEN": "cannot be opened: make its file and folder readable and writable",
    "SQLITE_NOTADB": "is not an SQLite file: move it away, or name another one in DATABASE_URL",
    "SQLITE_CORRUPT": "is damaged: move it away, and put a backup in its place if there is one",
    "SQLITE_IOERR": "cannot be read or written: check the disk",
}


def _prepare_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself; _begin does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # The mode is the file's, and changing it waits for nobody: when two processes make the
        # same file at once, one of them does it for both.
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
    cursor.close()


def _begin(connection: Connection) -> None:
    begin = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    connection.exec_driver_sql(begin)


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
