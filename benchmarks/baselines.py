"""What the network is compared with, on the same training and test songs.

    python -m benchmarks.baselines ngrams [--verse verse.txt] [--json]
    python -m benchmarks.baselines markov [--json]
    python -m benchmarks.baselines lstm --config FILE.toml --out FOLDER [--epochs N | --minutes M]

ngrams: bits per character of interpolated Kneser-Ney n-grams over characters, counted as `model
evaluate` does; everything that is chosen is chosen on the validation songs. markov: figures of
songs by a chain of words (markovify). lstm: a PyTorch LSTM trained by the same recipe. markovify
and PyTorch are no dependencies: `pip install markovify torch`.
"""

import argparse
import json
import random
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.character_ngrams import (
    LONGEST,
    Alphabet,
    CharacterNgrams,
    Grams,
    Mixture,
    bits_per_symbol,
)
from model.corpus import Corpus, Part, Song, normalized_text, read_corpus

SCREEN = Console(stderr=True, highlight=False)
ORDERS = range(2, LONGEST + 1)
CHAIN_WORDS = 2  # that a word of the Markov chain depends on
CHAIN_SONGS = 64


@dataclass(frozen=True)
class Result:
    """Bits per character of one way to use n-grams."""

    name: str
    order: int
    validation: float
    test: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "order": self.order,
            "validation_bits_per_character": round(self.validation, 5),
            "test_bits_per_character": round(self.test, 5),
        }


@dataclass(frozen=True)
class Parts:
    """The songs as n-grams."""

    train: Grams
    validation: Grams
    test: Grams

    @classmethod
    def of(cls, corpus: Corpus, alphabet: Alphabet, *, framed: bool) -> "Parts":
        def grams(part: Part) -> Grams:
            return Grams.of(corpus.part(part), alphabet, framed=framed)

        return cls(grams("train"), grams("validation"), grams("test"))


def ngram_results(
    corpus: Corpus, verse: Sequence[Song], heard: Callable[[str], None]
) -> list[Result]:
    """Every order and way; the one that is best on the validation songs first."""
    results = []
    alphabet = Alphabet([*corpus.part("train"), *verse])
    for framed in (False, True):
        way = "songs behind genre and title" if framed else "songs"
        heard(way)
        parts = Parts.of(corpus, alphabet, framed=framed)
        songs = CharacterNgrams(parts.train, alphabet)
        for order in ORDERS:
            probabilities = (
                songs.probabilities(grams, order) for grams in (parts.validation, parts.test)
            )
            results.append(Result(way, order, *map(bits_per_symbol, probabilities)))
        if verse:
            heard(f"verse and {way}")
            both = [Grams.of(verse, alphabet, framed=framed).keys, parts.train.keys]
            results += _mixtures(
                f"{way}, mixed with verse and songs",
                parts,
                songs,
                CharacterNgrams(Grams(np.concatenate(both)), alphabet),
            )
    return sorted(results, key=lambda result: result.validation)


def _mixtures(
    name: str, parts: Parts, songs: CharacterNgrams, both: CharacterNgrams
) -> list[Result]:
    """A model of the songs and one of verse and songs, mixed by a share for each order."""
    results = []
    for order in ORDERS:
        mixed, test = (
            Mixture(songs.probabilities(grams, order), both.probabilities(grams, order))
            for grams in (parts.validation, parts.test)
        )
        share = mixed.share
        bits = (bits_per_symbol(mixture.at(share)) for mixture in (mixed, test))
        results.append(Result(f"{name} ({share:.0%} to {1 - share:.0%})", order, *bits))
    return results


def _ngrams(options: argparse.Namespace) -> None:
    corpus = read_corpus(options.corpus)
    verse = list(read_corpus(options.verse)) if options.verse else []
    with SCREEN.status("Counting") as status:
        results = ngram_results(corpus, verse, lambda what: status.update(f"Counting: {what}"))
    best = results[0]
    if options.json:
        print(
            json.dumps(
                {
                    "best": best.to_dict(),
                    "ways": [result.to_dict() for result in results],
                    "validation_songs": len(corpus.part("validation")),
                    "test_songs": len(corpus.part("test")),
                }
            )
        )
        return
    table = Table("trained on", title="Bits per character of n-grams", title_justify="left")
    for name in ("order", "validation", "test"):
        table.add_column(name, justify="right")
    for result in sorted(
        results, key=lambda result: (result.name.partition(" (")[0], result.order)
    ):
        style = "bold" if result is best else None
        figures = (f"{bits:.4f}" for bits in (result.validation, result.test))
        table.add_row(result.name, str(result.order), *figures, style=style)
    Console(highlight=False).print(table)


