"""The tables are what the migrations made, hold what was committed, and fail in words."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import alembic.command
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import event, text
from sqlalchemy.pool import Pool

from bot.database import MIGRATIONS, Base, Database, LyricRow, RatingRow, StateRow
from bot.errors import DatabaseError
from tests.bot.fakes import url_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "songs.db"


@contextmanager
def every_new_connection_runs(pragma: str) -> Iterator[None]:
    """Limits SQLite as a full disk would."""

    def run(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(Pool, "connect", run)
    try:
        yield
    finally:
        event.remove(Pool, "connect", run)


async def make(file: Path) -> None:
    await (await Database.open(url_of(file))).close()


async def open_read_only(file: Path) -> Database:
    """A database whose file turned read-only after the start."""
    database = await Database.open(url_of(file))
    async with database.reading() as session:
        await session.execute(text("PRAGMA query_only = ON"))
    return database


async def remember(database: Database, value: str) -> None:
    async with database.writing() as session:
        await session.merge(StateRow(key="key", value=value))


async def test_opening_makes_the_folder_the_file_and_the_tables(file: Path) -> None:
    await make(file)
    with closing(sqlite3.connect(file)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert {"lyrics", "ratings", "state", "training_examples"} <= names


async def test_the_migrations_make_the_tables_that_the_program_expects(file: Path) -> None:
    await make(file)
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def make_version_1(file: Path) -> None:
    """A database as the first version left it: a lyric that Bob likes."""
    file.parent.mkdir()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO lyrics VALUES (7, 'guild:1', 11, NULL, 'rain', 'rap', NULL, "
            """'{"lines": 8, "temperature": 0.8, "top_p": 0.95}', 'rain\nand snow', """
            "'fake-1', 'code', 42, '2025-01-02 03:04:05.000000')"
        )
        connection.exec_driver_sql(
            "INSERT INTO ratings VALUES (7, 12, 1, '2025-01-02 03:05:00', '2025-01-02 03:05:00')"
        )
    engine.dispose()


async def test_a_database_of_the_first_version_keeps_its_lyrics_and_votes(file: Path) -> None:
    make_version_1(file)
    database = await Database.open(url_of(file))
    async with database.reading() as session:
        (lyric,) = await session.scalars(sa.select(LyricRow))
        (vote,) = await session.scalars(sa.select(RatingRow))
        (example,) = await session.execute(text("SELECT * FROM training_examples"))
    await database.close()
    assert (lyric.id, lyric.text, lyric.options["lines"]) == (7, "rain\nand snow", 8)
    assert lyric.created_at == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert lyric.longest_run is None
    assert (vote.lyric_id, vote.user_id, vote.value) == (7, 12, 1)
    assert (example.lyric_id, example.liked) == (7, 1.0)


async def test_training_sees_no_person_and_no_place(file: Path) -> None:
    await make(file)
    with closing(sqlite3.connect(file)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(training_examples)")]
    assert columns == [
        "lyric_id",
        "model",
        "genre",
        "title",
        "seed",
        "text",
        "liked",
        "disliked",
    ]


async def test_every_commit_is_synced_and_every_reference_checked(file: Path) -> None:
    database = await Database.open(url_of(file))
    async with database.reading() as session:
        assert await session.scalar(text("PRAGMA synchronous")) == 2  # FULL
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
    await database.close()


async def test_opening_again_keeps_what_was_stored(file: Path) -> None:
    database = await Database.open(url_of(file))
    await remember(database, "kept")
    await database.close()
    database = await Database.open(url_of(file))
    async with database.reading() as session:
        assert await session.scalar(sa.select(StateRow.value)) == "kept"
    await database.close()


async def test_two_that_open_a_new_file_at_once_both_find_it_ready(file: Path) -> None:
    databases = await asyncio.gather(*(Database.open(url_of(file)) for _ in range(2)))
    for database in databases:
        await remember(database, "ready")
        await database.close()


async def test_what_a_failed_block_wrote_is_undone(file: Path) -> None:
    database = await Database.open(url_of(file))

    async def write_and_fail() -> None:
        async with database.writing() as session:
            session.add(StateRow(key="key", value="lost"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with database.reading() as session:
        assert await session.scalar(sa.select(StateRow.value)) is None
    await database.close()


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    poem = tmp_path / "poem.txt"
    poem.write_text("roses are red\n" * 100)
    with pytest.raises(DatabaseError, match=r"poem\.txt is not an SQLite file"):
        await Database.open(url_of(poem))
    assert poem.read_text() == "roses are red\n" * 100


async def test_a_folder_in_place_of_the_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        await Database.open(url_of(tmp_path))


async def test_a_file_in_place_of_the_folder_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DatabaseError, match=r"folder of the database .* cannot be made"):
        await Database.open(url_of(tmp_path / "data" / "songs.db"))


async def test_a_database_of_a_newer_program_is_refused_in_words(file: Path) -> None:
    await make(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer version of this program"):
        await Database.open(url_of(file))


async def test_a_locked_database_is_refused_in_words(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.BUSY_MILLISECONDS", 1)
    database = await Database.open(url_of(file))
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="is locked by another program"):
            await remember(database, "never")
    await database.close()


async def test_a_full_disk_is_told_in_words_and_keeps_what_was_stored(file: Path) -> None:
    await make(file)
    with every_new_connection_runs("max_page_count = 1"):  # SQLite raises it to the present size
        database = await Database.open(url_of(file))
    await remember(database, "small")
    with pytest.raises(DatabaseError, match=r"the disk is full.*nothing was saved"):
        await remember(database, "large" * 100_000)
    async with database.reading() as session:
        assert await session.scalar(sa.select(StateRow.value)) == "small"
    await database.close()


async def test_a_read_only_database_is_told_in_words(file: Path) -> None:
    database = await open_read_only(file)
    with pytest.raises(DatabaseError, match="cannot be written"):
        await remember(database, "never")
    await database.close()


async def test_a_failure_is_logged_without_what_people_wrote(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = await open_read_only(file)
    with pytest.raises(DatabaseError):
        await remember(database, "a private line")
    await database.close()
    assert "readonly" in caplog.text
    assert "a private line" not in caplog.text
