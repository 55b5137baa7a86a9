"""What a person asks of a lyric, cleaned and checked; the one place for its limits and defaults."""

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.errors import RequestError

SEED_CHARACTERS = 200  # longest seed
TITLE_CHARACTERS = 100
MIN_LINES = 4
MAX_LINES = 40
DEFAULT_LINES = 16
MAX_TEMPERATURE = 2.0

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control, format (zero width, direction), unassigned
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Wish:
    """Options of one lyric; `None` leaves the choice to the model."""

    seed: str | None = None  # opening words
    genre: str | None = None
    title: str | None = None  # sets the topic
    lines: int = DEFAULT_LINES  # sung lines, headings and blank lines not counted
    temperature: float = 0.7  # 0 always takes the likeliest token
    top_p: float = 0.92  # sample among the likeliest tokens that hold this share of probability

    def checked(self, genres: Sequence[str]) -> "Wish":
        """The same wish with its text cleaned; raises RequestError saying what cannot be met."""
        wish = replace(
            self,
            seed=_clean("seed", self.seed, SEED_CHARACTERS),
            title=_clean("title", self.title, TITLE_CHARACTERS),
            genre=_known_genre(self.genre, genres),
        )
        if not MIN_LINES <= self.lines <= MAX_LINES:
            raise RequestError(f"Lines must be between {MIN_LINES} and {MAX_LINES}.")
        if not 0 <= self.temperature <= MAX_TEMPERATURE:
            raise RequestError(f"Temperature must be between 0 and {MAX_TEMPERATURE:g}.")
        if not 0 < self.top_p <= 1:
            raise RequestError("Top-p must be above 0 and at most 1.")
        return wish


def clean_text(text: str) -> str:
    """Text on one line, composed (NFC), without control, zero-width and direction characters."""
    folded = _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", text))
    kept = (c for c in folded if unicodedata.category(c) not in _INVISIBLE)
    return _WHITE_SPACE.sub(" ", "".join(kept)).strip()


def _clean(name: str, text: str | None, limit: int) -> str | None:
    if text is None:
        return None
    cleaned = clean_text(text[: 50 * limit])  # far more than can be left after cleaning
    if not cleaned:
        raise RequestError(f"The {name} is empty: type some words, or leave the {name} out.")
    if len(cleaned) > limit:
        raise RequestError(
            f"The {name} is too long: it has {len(text):,} characters, at most {limit} are taken."
        )
    return cleaned


def _known_genre(genre: str | None, genres: Sequence[str]) -> str | None:
    if genre is None:
        return None
    wanted = clean_text(genre[:1000]).lower()
    if wanted in genres:
        return wanted
    if not genres:
        raise RequestError("This model knows no genres: leave the genre out.")
    close = difflib.get_close_matches(wanted, genres, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise RequestError(f"There is no such genre.{hint} It can be: {', '.join(genres)}.")