def chain_songs(songs: Sequence[Song], count: int, random_seed: int) -> list[Song]:
    """Songs by a chain over words, marks and all, in which a line end is a word too."""
    import markovify

    runs = [song.text.replace("\n", " \n ").split(" ") for song in songs]
    chain = markovify.Chain([[word for word in run if word] for run in runs], CHAIN_WORDS)
    random.seed(random_seed)  # markovify draws from Python's own generator
    texts = (
        " ".join(chain.walk()).replace(" \n ", "\n").replace("\n ", "\n") for _ in range(count)
    )
    return [Song(None, None, normalized_text(text)) for text in texts]


def _markov(options: argparse.Namespace) -> None:
    from model.cli.evaluate import text_table
    from model.text_figures import spread, text_figures

    corpus = read_corpus(options.corpus)
    training = list(corpus.part("train"))
    with SCREEN.status("Writing and comparing"):
        written = chain_songs(training, options.samples, options.random_seed)
        held_out = spread(list(corpus.part("test")), options.samples)
        figures = text_figures(
            written, held_out, training=training, random_seed=options.random_seed
        )
    if options.json:
        names = ("markov_chain", "held_out_songs")
        both = zip(names, figures, strict=True)
        print(json.dumps({name: figure.to_dict() for name, figure in both}))
        return
    Console(highlight=False).print(text_table("Markov chain", "held-out songs", *figures))


def _lstm(options: argparse.Namespace) -> None:
    from benchmarks.pytorch_training import PyTorchTraining
    from model.evaluation import evaluate
    from model.options import TrainingConfig
    from model.progress import ProgressView
    from model.task import songs_task
    from model.tokens import remove_tokens
    from model.weights import load_weights

    corpus = read_corpus(*(options.train or [options.corpus]))
    config = TrainingConfig(**tomllib.loads(options.config.read_text("utf-8")))
    if options.epochs is not None:
        config = replace(config, epochs=options.epochs, minutes=None)
    if options.minutes is not None:
        config = replace(config, minutes=options.minutes)
    init = load_weights(options.init) if options.init else None
    training = PyTorchTraining(config, songs_task(config, corpus, options.out, init), init)
    with ProgressView(options.out, SCREEN, resumed_at=None) as view:
        best = training.run(options.out, view, lambda: False)
    remove_tokens(options.out)
    weights = load_weights(options.out)
    songs = list(read_corpus(options.corpus).part("test"))
    test = evaluate(weights.network, weights.tokenizer, songs)
    print(
        json.dumps(
            {
                "test_bits_per_character": test.bits_per_character,
                "validation_bits_per_character": best.bits_per_character,
                "parameters": weights.network.config.parameter_count,
                "steps": training.progress.step,
                "seconds": round(training.progress.seconds, 1),
                "weights": str(options.out),
            }
        )
    )


def main() -> None:
    """Run one of the baselines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="BASELINE")

    def command(name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(name)
        added.set_defaults(run=run)
        added.add_argument("--corpus", type=Path, default=Path("lyrics"), help="the songs")
        added.add_argument("--json", action="store_true", help="print the result as JSON")
        return added

    ngrams = command("ngrams", _ngrams)
    ngrams.add_argument("--verse", type=Path, help="more text, which the network learns from too")
    markov = command("markov", _markov)
    markov.add_argument("--samples", type=int, default=CHAIN_SONGS, help="songs to write")
    markov.add_argument("--random-seed", type=int, default=1)
    lstm = command("lstm", _lstm)
    lstm.add_argument("--config", type=Path, required=True, help="TOML file of `train`'s options")
    lstm.add_argument("--train", type=Path, nargs="+", help="files to train on, if not --corpus")
    lstm.add_argument("--init", type=Path, help="start from these weights and their vocabulary")
    lstm.add_argument("--out", type=Path, required=True, help="folder of weights to write")
    lstm.add_argument("--epochs", type=float, help="train this long")
    lstm.add_argument("--minutes", type=float, help="train this long instead")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
