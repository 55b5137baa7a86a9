"""Telling genres apart while training: a stanza must be likelier behind its own genre's name.

A song holds a thousand nats, and its genre can explain two or three of them: so a network that only
foretells text has next to no reason to mind the name. Therefore stanzas are read behind the names
of other genres too, and -ln of the right one's probability, by Bayes' rule, is added to the loss:
a generative classifier that is trained to discriminate (GeDi: Krause et al. 2021). Genres are
drawn evenly, so that none is likelier beforehand.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from model.corpus import Song
from model.errors import TrainingError
from model.frame import frame_wish, in_columns
from model.network import Ids
from model.recurrence import Array
from model.tokenizer import Tokenizer
from model.wish import Wish

AT_ONCE = 4  # genres that a stanza is read behind, its own among them


@dataclass(frozen=True)
class Contrast:
    """Stanzas, each behind K genres in K columns, the first of which is its own."""

    ids: Ids  # (T + 1, S * K)
    counted: Array  # (T, S * K): 1 for the stanza's tokens that are foretold, else 0
    genres: int  # K

    def part(self, first: int, stop: int) -> "Contrast":
        """The stanzas whose first column is one of these."""
        edges = slice(*(-(-column // self.genres) * self.genres for column in (first, stop)))
        return Contrast(self.ids[:, edges], self.counted[:, edges], self.genres)

    @property
    def stanzas(self) -> int:
        """S."""
        return int(self.ids.shape[1]) // self.genres

    def slopes(self, nats: Array) -> Array:
        """The derivative of the sum over stanzas of -ln p(own genre) by nats (T, S * K)."""
        sums = (nats * self.counted).sum(axis=0, dtype=np.float64).reshape(-1, self.genres)
        likelihoods = np.exp(sums.min(axis=1, keepdims=True) - sums)
        slopes = -likelihoods / likelihoods.sum(axis=1, keepdims=True)
        slopes[:, 0] += 1
        return np.asarray(self.counted * slopes.reshape(-1).astype(nats.dtype))


class GenreStanzas:
    """The stanzas of songs by genre, as ids."""

    def __init__(self, songs: Iterable[Song], tokenizer: Tokenizer, random_seed: int) -> None:
        """Raises TrainingError when the songs are not of two genres or more."""
        self._stanzas: dict[str, list[list[int]]] = {}
        for song in songs:
            if song.genre:
                known = self._stanzas.setdefault(song.genre, [])
                known += map(tokenizer.encode_lines, stanzas_with_headings(song.text))
        if len(self._stanzas) < 2:
            raise TrainingError(
                "Genres can only be told apart in songs of two genres or more: leave out "
                "genre_weight, or give each song a line such as `genre: country`."
            )
        self._names = sorted(self._stanzas)
        self._prompts = [frame_wish(tokenizer, Wish(genre=name)) for name in self._names]
        self._forced_ids = tokenizer.forced_ids
        self._random_seed = random_seed

    def contrast(self, step: int, columns: int, steps: int) -> Contrast:
        """What a training step tells apart, in at most so many columns and tokens of each.

        A function of the random seed and the step's number.
        """
        rng = np.random.default_rng([self._random_seed, step])
        genres = min(AT_ONCE, len(self._names))
        rows: list[tuple[list[int], list[int]]] = []
        for _ in range(columns // genres):
            order = rng.permutation(len(self._names))[:genres].tolist()
            stanzas = self._stanzas[self._names[order[0]]]
            stanza = stanzas[rng.integers(len(stanzas))]
            prompts = [self._prompts[genre] for genre in order]
            room = max(0, steps + 1 - max(map(len, prompts)))  # the same behind each name
            rows += [(prompt, stanza[:room]) for prompt in prompts]
        return Contrast(*in_columns(rows, self._forced_ids), genres)


def stanzas_with_headings(text: str) -> list[str]:
    """A song's stanzas, each with the heading above it."""
    return text.split("\n\n")
