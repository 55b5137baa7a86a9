"""What a person asks of a lyric, cleaned and checked; the one place for its limits and defaults.

Each option holds its default, its help, its range and an example, for the command line, the
console and Discord alike. Sampling options mean what they mean in Hugging Face's `generate`.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from model.errors import RequestError

SEED_CHARACTERS = 200  # longest seed
TITLE_CHARACTERS = 100
KEYWORD_CHARACTERS = 30
BAD_WORDS = 20  # at most so many
MIN_LINES = 4
MAX_LINES = 40
DEFAULT_LINES = 16
MAX_SECTIONS = 8
MAX_TEMPERATURE = 2.0
MAX_CANDIDATES = 8
MAX_SYLLABLES = 20  # of a line
GUIDANCE = 4.0  # by default; see benchmarks/genre_control.py

RHYMES = ("AABB", "ABAB", "ABCB", "AAAA")
SECTIONS = ("verse", "chorus", "hook", "pre-chorus", "bridge", "intro", "outro")
RETURNING = frozenset({"chorus", "hook", "pre-chorus"})  # sections that come back word for word

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control, format (zero width, direction), unassigned
_WHITE_SPACE = re.compile(r"\s+")
_SECTION = re.compile("|".join(sorted(SECTIONS, key=len, reverse=True)))
_STRUCTURE = re.compile(rf"(?:{_SECTION.pattern})(?:[-, ]+(?:{_SECTION.pattern}))*")
_SYLLABLES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


def _option(default: Any, text: str, example: str, **more: Any) -> Any:
    """An option with its help, 100 characters at most, and a value that shows its use.

    choices: all allowed values. least, most: the range of a number, both allowed. longest:
    characters of a text.
    """
    return field(default=default, metadata={"help": text, "example": example, **more})


@dataclass(frozen=True)
class Wish:
    """Options of one lyric; `None` leaves the choice to the model."""

    seed: str | None = _option(
        None,
        "How the song begins; leave it out for a surprise.",
        "rain on the road",
        longest=SEED_CHARACTERS,
    )
    genre: str | None = _option(None, "The kind of song; leave it out for any.", "country")
    title: str | None = _option(
        None, "What the song is called, and about.", "Last Bus Home", longest=TITLE_CHARACTERS
    )
    lines: int = _option(
        DEFAULT_LINES,
        "How many lines to sing; a structure has its own number.",
        "12",
        least=MIN_LINES,
        most=MAX_LINES,
    )
    temperature: float = _option(
        0.8, "How daring the words are; 0 always takes the likeliest.", "0.9", least=0, most=2
    )
    top_p: float = _option(
        1.0, "Choose among the likeliest that hold this share of probability.", "0.92", above=0,
        most=1,
    )  # fmt: skip
    top_k: int = _option(
        0, "Choose among so many of the likeliest; 0 for all.", "50", least=0, most=10_000
    )
    min_p: float = _option(
        0.02, "Choose none less likely than this share of the likeliest.", "0.05", least=0, most=1
    )
    repetition_penalty: float = _option(
        1.0, "Make what was sung before less likely; 1 leaves it alone.", "1.1", least=1, most=2
    )
    no_repeat_ngram_size: int = _option(
        0, "Sing no run of so many tokens twice, but in a chorus; 0 for any.", "4", least=0, most=20
    )
    bad_words: str | None = _option(
        None, "Words that must not occur, with commas between.", "love, heart"
    )
    keyword: str | None = _option(
        None, "A word that must occur.", "lantern", longest=KEYWORD_CHARACTERS
    )
    rhyme: str | None = _option(
        None, "Which lines rhyme; leave it out to let the model choose.", "ABAB", choices=RHYMES
    )
    structure: str | None = _option(
        None, "The song's sections, in order; a chorus comes back word for word.",
        "verse-chorus-verse-chorus", longest=100,
    )  # fmt: skip
    section_lines: int = _option(4, "Lines of each section of a structure.", "4", least=2, most=8)
    syllables: str | None = _option(
        None, "How many syllables a line has, from and to.", "6-10", longest=10
    )
    best_of: int = _option(
        4, "Write so many, and keep the best.", "8", least=1, most=MAX_CANDIDATES
    )
    max_run: int = _option(
        7, "How many words in a row may stand in a song that was learned.", "6", least=5, most=20
    )
    word_filter: bool = _option(True, "Keep slurs and obscene words out.", "off")
    guidance_scale: float = _option(
        GUIDANCE, "How much genre and title weigh; 1 as the model has it.", "2", least=1, most=10
    )

    def checked(self, genres: Sequence[str]) -> "Wish":
        """The same wish with its text cleaned; raises RequestError saying what cannot be met."""
        for option in fields(self):
            _check_type(option, getattr(self, option.name))
        wish = replace(
            self,
            seed=_clean("seed", self.seed, SEED_CHARACTERS),
            title=_clean("title", self.title, TITLE_CHARACTERS),
            genre=_known_genre(self.genre, genres),
            keyword=_checked_keyword(self.keyword),
            bad_words=_checked_bad_words(self.bad_words),
            rhyme=_checked_rhyme(self.rhyme),
            structure=_checked_structure(self.structure),
            syllables=_checked_syllables(self.syllables),
            **{name: round(getattr(self, name), 2) for name in FRACTIONS},
        )
        for option in fields(wish):
            _check_range(option, getattr(wish, option.name))
        if wish.structure and len(wish.sections) * wish.section_lines > MAX_LINES:
            raise RequestError(
                f"{len(wish.sections)} sections of {wish.section_lines} lines are more than the "
                f"{MAX_LINES} lines of the longest song."
            )
        if wish.keyword and wish.keyword.casefold() in wish.forbidden_words:
            raise RequestError("The keyword is one of the words that must not occur.")
        return wish

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the structure's sections, in order; none when it is left to the model."""
        return tuple(_SECTION.findall(self.structure or ""))

    @property
    def guided(self) -> bool:
        """Whether genre and title are to weigh more than the model has it."""
        return self.guidance_scale > 1 and (self.genre or self.title) is not None

    @property
    def syllable_range(self) -> tuple[int, int] | None:
        """Fewest and most syllables of a line."""
        found = _SYLLABLES.fullmatch(self.syllables or "")
        return (int(found[1]), int(found[2] or found[1])) if found else None

    @property
    def forbidden_words(self) -> frozenset[str]:
        """The words that must not occur, in lower case."""
        return frozenset((self.bad_words or "").split(", ")) - {""}


