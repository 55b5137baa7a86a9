"""A lyric's code: the model, the random seed and the options, in few letters that one can type.

Every part of it is one of a known sequence of values, or a list of such; their indices are the
digits of one number, each in a base of its own (mixed radix), so that nothing is spent on what
cannot be and a lyric without options ends before them. Below the number stands its CRC (CRC-16 of
the CCITT, as `binascii.crc_hqx`), which tells every change within three letters side by side. It is
written in Crockford's base 32 (crockford.com/base32.html), in which no two letters look alike.

An option may be added at the end of `Wish`: older codes mean its default. Another default, range
or order would give older codes another meaning.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from model.errors import RequestError
from model.tokenizer import Tokenizer
from model.wish import (
    FRACTIONS,
    MAX_CANDIDATES,
    MAX_LINES,
    MAX_SYLLABLES,
    OPTIONS,
    SECTIONS,
    Wish,
)

RANDOM_SEEDS = 2**32  # a random seed is one of so many
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
GROUP = 4  # letters between two "-"
LONGEST_CODE = 10_000  # characters typed; no lyric has one as long
LONGEST_LIST = 4_000  # tokens or bytes of a text
CHECK_BITS = 16
STAMPS = range(2**12)  # of a model's version

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"  # of base 32, as Python reads and writes them
_READ = str.maketrans(LETTERS + "oil", _DIGITS + "011")
_WRITE = str.maketrans(_DIGITS, LETTERS)
_BETWEEN = re.compile("[\\s\u2010-\u2015-]+")  # white space and dashes of any kind
_SYLLABLES = [str(number) for number in range(1, MAX_SYLLABLES + 1)] + [
    f"{least}-{most}"
    for least in range(1, MAX_SYLLABLES + 1)
    for most in range(least, MAX_SYLLABLES + 1)
]


@dataclass(frozen=True)
class Recipe:
    """All that it takes to write a lyric again with the same model."""

    wish: Wish
    random_seed: int  # below RANDOM_SEEDS
    candidate: int  # which of the wish's `best_of` candidates was kept, from 0
    cut: int | None  # sung lines after which the lyric was ended early


def lyric_code(recipe: Recipe, *, version: str, tokenizer: Tokenizer, genres: Sequence[str]) -> str:
    """The code of a lyric that the model of this version, tokenizer and genres has written.

    The wish is a `checked` one. Raises ValueError for what no checked wish or recipe holds.
    """
    values = {**vars(recipe), **vars(recipe.wish)}
    number = _Number()
    number.put(STAMPS, _stamp(version))
    for name, part in _parts(tokenizer, genres).items():
        part.write(values[name], number)
    return _lettered(number.value << CHECK_BITS | _check(number.value))


def parse_code(code: str, *, version: str, tokenizer: Tokenizer, genres: Sequence[str]) -> Recipe:
    """The recipe of a code, however it is typed: any case, "o" for "0", "-" or none.

    Raises RequestError if it is no code or another model's. The wish is still to be `checked`.
    """
    letters = _BETWEEN.sub("", code[: LONGEST_CODE + 1]).lower().translate(_READ)
    if not letters or len(code) > LONGEST_CODE or not set(letters) <= set(_DIGITS):
        raise _no_code()
    total = int(letters, 32)
    number = _Number(total >> CHECK_BITS)
    if total % 2**CHECK_BITS != _check(number.value):
        raise _no_code()
    if number.take(STAMPS) != _stamp(version):
        raise RequestError(f"This code is of another model: {version} cannot write its lyric.")
    try:
        values = {name: part.read(number) for name, part in _parts(tokenizer, genres).items()}
    except ValueError as error:
        raise _no_code() from error
    if number.value:
        raise _no_code()
    wish = Wish(**{name: values.pop(name) for name in OPTIONS})
    return Recipe(wish, **values)


def _no_code() -> RequestError:
    return RequestError("This is not a lyric's code: a letter may be wrong or missing.")


def _stamp(version: str) -> int:
    return binascii.crc_hqx(version.encode(errors="surrogatepass"), 0) % len(STAMPS)


def _check(number: int) -> int:
    return binascii.crc_hqx(_big_endian(number), 0) ^ 0xFFFF  # so that neither "" nor 0 is a code


def _lettered(number: int) -> str:
    digits = base64.b32hexencode(_big_endian(number)).decode().lstrip("0")
    letters = digits.translate(_WRITE)
    return "-".join(letters[i : i + GROUP] for i in range(0, len(letters), GROUP))


def _big_endian(number: int) -> bytes:
    """In a multiple of 40 bits, which are eight letters."""
    return number.to_bytes(5 * (number.bit_length() // 40 + 1), "big")


class _Number:
    """A number in mixed radix; its lowest digit is the one that is put, or taken, first."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self._unit = 1  # what the next digit counts

    def put(self, values: Sequence[Any], value: Any) -> None:
        """Add the digit of one of `values`. Raises ValueError if it is none of them."""
        self.value += values.index(value) * self._unit
        self._unit *= len(values)

    def take(self, values: Sequence[Any]) -> Any:
        """Remove the lowest digit: which of `values` it means. Raises ValueError without any."""
        if not values:
            raise ValueError("there is nothing to choose from")
        self.value, digit = divmod(self.value, len(values))
        return values[digit]


