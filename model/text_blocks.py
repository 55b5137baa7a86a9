"""Text files in bounded memory: whole lines in blocks, however large the file is.

What every reader of a corpus relies on is checked here, once: UTF-8, no control characters, lines
that end somewhere. An error names the file and the line, as an editor counts them.
"""

import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from model.errors import CorpusError

BLOCK = 2**20  # bytes read at once
LONGEST_LINE = 2**20  # bytes; BLOCK must not be larger

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_CONTROL_BYTES = re.compile(rb"\xc2[\x80-\x9f]")  # U+0080 to U+009F in UTF-8
_OTHER_BYTES = bytes(byte for byte in range(256) if not _CONTROL.match(chr(byte)) or byte > 0x7F)


def text_blocks(
    path: Path, advance: Callable[[int], None] | None = None
) -> Iterator[tuple[str, int]]:
    r"""A file's whole lines, some BLOCK bytes at a time, each with its first line's number.

    Lines end in "\n", whatever ends them in the file; a byte order mark at the start is left out.
    `advance` hears how many bytes more were read. Raises CorpusError for a file that is missing or
    cannot be read, and naming the line for one that is not UTF-8, holds a control character or has
    a line longer than LONGEST_LINE.
    """
    line, rest = 1, b""
    try:
        with path.open("rb") as file:
            while read := file.read(BLOCK):
                data = rest + read
                # a line break at the very end may be the first half of "\r\n"
                end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
                first_break = _LINE_BREAK.search(data)
                if (first_break.start() if first_break else len(data)) > LONGEST_LINE:
                    raise CorpusError(
                        f"{path}, line {line}: this line is longer than {LONGEST_LINE:,} bytes; "
                        "break the text into lines."
                    )
                rest = data[end:]
                if end:
                    text = _decoded(data[:end], path, line)
                    yield text, line
                    line += text.count("\n")
                if advance is not None:
                    advance(len(read))
            if rest:
                yield _decoded(rest, path, line), line
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error


def file_state(path: Path) -> tuple[int, int]:
    """A file's size in bytes and when it last changed, to notice a change between two readings.

    Raises CorpusError when it is missing or is none that can be read twice.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(found.st_mode):
        raise CorpusError(f"{path} cannot be read twice; save its text in a file first.")
    return found.st_size, found.st_mtime_ns


def read_bytes(path: Path) -> bytes:
    """A whole file's bytes. Raises CorpusError when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error


def refuse_control_characters(text: str, name: str, line: int) -> None:
    """Raise CorpusError for the first control character in lines that begin with number `line`."""
    if found := _CONTROL.search(text):
        line += text.count("\n", 0, found.start())
        raise CorpusError(
            f"{name}, line {line}: there is a control character; is this a text file?"
        )


def _decoded(data: bytes, path: Path, line: int) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line += len(_LINE_BREAK.findall(data[: error.start]))
        raise CorpusError(
            f"{path}, line {line}: this is not UTF-8; save the file as UTF-8 text."
        ) from error
    if line == 1:
        text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # a look at bytes is ten times as fast as the search in the text, which is rarely needed
    if data.translate(None, _OTHER_BYTES) or _CONTROL_BYTES.search(data):
        refuse_control_characters(text, str(path), line)
    return text
