"""Songs as rows of ids: where the parts of each stand, and how many are encoded at once.

START, genre, title, TEXT, heading, text, END is how a whole song stands in a row (frame.py says
what the parts are). An Entry says where, so that a song can also be taken without its genre, title
or heading: four spans of ids are then what is left to take.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle

import numpy as np
import numpy.typing as npt

from model.corpus import Song, Songs
from model.frame import split_heading
from model.tokenizer import END, GENRE, START, TEXT, TITLE, CharacterTokenizer, Tokenizer

ENCODED_AT_ONCE = 2**20  # characters

# The lengths do not count START, TEXT and END; a genre and a title begin with their marks.
Entry = np.dtype(
    [
        (name, "<u8" if name == "offset" else "<u4")
        for name in ("offset", "genre", "title", "heading", "text")
    ]
)
Numbers = npt.NDArray[np.int64]
# From texts, four a song (genre, title, heading, text), to their ids one after another;
# and how many each has.
Encode = Callable[[Sequence[str]], tuple[Numbers, Numbers]]


def encoded(songs: Songs, tokenizer: Tokenizer) -> Iterator[tuple[Numbers, np.ndarray]]:
    """Of some songs after others: their ids in a row (N,), and an Entry for each (S,).

    The entries' offsets count from the first song of all.
    """
    encode = _encoder(tokenizer)
    tokens = 0
    for batch in _batches(songs):
        ids, index = _encoded(batch, encode)
        index["offset"] += tokens
        tokens += ids.size
        yield ids, index


def shown_lengths(entries: np.ndarray, keep: npt.NDArray[np.bool_]) -> Numbers:
    """How long each song's spans are when `keep` (S, 3) says which parts are shown: (S, 4).

    The spans: START and genre; title; TEXT and heading; text and END.
    """
    lengths = np.ones((len(entries), 4), np.int64)
    lengths[:, 0] += entries["genre"] * keep[:, 0]
    lengths[:, 1] = entries["title"] * keep[:, 1]
    lengths[:, 2] += entries["heading"] * keep[:, 2]
    lengths[:, 3] += entries["text"]
    return lengths


def span_begins(entries: np.ndarray) -> Numbers:
    """Where each song's spans begin in the row: (S, 4)."""
    begins = np.zeros((len(entries), 4), np.int64)
    begins[:, 0] = entries["offset"]
    begins[:, 1] = begins[:, 0] + 1 + entries["genre"]
    begins[:, 2] = begins[:, 1] + entries["title"]
    begins[:, 3] = begins[:, 2] + 1 + entries["heading"]
    return begins


def _encoder(tokenizer: Tokenizer) -> Encode:
    """Encodes many texts at once; headings and texts as whole lines."""
    if isinstance(tokenizer, CharacterTokenizer):
        return _character_encoder(tokenizer)

    encoders = (*[tokenizer.encode] * 2, *[tokenizer.encode_lines] * 2)

    def encode(texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        rows = [encode(text) for encode, text in zip(cycle(encoders), texts, strict=False)]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return np.fromiter(chain.from_iterable(rows), np.int64, lengths.sum()), lengths

    return encode


def _character_encoder(tokenizer: CharacterTokenizer) -> Encode:
    """By a table over all of Unicode: a hundred times as fast as a loop over the characters."""
    table = np.full(sys.maxunicode + 1, -1, np.int32)  # -1: not seen so far

    def encode(texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        for code in np.unique(codes[table[codes] < 0]).tolist():
            table[code] = tokenizer.encode(chr(code))[0]
        return table[codes].astype(np.int64), np.fromiter(map(len, texts), np.int64, len(texts))

    return encode


def _batches(songs: Songs) -> Iterator[list[Song]]:
    batch: list[Song] = []
    characters = 0
    for song in songs:
        batch.append(song)
        characters += len(song.text)
        if characters >= ENCODED_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _encoded(songs: Sequence[Song], encode: Encode) -> tuple[Numbers, np.ndarray]:
    """The ids of S songs one after another (N,), and an Entry for each (S,)."""
    texts: list[str] = []
    for song in songs:
        texts += (song.genre or "", song.title or "", *split_heading(song.text))
    ids, lengths = encode(texts)
    has_genre = np.array([bool(song.genre) for song in songs])
    has_title = np.array([bool(song.title) for song in songs])
    genre, title, heading, text = lengths.reshape(-1, 4).T
    index = np.zeros(len(songs), Entry)
    index["genre"], index["title"] = genre + has_genre, title + has_title
    index["heading"], index["text"] = heading, text
    size = lengths.reshape(-1, 4).sum(axis=1) + has_genre + has_title + 3
    end = np.cumsum(size)
    index["offset"] = end - size
    begin = span_begins(index)
    framed = np.empty(end[-1], np.int64)
    framed[begin[:, 0]], framed[begin[:, 2]], framed[end - 1] = START, TEXT, END
    framed[begin[has_genre, 0] + 1], framed[begin[has_title, 1]] = GENRE, TITLE
    begin[:, 0] += 1 + has_genre  # what was encoded stands behind the marks
    begin[:, 1] += has_title
    begin[:, 2] += 1
    before = np.cumsum(lengths) - lengths
    framed[np.arange(ids.size) + np.repeat(begin.reshape(-1) - before, lengths)] = ids
    return framed, index
