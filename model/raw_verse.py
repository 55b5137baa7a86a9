"""Lines of verse from published forms, each cleaned into the form that the songs have.

Reads the Gutenberg Poetry Corpus (Allison Parrish; NDJSON, one {"s": line} a line, gzip or not),
Project Gutenberg books (licence header and footer cut off, UTF-8 or Latin-1) and plain text.
Cleaned lines have straight quotes, no dashes, no page furniture, no comma or full stop at the end.
"""

import gzip
import io
import json
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from model.corpus import SEPARATOR, read_bytes
from model.errors import CorpusError
from model.rhyme import is_word

MOST_CHARACTERS = 66  # of a line that is sung rather than read
POETRY_SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")

_START = re.compile(  # the title may take two lines
    r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG(?:[^*]{0,300}\*\*\*|.*)"
    r"|\*END\*?THE SMALL PRINT.*"
)
_END = re.compile(
    r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg"
)
_HEADER = re.compile(r"\s*(title|genre)\s*:", re.IGNORECASE)

_MARKS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u02bc\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2013\u2014\u2015\u2012", "--"),
        "\u2026": "...",
        "\u00a0": " ",
    }
)
_LETTERS = str.maketrans(
    {
        "\u00e6": "ae",
        "\u00c6": "Ae",
        "\u0153": "oe",
        "\u0152": "Oe",
    }
)
_NOTE_MARK = re.compile(r"\s*[\[({]\s*(?:\d{1,4}|[a-z*]|[Nn]ote \d+)\s*[\])}]|\s*\*+$")
_LINE_NUMBER = re.compile(r"\s+\d{1,4}\.?$|^\d{1,4}\.?\s+")
_NOT_SUNG = re.compile(r"[^A-Za-z \"'(),.:!?-]")
_DASH = re.compile(r"\s*([,;:.!?]?)\s*-{2,}\s*([,;:.!?]?)\s*")
_PAGE_MARK = re.compile(r"[\[{(]\s*(?:(?:Pg|[Pp]age|p\.)\s*)?\d{1,4}\s*[\]})]")
_HALF_BRACKETED = re.compile(  # as editors print what some sources lack; notes are told by a word
    r"\[(?!(?:Foot|Side)?[Nn]ote|Illustr|Music|Trans)(?=[A-Z\"'])[^\[\]]*|[^\[\]]*\]"
)
_CITATION = re.compile(r"(?<!')\b(?=[ivxlc]{2})x?[clx]?x{0,3}(?:ix|iv|v?i{0,3})\.?[\"')]*$")
_SPACES = re.compile(r"\s{2,}")
_STOPS = re.compile(r"[\s,;:.\-]+([\"')]*)$")
_FIRST_LETTER = re.compile(r"[\"'(]*[A-Z]")
_SHOUTED = re.compile(r"\b[A-Z]{2,}(?:'[A-Z]+)*\b|\b[A-Z]'[A-Z]+\b")
_OPENING_QUOTE = re.compile(r"(?<![A-Za-z])'(?=[A-Z](?!i[ls]\b|was\b|were\b|wixt\b|ill\b|w[ai]))")
_CLOSING_QUOTE = re.compile(r"(?<=[,.!?;:])'(?![A-Za-z])")
_ELIDED = re.compile(r"'?\b[A-Za-z]+(?:'[a-z]+)+\b|'[Tt](?:is|was|were|will|would)\b")
_LABEL = re.compile(r"(?:[IVXLC]+|[A-Z][a-z]+)\. [A-Z]")  # "Hamlet. To be or not", "IV. The House"
_SMALL_WORD = re.compile(r"\b[a-z]{4,}")
_CAPITAL_INSIDE = re.compile(r" [\"(]*[A-Z][a-z]")
_LONE_CLITIC = re.compile(r" '(s|ll|re|ve|m|d|t)\b")  # "he 's", as old printers set it
_LONE_T = re.compile(r"'([Tt]) (?=(?:is|was|were|will|would)\b)")
_DOUBLED_COMMA = re.compile(r"([,.!?]\"),")
_TODAY = re.compile(r"\b([Tt]o)-(morrow|night|day)\b")
_ACCENTED_PAST = re.compile(r"([a-z])-ed\b")

# What poets of old shortened for the metre, as songs spell it. "o'er" stays at a line's end, where
# it rhymes with "shore".
_SPELLINGS = {
    "o'er": "over",
    "e'er": "ever",
    "ne'er": "never",
    "whate'er": "whatever",
    "where'er": "wherever",
    "whene'er": "whenever",
    "howe'er": "however",
    "e'en": "even",
    "ev'n": "even",
    "heav'n": "heaven",
    "giv'n": "given",
    "driv'n": "driven",
    "ev'ry": "every",
    "ev'ning": "evening",
    "flow'r": "flower",
    "flow'rs": "flowers",
    "pow'r": "power",
    "pow'rs": "powers",
    "show'r": "shower",
    "show'rs": "showers",
    "tow'r": "tower",
    "tow'rs": "towers",
    "bow'r": "bower",
    "bow'rs": "bowers",
    "tow'rd": "toward",
    "tow'rds": "towards",
    "'tis": "it's",
    "'twas": "it was",
    "'twere": "it were",
    "'twill": "it will",
    "'twould": "it would",
}
_CLIPPED = re.compile(r"\b([Tt]h)(o|ro)?'(?![A-Za-z])")  # tho', thro', th'
_NEVER_PAST = {"i'd", "you'd", "he'd", "she'd", "it'd", "we'd", "they'd", "who'd", "that'd"}


