"""A lyric's code: model version, random seed and options, in letters and digits one can type.

The code is base32 (RFC 4648, lower case) of a checksum over the model's version and, behind it,
the random seed and those options that are not the default. It holds the words of the seed and
the title themselves, so it needs no database to be written again; `model` must be the same.
"""

import base64
import binascii
import json
import zlib
from dataclasses import asdict, fields

from model.errors import RequestError
from model.wish import Wish


def lyric_code(version: str, random_seed: int, wish: Wish) -> str:
    """The code of the lyric that a model writes from a wish and a random seed."""
    asked = asdict(wish)
    options = {
        field.name: asked[field.name]
        for field in fields(wish)
        if asked[field.name] != field.default
    }
    payload = json.dumps([random_seed, options], ensure_ascii=False, separators=(",", ":"))
    data = _stamp(version, payload.encode()) + zlib.compress(payload.encode(), 9, -15)
    return base64.b32encode(data).decode().rstrip("=").lower()


def parse_code(code: str, version: str) -> tuple[int, Wish]:
    """The random seed and the wish of a code. Raises RequestError if it is not of this model."""
    letters = "".join(code.split()).upper()
    try:
        data = base64.b32decode(letters + "=" * (-len(letters) % 8))
        payload = zlib.decompressobj(-15).decompress(data[4:], 10_000)
        random_seed, options = json.loads(payload)
        wish = Wish(**options)
        texts, numbers = (wish.seed, wish.genre, wish.title), (wish.temperature, wish.top_p)
        if not (
            all(isinstance(text, str | None) for text in texts)
            and all(isinstance(number, int | float) for number in numbers)
            and isinstance(wish.lines, int)
            and isinstance(random_seed, int)
        ):
            raise TypeError(options)
    except (binascii.Error, zlib.error, ValueError, TypeError) as error:
        raise RequestError("This is not a lyric's code: a letter may be missing.") from error
    if data[:4] != _stamp(version, payload):
        raise RequestError(f"This code is not of the model {version}, which alone can write it.")
    return random_seed, wish


def _stamp(version: str, payload: bytes) -> bytes:
    return zlib.crc32(payload, zlib.crc32(version.encode())).to_bytes(4, "big")