# --- the parts of a code ----------------------------------------------------------------------


class _Part(Protocol):
    """A kind of value, and how it stands in a number. `read` raises ValueError if it is none."""

    def write(self, value: Any, number: _Number) -> None: ...

    def read(self, number: _Number) -> Any: ...


def _parts(tokenizer: Tokenizer, genres: Sequence[str]) -> dict[str, _Part]:
    """Everything in a recipe by its name, in the order in which it stands in the number."""
    parts: dict[str, _Part] = {
        "random_seed": _OneOf(range(RANDOM_SEEDS)),
        "candidate": _OneOf(range(MAX_CANDIDATES)),
        "cut": _Unless(None, _OneOf(range(MAX_LINES + 1))),
    }
    for name, option in OPTIONS.items():
        parts[name] = _Unless(option.default, _option_part(name, tokenizer, genres))
    return parts


def _option_part(name: str, tokenizer: Tokenizer, genres: Sequence[str]) -> _Part:
    """An option's values by its metadata; those that have a form of their own by name."""
    default, about = OPTIONS[name].default, OPTIONS[name].metadata
    if name == "genre":
        return _OneOf(genres)
    if name == "structure":
        return _Structure()
    if name == "syllables":
        return _OneOf(_SYLLABLES)
    if "choices" in about:
        return _OneOf(about["choices"])
    if isinstance(default, bool):
        return _OneOf([not default])
    if "most" in about:
        parts = 100 if name in FRACTIONS else 1
        least = about["above"] * parts + 1 if "above" in about else about["least"] * parts
        numbers = range(round(least), round(about["most"] * parts) + 1)
        return _OneOf([number / parts for number in numbers] if parts > 1 else numbers)
    return _Text(tokenizer)


@dataclass(frozen=True)
class _OneOf:
    values: Sequence[Any]

    def write(self, value: Any, number: _Number) -> None:
        number.put(self.values, value)

    def read(self, number: _Number) -> Any:
        return number.take(self.values)


@dataclass(frozen=True)
class _Unless:
    """One bit while the value is the default."""

    default: Any
    part: _Part

    def write(self, value: Any, number: _Number) -> None:
        number.put((False, True), value != self.default)
        if value != self.default:
            self.part.write(value, number)

    def read(self, number: _Number) -> Any:
        return self.part.read(number) if number.take((False, True)) else self.default


@dataclass(frozen=True)
class _List:
    """How many values, in base 16 with a bit that says whether another digit follows; then they."""

    values: Sequence[Any]

    def write(self, items: Sequence[Any], number: _Number) -> None:
        count = len(items)
        number.put(range(16), count % 16)
        while count := count // 16:
            number.put((False, True), True)
            number.put(range(16), count % 16)
        number.put((False, True), False)
        for item in items:
            number.put(self.values, item)

    def read(self, number: _Number) -> list[Any]:
        count, unit = number.take(range(16)), 16
        while number.take((False, True)):
            count += number.take(range(16)) * unit
            unit *= 16
        if count > LONGEST_LIST:
            raise ValueError("the text is too long")
        return [number.take(self.values) for _ in range(count)]


@dataclass(frozen=True)
class _Structure:
    def write(self, structure: str, number: _Number) -> None:
        _List(SECTIONS).write(Wish(structure=structure).sections, number)

    def read(self, number: _Number) -> str:
        return "-".join(_List(SECTIONS).read(number))


@dataclass(frozen=True)
class _Text:
    """The model's tokens where they are the shorter way and give the same text; or UTF-8."""

    tokenizer: Tokenizer

    def write(self, text: str, number: _Number) -> None:
        ids, data = self.tokenizer.encode(text), text.encode()
        token_bits = (self.tokenizer.vocabulary_size - 1).bit_length()
        in_tokens = len(ids) * token_bits <= len(data) * 8 and self.tokenizer.decode(ids) == text
        number.put((False, True), in_tokens)
        self._list(in_tokens).write(ids if in_tokens else data, number)

    def read(self, number: _Number) -> str:
        in_tokens = number.take((False, True))
        items = self._list(in_tokens).read(number)
        return self.tokenizer.decode(items) if in_tokens else bytes(items).decode()

    def _list(self, in_tokens: bool) -> _List:
        return _List(range(self.tokenizer.vocabulary_size if in_tokens else 256))
