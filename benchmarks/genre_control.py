"""Whether a lyric has the genre that was asked for, as another judge hears it.

    python -m benchmarks.genre_control [--weights DIR...] [--guidance-scale N...] [--lyrics N]

The judge is a naive Bayes classifier of words (multinomial, as in Manning et al. 2008, chapter 13),
which learns from the training songs of CORPUS and is itself judged on the test songs. Every genre
gets the same number of lyrics, written with one candidate each; how likely the network finds them
when it is not told the genre is what minding it costs.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.writing import nats_per_word
from model import rhyme
from model.corpus import Song, read_corpus
from model.lyric_model import LyricModel
from model.weights import load_weights
from model.wish import GUIDANCE, Wish

SMOOTHING = 0.1  # added to each word's count


class WordJudge:
    """Naive Bayes over words, all genres equally likely beforehand."""

    def __init__(self, songs: Iterable[Song]) -> None:
        counts: dict[str, Counter[str]] = {}
        for song in songs:
            if song.genre:
                counts.setdefault(song.genre, Counter()).update(rhyme.words(song.text.lower()))
        self.genres = sorted(counts)
        self._words = {w: i for i, w in enumerate(sorted({w for c in counts.values() for w in c}))}
        table = np.full((len(self.genres), len(self._words)), SMOOTHING)
        for row, genre in enumerate(self.genres):
            for word, count in counts[genre].items():
                table[row, self._words[word]] += count
        self._logs: npt.NDArray[np.float64] = np.log(table / table.sum(axis=1, keepdims=True))

    def genre(self, text: str) -> str:
        """The likeliest."""
        known = [self._words[w] for w in rhyme.words(text.lower()) if w in self._words]
        return self.genres[int(np.argmax(self._logs[:, known].sum(axis=1)))]

    def right(self, songs: Sequence[Song]) -> float:
        """Share of songs, 0 to 1, that it takes for what they are."""
        return sum(self.genre(song.text) == song.genre for song in songs) / len(songs)


def main() -> None:
    """Write, judge, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=Path("lyrics"), help="songs to judge by")
    parser.add_argument("--weights", nargs="+", type=Path, default=[Path("weights/default")])
    parser.add_argument("--guidance-scale", nargs="+", type=float, default=[1.0, GUIDANCE])
    parser.add_argument("--lyrics", type=int, default=20, help="of each genre")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    corpus = read_corpus(options.corpus)
    judge = WordJudge(corpus.part("train"))
    figures: dict[str, dict[str, float]] = {
        "the test songs": {"right": judge.right([s for s in corpus.part("test") if s.genre])}
    }
    screen = Console(stderr=True)
    for folder, scale in product(options.weights, options.guidance_scale):
        weights = load_weights(folder)
        model = LyricModel(weights, folder.name)
        name = f"{folder}, guidance {scale:g}"
        songs: list[Song] = []
        for genre in track(judge.genres, f"Writing with {name}", console=screen):
            wish = Wish(genre=genre, best_of=1, guidance_scale=scale)
            lyrics = model.write_many(wish, options.lyrics, random_seed=1)
            songs += [Song(None, genre, lyric.text) for lyric in lyrics]
        nats = nats_per_word(weights, [song.text for song in songs])
        figures[name] = {"right": judge.right(songs), "nats_per_word": nats}
    if options.json:
        print(json.dumps(figures))
        return
    table = Table(title=f"The genre asked for is heard (by chance: {1 / len(judge.genres):.1%})")
    table.add_column("in")
    table.add_column("right", justify="right")
    table.add_column("nats per word", justify="right")
    for name, found in figures.items():
        nats_text = f"{found['nats_per_word']:.2f}" if "nats_per_word" in found else ""
        table.add_row(name, f"{found['right']:.1%}", nats_text)
    Console().print(table)


if __name__ == "__main__":
    main()
