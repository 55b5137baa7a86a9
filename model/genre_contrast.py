"""Telling genres apart while training: a text must be likelier behind its own genre's name.

A song holds a thousand nats, and its genre can explain two or three of them: so a network that only
foretells text has next to no reason to mind the name. Therefore passages are read behind the names
of other genres too, and -ln of the right one's probability, by Bayes' rule, is added to the loss:
a generative classifier that is trained to discriminate (GeDi: Krause et al. 2021). Genres are
drawn evenly, so that none is likelier beforehand. A passage begins with any stanza, as lyrics do,
and goes on over several, for the name is to be remembered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.corpus import Song
from model.errors import TrainingError
from model.frame import frame_wish, in_columns
from model.network import Ids
from model.recurrence import Array
from model.tokenizer import Tokenizer
from model.wish import Wish

AT_ONCE = 4  # genres that a passage is read behind, its own among them
LENGTH = 2  # of a passage, in times that of a segment


@dataclass(frozen=True)
class Contrast:
    """Passages, each behind K genres in K columns, the first of which is its own."""

    ids: Ids  # (T + 1, S * K)
    counted: Array  # (T, S * K): 1 for the passage's tokens that are foretold, else 0
    genres: int  # K
    share: float  # of one passage in the mean over all, also where these are only some of them

    def part(self, member: int, members: int) -> "Contrast":
        """The passages that one of several processes reads."""
        first, stop = (self.passages * number // members for number in (member, member + 1))
        own = slice(first * self.genres, stop * self.genres)
        return replace(self, ids=self.ids[:, own], counted=self.counted[:, own])

    @property
    def passages(self) -> int:
        """S."""
        return int(self.ids.shape[1]) // self.genres

    def slopes(self, nats: Array) -> Array:
        """The derivative of the sum over passages of -ln p(own genre) by nats (T, S * K)."""
        sums = (nats * self.counted).sum(axis=0, dtype=np.float64).reshape(-1, self.genres)
        likelihoods = np.exp(sums.min(axis=1, keepdims=True) - sums)
        slopes = -likelihoods / likelihoods.sum(axis=1, keepdims=True)
        slopes[:, 0] += 1
        return np.asarray(self.counted * slopes.reshape(-1).astype(nats.dtype))


class GenrePassages:
    """The stanzas of songs by genre, as ids, and passages made of them."""

    def __init__(self, songs: Iterable[Song], tokenizer: Tokenizer, random_seed: int) -> None:
        """Raises TrainingError when the songs are not of two genres or more."""
        self._songs: dict[str, list[list[list[int]]]] = {}
        for song in songs:
            if song.genre:
                stanzas = stanzas_with_headings(song.text)
                known = self._songs.setdefault(song.genre, [])
                known.append([tokenizer.encode_lines(stanza) for stanza in stanzas])
        if len(self._songs) < 2:
            raise TrainingError(
                "Genres can only be told apart in songs of two genres or more: leave out "
                "genre_weight, or give each song a line such as `genre: country`."
            )
        self._names = sorted(self._songs)
        self._prompts = [frame_wish(tokenizer, Wish(genre=name)) for name in self._names]
        self._gap = tokenizer.encode_lines("\n\n")
        self._forced_ids = tokenizer.forced_ids
        self._random_seed = random_seed

    def contrast(self, step: int, columns: int, steps: int) -> Contrast:
        """What a training step tells apart: about as many tokens as (steps, columns) has.

        A function of the random seed and the step's number.
        """
        rng = np.random.default_rng([self._random_seed, step])
        genres = min(AT_ONCE, len(self._names))
        rows: list[tuple[list[int], list[int]]] = []
        passages = max(1, columns // (LENGTH * genres))
        for _ in range(passages):
            order = rng.permutation(len(self._names))[:genres].tolist()
            songs = self._songs[self._names[order[0]]]
            stanzas = songs[rng.integers(len(songs))]
            prompts = [self._prompts[genre] for genre in order]
            room = max(0, LENGTH * steps + 1 - max(map(len, prompts)))  # the same behind each name
            passage = self._passage(stanzas[rng.integers(len(stanzas)) :], room)
            rows += [(prompt, passage) for prompt in prompts]
        return Contrast(*in_columns(rows, self._forced_ids), genres, 1 / passages)

    def _passage(self, stanzas: Sequence[list[int]], room: int) -> list[int]:
        ids = list(stanzas[0])
        for stanza in stanzas[1:]:
            if len(ids) >= room:
                break
            ids += [*self._gap, *stanza]
        return ids[:room]


def stanzas_with_headings(text: str) -> list[str]:
    """A song's stanzas, each with the heading above it."""
    return text.split("\n\n")
