"""Everything that the host may set, in one dataclass, read from the environment and from `.env`.

The environment wins over the file (the twelve-factor rule); an empty value counts as not set. A
wrong value ends the start with a SettingsError that names the variable and never repeats a secret.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import SettingsError

TOKEN_PAGE = "https://discord.com/developers/applications"
TOKEN_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


@dataclass(frozen=True)
class Settings:
    """The defaults suit a fresh checkout; relative paths start at the working directory."""

    discord_token: str | None = field(default=None, repr=False)  # DISCORD_TOKEN; None: console
    database_url: str = "sqlite+aiosqlite:///data/ghostwriter.db"  # DATABASE_URL
    weights: Path = Path("weights/default")  # WEIGHTS, a folder that `python -m model train` made
    queue_size: int = 32  # QUEUE_SIZE, requests of one server that may wait for their turn
    writing_seconds: float = 20.0  # WRITING_SECONDS for one lyric, from when it is begun
    log_level: str = "INFO"  # LOG_LEVEL: DEBUG, INFO, WARNING or ERROR

    @classmethod
    def from_environment(cls, env_file: Path = Path(".env")) -> Settings:
        """Read the environment, over `env_file` where that exists. Raises SettingsError."""
        try:
            values = {**dotenv_values(env_file), **os.environ}
        except (OSError, ValueError) as error:  # unreadable, or not UTF-8
            raise SettingsError(f"{env_file} cannot be read as a UTF-8 text: {error}") from error
        readers: Mapping[str, Callable[[str], Any]] = {
            "DISCORD_TOKEN": str,
            "DATABASE_URL": _database_url,
            "WEIGHTS": Path,
            "QUEUE_SIZE": _queue_size,
            "WRITING_SECONDS": _writing_seconds,
            "LOG_LEVEL": _log_level,
        }
        given = {name: (values.get(name) or "").strip() for name in readers}
        return cls(**{name.lower(): readers[name](text) for name, text in given.items() if text})

    @property
    def database_file(self) -> Path:
        """The SQLite file that `database_url` names."""
        return Path(make_url(self.database_url).database or "")

    def check_token(self) -> None:
        """Raises SettingsError when DISCORD_TOKEN is missing or cannot be a bot's token."""
        if self.discord_token is None:
            raise SettingsError(f"DISCORD_TOKEN is not set: get a bot's token at {TOKEN_PAGE}")
        if not TOKEN_FORM.fullmatch(self.discord_token):
            raise SettingsError(
                "DISCORD_TOKEN is not a bot's token (three parts with dots between): get one at "
                f"{TOKEN_PAGE} (Bot, Reset Token), or leave it empty for the console"
            )


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise _wrong_database_url() from error
    name = url.database or ""
    if url.drivername != "sqlite+aiosqlite" or url.host or url.query:
        raise _wrong_database_url()
    if not name or name == ":memory:" or name.startswith("file:"):
        raise _wrong_database_url()
    return text


def _wrong_database_url() -> SettingsError:
    # The value is not repeated: it may hold a password.
    return SettingsError(
        "DATABASE_URL must name an SQLite file, the only database that works so far: "
        "sqlite+aiosqlite:///data/ghostwriter.db"
    )


def _queue_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        size = 0
    if not 1 <= size <= 10_000:
        raise SettingsError("QUEUE_SIZE must be a whole number from 1 to 10000")
    return size


def _writing_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds <= 900.0:
        raise SettingsError("WRITING_SECONDS must be a number above 0 and up to 900")
    return seconds


def _log_level(text: str) -> str:
    level = text.upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR")
    return level
