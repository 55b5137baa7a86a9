"""Which genre a text sounds like: the network as a discriminator.

A network that writes in genres also says how likely a text is in each: its nats behind each
genre's name, by Bayes' rule with all genres equally likely beforehand, give the genre's probability
(as generative classifiers do: Ng & Jordan 2002; Yogatama et al. 2017, with LSTMs). Each stanza is
read behind the name anew, for a network forgets a name that stands far back; titles and ends are
left out. Behind some names a network finds any text likelier; where there are many songs, that can
be taken out (after Zhao et al. 2021).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model import rhyme
from model.corpus import Report, Song
from model.errors import RequestError
from model.evaluation import framed_nats
from model.frame import frame_song
from model.genre_contrast import stanzas_with_headings
from model.network import Network
from model.pictures import new_figure, save_figure
from model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GenreScore:
    """How a text does as one of a genre."""

    name: str
    probability: float  # with all genres equally likely beforehand
    nats_per_word: float  # stanza by stanza


@dataclass(frozen=True)
class TextScore:
    """How likely a text is to a network."""

    nats_per_word: float  # with no genre told
    bits_per_character: float  # likewise
    words: int
    characters: int
    genres: tuple[GenreScore, ...]  # the likeliest first

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        scores = {
            score.name: {"probability": score.probability, "nats_per_word": score.nats_per_word}
            for score in self.genres
        }
        likeliest = self.genres[0].name if self.genres else None
        return {**asdict(self), "genre": likeliest, "genres": scores}


@dataclass(frozen=True)
class GenreGuesses:
    """Of S songs whose genre is one of G: which each one sounds like.

    counts: songs by their genre and by the one that they sound like.
    """

    genres: tuple[str, ...]
    likeliest: npt.NDArray[np.int64]  # (G, G) counts: the genre in which the song is likeliest
    calibrated: npt.NDArray[np.int64]  # (G, G) counts: ... set against the other songs

    @property
    def songs(self) -> int:
        """How many there are."""
        return int(self.likeliest.sum())

    @property
    def accuracy(self) -> float:
        """Share of songs that are likeliest in their own genre, 0 to 1."""
        return float(np.trace(self.likeliest) / self.songs)

    @property
    def calibrated_accuracy(self) -> float:
        """The same, set against the other songs."""
        return float(np.trace(self.calibrated) / self.songs)

    @property
    def chance(self) -> float:
        """The accuracy of a guess at random."""
        return 1 / len(self.genres)


def genre_nats(
    network: Network,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    genres: Sequence[str],
    progress: Report | None = None,
) -> Floats:
    """Nats of each text's stanzas behind each genre (S, G).

    No text may be empty. `progress` hears how many tokens have been read, of how many.
    """
    stanzas = [
        (row, stanza) for row, text in enumerate(texts) for stanza in stanzas_with_headings(text)
    ]
    framed = [_framed(tokenizer, stanza, genre) for _, stanza in stanzas for genre in genres]
    nats, _ = framed_nats(network, framed, tokenizer.forced_ids, progress)
    sums = np.zeros((len(texts), len(genres)))
    np.add.at(sums, [row for row, _ in stanzas], nats.reshape(-1, len(genres)))
    return sums


def score_text(
    network: Network,
    tokenizer: Tokenizer,
    genres: Sequence[str],
    text: str,
    progress: Report | None = None,
) -> TextScore:
    """How likely a normalized text is, and in which genre. Raises RequestError without words."""
    words = len(rhyme.words(text))
    if not words:
        raise RequestError("There are no words to score in this text.")
    rows = [_framed(tokenizer, text, None)]
    alone = float(framed_nats(network, rows, tokenizer.forced_ids)[0][0])
    scores: list[GenreScore] = []
    if genres:
        behind = genre_nats(network, tokenizer, [text], genres, progress)[0]
        for genre, chance, nats in zip(genres, probabilities(behind), behind, strict=True):
            scores.append(GenreScore(genre, float(chance), float(nats) / words))
    return TextScore(
        alone / words,
        alone / math.log(2) / len(text),
        words,
        len(text),
        tuple(sorted(scores, key=lambda score: (-score.probability, score.name))),
    )


def probabilities(nats: Floats) -> Floats:
    """Each genre's probability (..., G) from a text's nats in each (..., G)."""
    likelihoods = np.exp(nats.min(axis=-1, keepdims=True) - nats)
    return np.asarray(likelihoods / likelihoods.sum(axis=-1, keepdims=True))


def guess_genres(
    network: Network,
    tokenizer: Tokenizer,
    genres: Sequence[str],
    songs: Sequence[Song],
    progress: Report | None = None,
) -> GenreGuesses | None:
    """The genre that each song sounds like; songs of other genres are left out.

    None if no song is left, or there is but one genre.
    """
    known = [song for song in songs if song.genre in genres]
    if not known or len(genres) < 2:
        return None
    nats = genre_nats(network, tokenizer, [song.text for song in known], genres, progress)
    own = np.array([genres.index(song.genre) for song in known if song.genre is not None])

    def counts(guesses: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        matrix = np.zeros((len(genres), len(genres)), np.int64)
        np.add.at(matrix, (own, guesses), 1)
        return matrix

    return GenreGuesses(
        tuple(genres), counts(nats.argmin(axis=1)), counts(against_others(nats).argmin(axis=1))
    )


def against_others(nats: Floats) -> Floats:
    """How much a genre suits each song (S, G), less what it suits the other songs on average.

    nats (S, G). What is compared is the share by which a song's nats in a genre are above or below
    their mean over all genres. No song's own genre is used.
    """
    shares: Floats = nats / nats.mean(axis=1, keepdims=True)
    if len(nats) < 2:
        return shares
    return np.asarray(shares - (shares.sum(axis=0) - shares) / (len(nats) - 1))


def _framed(tokenizer: Tokenizer, text: str, genre: str | None) -> list[int]:
    """A text behind a genre, without its end."""
    return frame_song(tokenizer, Song(None, genre, text)).ids()[:-1]


def draw_guesses(guesses: GenreGuesses, path: Path) -> None:
    """A matrix of genres: each row's songs by the genre that they sound like, calibrated.

    Raises ModelError when `path` cannot be written.
    """
    size = len(guesses.genres)
    figure: Figure = new_figure(2.6 + 0.4 * size, 2.4 + 0.36 * size)
    axes = figure.add_subplot()
    counts = guesses.calibrated
    rows = counts.sum(axis=1, keepdims=True)
    axes.imshow(counts / np.maximum(rows, 1), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts).tolist():
        count = int(counts[row, column])
        dark = count / rows[row, 0] > 0.55
        axes.text(column, row, str(count), ha="center", va="center", color="w" if dark else "k")
    axes.set_xticks(range(size), guesses.genres, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(size), guesses.genres, parse_math=False)
    axes.set_xlabel("sounds most like, set against the other songs")
    axes.set_ylabel("the song's genre")
    axes.tick_params(length=0)
    axes.set_title(
        f"{guesses.calibrated_accuracy:.0%} of {guesses.songs} songs told right (chance: "
        f"{guesses.chance:.0%})",
        loc="left",
        fontweight="bold",
    )
    save_figure(figure, path)
