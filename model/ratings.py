"""Rated lyrics, read from the one database view that training may see.

`training_examples` holds a row for each rated lyric and no word of who wrote or rated it. The
database is opened read-only; the bot may go on writing to it.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from model.errors import TrainingError

SQLITE_URLS = ("sqlite+aiosqlite:///", "sqlite:///")


@dataclass(frozen=True)
class RatedLyric:
    """One row of the view."""

    seed: str | None
    genre: str | None
    title: str | None
    text: str
    liked: float  # weight of the votes for it
    disliked: float  # weight of the votes against it


def read_ratings(url_or_file: str) -> list[RatedLyric]:
    """All rated lyrics, the oldest first. Raises TrainingError when there is no such database."""
    path = _path(url_or_file)
    if not path.is_file():
        raise TrainingError(f"There is no database {path}: ratings are stored there by the bot.")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT seed, genre, title, text, liked, disliked "
                "FROM training_examples ORDER BY lyric_id"
            ).fetchall()
    except sqlite3.Error as error:
        raise TrainingError(f"{path} cannot be read as Ghostwriter's database: {error}.") from error
    return [RatedLyric(*row) for row in rows]


def _path(url_or_file: str) -> Path:
    for prefix in SQLITE_URLS:
        if url_or_file.startswith(prefix):
            return Path(url_or_file.removeprefix(prefix))
    if "://" in url_or_file:
        raise TrainingError("Ratings can be read from an SQLite file or an sqlite URL only.")
    return Path(url_or_file)
