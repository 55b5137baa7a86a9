"""How a song is presented to the network: start, genre, title, then its text, then end.

    <|start|> <|genre|> country <|title|> Last Bus Home <|text|> [Verse 1] ... <|end|>

Genre and title are plain text behind their marks, so a host's own genres need no new vocabulary.
While training each is left out at times (tokens.py), as is a leading heading such as "[Verse 1]";
so a genre, a title and opening words can each be given or left out when generating.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.corpus import Song, is_heading
from model.network import Ids, within
from model.recurrence import Array
from model.tokenizer import END, GENRE, START, TEXT, TITLE, Tokenizer
from model.wish import Wish


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
    heading, text = split_heading(song.text)
    return FramedSong(
        [GENRE, *tokenizer.encode(song.genre)] if song.genre else [],
        [TITLE, *tokenizer.encode(song.title)] if song.title else [],
        tokenizer.encode_lines(heading),
        tokenizer.encode_lines(text),
    )


def split_heading(text: str) -> tuple[str, str]:
    """The first line with its line end, if it is a heading and not all there is, and the rest."""
    first, _, rest = text.partition("\n")
    return (first + "\n", rest) if is_heading(first) and rest else ("", text)


def frame_wish(tokenizer: Tokenizer, wish: Wish) -> list[int]:
    """The ids that a lyric goes on from: the frame's head, without the opening words."""
    return frame_song(tokenizer, Song(wish.title, wish.genre, "")).ids()[:-1]


def in_columns(
    sequences: Sequence[tuple[list[int], list[int]]], forced_ids: range
) -> tuple[Ids, Array]:
    """Prompts and what follows each, side by side: ids (T + 1, B), and what counts (T, B).

    1 for the targets behind a prompt, but 0 for those of `forced_ids` and for what fills a column.
    """
    length = max(len(prompt) + len(written) for prompt, written in sequences)
    ids = np.full((length, len(sequences)), END, np.int32)
    counted = np.zeros((length - 1, len(sequences)), np.float32)
    for column, (prompt, written) in enumerate(sequences):
        ids[: len(prompt) + len(written), column] = prompt + written
        counted[len(prompt) - 1 : len(prompt) + len(written) - 1, column] = 1
    counted[within(ids[1:], forced_ids)] = 0
    return ids, counted
