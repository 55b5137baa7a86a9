"""How a song is presented to the network: start, genre, title, then its text, then end.

    <|start|> <|genre|> country <|title|> Last Bus Home <|text|> [Verse 1] ... <|end|>

Genre and title are plain text behind their marks, so a host's own genres need no new vocabulary.
While training each is left out at times, as is a leading heading such as "[Verse 1]"; so a genre,
a title and opening words can each be given or left out when generating.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.corpus import Song, is_heading
from model.network import Ids
from model.tokenizer import END, GENRE, START, TEXT, TITLE, Tokenizer
from model.wish import Wish

KEEP_GENRE = 0.9  # probability with which a training song shows its genre
KEEP_TITLE = 0.7
KEEP_HEADING = 0.5  # of a heading on the first line, so that a seed can open a song


@dataclass(frozen=True)
class FramedSong:
    """The ids of a song's parts."""

    genre: list[int]  # with its mark; empty when the song has none
    title: list[int]
    heading: list[int]  # the first line if it is a heading, with its line end
    text: list[int]  # the rest

    def ids(self, *, genre: bool = True, title: bool = True, heading: bool = True) -> list[int]:
        """The whole frame, with or without its optional parts."""
        return [
            START,
            *(self.genre if genre else ()),
            *(self.title if title else ()),
            TEXT,
            *(self.heading if heading else ()),
            *self.text,
            END,
        ]


def frame_song(tokenizer: Tokenizer, song: Song) -> FramedSong:
    """Encode a song's parts."""
    first, _, rest = song.text.partition("\n")
    heading, text = (first + "\n", rest) if is_heading(first) and rest else ("", song.text)
    return FramedSong(
        [GENRE, *tokenizer.encode(song.genre)] if song.genre else [],
        [TITLE, *tokenizer.encode(song.title)] if song.title else [],
        tokenizer.encode(heading),
        tokenizer.encode(text),
    )


def frame_wish(tokenizer: Tokenizer, wish: Wish) -> list[int]:
    """The ids that a lyric goes on from: the frame's head and the opening words."""
    song = Song(wish.title, wish.genre, wish.seed or "")
    framed = frame_song(tokenizer, song)
    return framed.ids()[:-1]


class SongStream:
    """Training songs as one long row of ids, in another order and framing each epoch."""

    def __init__(self, songs: Sequence[FramedSong], random_seed: int) -> None:
        self._songs = songs
        self._random_seed = random_seed

    def epoch(self, number: int) -> npt.NDArray[np.int32]:
        """The ids of one epoch: a function of the random seed and the epoch's number alone."""
        rng = np.random.default_rng([self._random_seed, number])
        order = rng.permutation(len(self._songs))
        keep = rng.random((len(order), 3)) < (KEEP_GENRE, KEEP_TITLE, KEEP_HEADING)
        pieces = [
            np.array(self._songs[i].ids(genre=genre, title=title, heading=heading), np.int32)
            for i, (genre, title, heading) in zip(order, keep.tolist(), strict=True)
        ]
        return np.concatenate(pieces)


def segments(ids: Ids, batch_size: int, steps: int) -> Iterator[tuple[Ids, Ids]]:
    """Cut a stream into (inputs, targets), each (T, B), for truncated back-propagation.

    Column b goes on, segment after segment, where it stopped, so that state can be carried.
    A few ids at the end that fill no whole row are left out.
    """
    rows = (len(ids) - 1) // batch_size
    inputs = ids[: rows * batch_size].reshape(batch_size, rows).T
    targets = ids[1 : rows * batch_size + 1].reshape(batch_size, rows).T
    for start in range(0, rows, steps):
        yield inputs[start : start + steps], targets[start : start + steps]