def is_poetry_corpus(path: Path) -> bool:
    """Whether the file's name says that it holds one JSON object a line."""
    return path.name.lower().endswith(POETRY_SUFFIXES)


def poetry_lines(path: Path, advance: Callable[[int], None]) -> Iterator[str | None]:
    """The lines of a Gutenberg Poetry Corpus file; None where another book begins.

    `advance` is told the bytes read so far. Raises CorpusError naming the line that is not JSON.
    """
    book: object = None
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            for number, data in enumerate(stream, start=1):
                if number % 10_000 == 0:
                    advance(raw.tell())
                if not data.strip():
                    continue
                record = _record(data, path, number)
                if record.get("gid") != book:
                    book = record.get("gid")
                    yield None
                yield record["s"]
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(f"{path} is damaged or cut off; download it again.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error


def book_text(path: Path) -> str:
    """A text file's content, UTF-8 or else Latin-1, without Project Gutenberg's licence."""
    data = read_bytes(path)
    if b"\0" in data:
        raise CorpusError(f"{path} is not a text file; unpack it first, or leave it out.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if start := _START.search(text):
        text = text[start.end() :]
    if end := _END.search(text):
        text = text[: end.start()]
    return text


def is_song_file(text: str) -> bool:
    """Whether a text is already in the corpus format: songs with separators or headers."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    return bool(_HEADER.match(first)) or any(line.strip() == SEPARATOR for line in lines)


def clean_line(raw: str) -> str | None:
    """The line as a song would spell it, or None when it is no line of English verse.

    Not verse: no capital at its start, figures or markup in it, a heading in capitals, too long.
    """
    line = raw.strip()
    if not line.isascii():
        line = "".join(
            c
            for c in unicodedata.normalize("NFKD", line.translate(_MARKS).translate(_LETTERS))
            if c.isascii()
        )
    line = line.replace("`", "'")
    if _NOT_SUNG.search(line):
        line = _LINE_NUMBER.sub("", _NOTE_MARK.sub("", line))
        line = line.replace("_", "").replace("=", "").replace(";", ",")
        if _HALF_BRACKETED.fullmatch(line):
            line = line.strip("[]")
        if _NOT_SUNG.search(line):
            return None
    if "--" in line:
        line = _without_dashes(line)
    line = _SPACES.sub(" ", line).strip().lstrip(" ,")
    if not _FIRST_LETTER.match(line) or _LABEL.match(line) or _HEADER.match(line):
        return None
    if _CITATION.search(line):
        return None  # "Luke viii."
    if not _SMALL_WORD.search(line) and len(_CAPITAL_INSIDE.findall(line)) > 1:
        return None  # "The Song of the Shirt": every long word has a capital
    if _SHOUTED.search(line):
        if line.upper() == line:
            return None
        line = _SHOUTED.sub(_spoken, line)
    if "-" in line:
        line = _ACCENTED_PAST.sub(r"\1ed", _TODAY.sub(r"\1\2", line))
    if "'" in line:
        line = _CLIPPED.sub(_unclipped, line)
        line = _LONE_CLITIC.sub(r"'\1", _LONE_T.sub(r"'\1", line))
        line = _CLOSING_QUOTE.sub('"', _OPENING_QUOTE.sub('"', line))
        line = _ELIDED.sub(_spelled_out, line)
    return line if len(line) <= MOST_CHARACTERS + 1 else None


def is_page_mark(raw: str) -> bool:
    """Whether a line is nothing but a page number in brackets, which may stand inside a poem."""
    return _PAGE_MARK.fullmatch(raw.strip()) is not None


def plain_marks(text: str) -> str:
    """The text with straight quotes and, in place of dashes, commas or the stop beside them."""
    text = text.translate(_MARKS)
    if "--" in text:
        text = "\n".join(_without_dashes(line) for line in text.split("\n"))
    return text


def without_stop(line: str) -> str:
    """The line without the comma, colon or full stop at its end, which songs do not write."""
    return _STOPS.sub(r"\1", line)


def _record(data: bytes, path: Path, number: int) -> dict[str, str]:
    try:
        record = json.loads(str(data, "utf-8"))  # faster than to let it find the encoding
    except ValueError as error:
        raise CorpusError(f"{path}, line {number}: this is not a JSON object.") from error
    if not isinstance(record, dict) or not isinstance(record.get("s"), str):
        raise CorpusError(f'{path}, line {number}: there is no line of verse under the key "s".')
    return record


def _without_dashes(line: str) -> str:
    return _DOUBLED_COMMA.sub(r"\1", _DASH.sub(_without_dash, line)).strip().lstrip(" ,")


def _without_dash(match: re.Match[str]) -> str:
    return (match[1] or match[2] or ",").replace(";", ",") + " "


def _spoken(match: re.Match[str]) -> str:
    """A word in capitals in small letters; the line's first keeps its capital."""
    word = match[0].lower()
    if word.startswith("i'"):  # "I'LL"
        return word.capitalize()
    return word.capitalize() if not match.string[: match.start()].strip("\"'( ") else word


def _unclipped(match: re.Match[str]) -> str:
    return match[1] + {"o": "ough", "ro": "rough"}.get(match[2], "e")


def _spelled_out(match: re.Match[str]) -> str:
    word = match[0].lower()
    at_end = not match.string[match.end() :].strip(" ,.:!?\"')-")
    spelled = None if at_end else _SPELLINGS.get(word)
    if spelled is None and word.endswith("'d") and word not in _NEVER_PAST:
        spelled = next((w for w in (word[:-2] + "ed", word[:-2] + "d") if is_word(w)), None)
    if spelled is None:
        return match[0]
    first = match[0].lstrip("'")[0]
    return spelled.capitalize() if first.isupper() else spelled