# kept to two decimals
FRACTIONS = ("temperature", "top_p", "min_p", "repetition_penalty", "guidance_scale")
OPTIONS: dict[str, Field[Any]] = {option.name: option for option in fields(Wish)}


def clean_text(text: str) -> str:
    """Text on one line, composed (NFC), without control, zero-width and direction characters."""
    folded = _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", text))
    kept = (c for c in folded if unicodedata.category(c) not in _INVISIBLE)
    return _WHITE_SPACE.sub(" ", "".join(kept)).strip()


def option_name(name: str) -> str:
    """What people call an option: "top_p" -> "top-p"."""
    return name.replace("_", "-")


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


def _checked_keyword(keyword: str | None) -> str | None:
    cleaned = _clean("keyword", keyword, KEYWORD_CHARACTERS)
    if cleaned is not None and " " in cleaned:
        raise RequestError("The keyword must be a single word; a title can be longer.")
    return cleaned


def _checked_bad_words(text: str | None) -> str | None:
    """In lower case, each once, with ", " between; None when there are none."""
    if text is None:
        return None
    found = re.split(r"[,\s]+", clean_text(clean_text(text[:10_000]).casefold()))
    words = list(dict.fromkeys(word for word in found if word))
    if len(words) > BAD_WORDS:
        raise RequestError(f"At most {BAD_WORDS} words can be ruled out.")
    if any(len(word) > KEYWORD_CHARACTERS for word in words):
        raise RequestError(f"A word to rule out has at most {KEYWORD_CHARACTERS} characters.")
    return ", ".join(words) or None


def _checked_rhyme(rhyme: str | None) -> str | None:
    if rhyme is None or rhyme.strip().lower() in ("", "free"):
        return None
    wanted = rhyme.strip().upper()
    if wanted not in RHYMES:
        raise RequestError(f"Rhyme can be {', '.join(RHYMES)} or free.")
    return wanted


def _checked_structure(structure: str | None) -> str | None:
    if structure is None:
        return None
    wanted = clean_text(structure[:1000]).lower()
    if not _STRUCTURE.fullmatch(wanted):
        raise RequestError(
            f"A structure is made of {', '.join(SECTIONS)}, such as verse-chorus-verse-chorus."
        )
    sections = _SECTION.findall(wanted)
    if len(sections) > MAX_SECTIONS:
        raise RequestError(f"A structure has at most {MAX_SECTIONS} sections.")
    return "-".join(sections)


def _checked_syllables(syllables: str | None) -> str | None:
    if syllables is None:
        return None
    wanted = re.sub(r"\s*(?:-|\u2013|to)\s*", "-", clean_text(syllables[:100]).lower())
    found = _SYLLABLES.fullmatch(wanted)
    if not found or not 1 <= int(found[1]) <= int(found[2] or found[1]) <= MAX_SYLLABLES:
        raise RequestError(f"Syllables are a range from 1 to {MAX_SYLLABLES}, such as 6-10.")
    return f"{int(found[1])}-{int(found[2])}" if found[2] else str(int(found[1]))


def _check_type(option: Field[Any], value: Any) -> None:
    kind = str if option.default is None else type(option.default)
    kinds = (int, float) if kind is float else (kind,)
    if type(value) not in kinds and not (value is None and option.default is None):
        raise RequestError(f"{option_name(option.name).capitalize()} cannot be {value!r:.40}.")


def _check_range(option: Field[Any], value: Any) -> None:
    limits = option.metadata
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    name = option_name(option.name).capitalize()
    least, most = limits.get("least", 0), limits.get("most", math.inf)
    if "above" in limits and not limits["above"] < value <= most:
        raise RequestError(f"{name} must be above {limits['above']} and at most {most:g}.")
    if not least <= value <= most:
        raise RequestError(f"{name} must be between {least:g} and {most:g}.")


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
