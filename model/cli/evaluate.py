"""`python -m model evaluate`: how well a model foretells songs, and what it writes by itself."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from model.cli.command import (
    DEFAULT_WEIGHTS,
    SCREEN,
    add_command,
    print_json,
    progress_bar,
)
from model.corpus import Corpus, Part, Song, Songs, read_corpus
from model.errors import RequestError

if TYPE_CHECKING:
    from model.evaluation import Evaluation
    from model.genre_scores import GenreGuesses
    from model.text_figures import TextFigures
    from model.weights import Weights

SAMPLES = 64
MOST_SAMPLES = 10_000
LONGEST_SAMPLE = 2  # times as many tokens as a song has on average


def add_evaluate(commands: Any) -> None:
    command = add_command(
        commands,
        "evaluate",
        "Measure how well a model foretells songs, and what it writes by itself.",
        "--weights weights/default --corpus lyrics --picture evaluation.png",
        _evaluate,
    )
    add = command.add_argument
    add("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    add("--corpus", type=Path, required=True, help="file or folder of songs")
    add(
        "--part",
        choices=("test", "validation", "train", "all"),
        default="test",
        help="which songs; all are taken where the corpus is too small to have such a part",
    )
    add(
        "--samples",
        type=int,
        default=SAMPLES,
        help="songs that the network writes by itself, to be measured beside the others; or 0",
    )
    add("--random-seed", type=int, default=1, help="same number, same samples")
    add("--picture", type=Path, help="PNG file to draw the figures to")
    add("--genres", type=Path, help="PNG file to draw to which genre each song sounds like")
    add("--json", action="store_true", help="print the result as JSON")


def _evaluate(options: argparse.Namespace) -> int:
    from model.evaluation import evaluate_each, evaluate_streamed, total
    from model.pictures import check_writable
    from model.weights import load_weights

    if not 0 <= options.samples <= MOST_SAMPLES:
        raise RequestError(f"Samples must be from 0 to {MOST_SAMPLES:,}.")
    if options.random_seed < 0:
        raise RequestError("A random seed must be at least 0.")
    for picture in filter(None, (options.picture, options.genres)):
        check_writable(picture)
    weights = load_weights(options.weights)
    with progress_bar("Reading the corpus") as heard:
        corpus = read_corpus(options.corpus, progress=heard)
    part, songs = _part(corpus, options.part)
    with progress_bar("Reading songs one by one") as heard:
        each = evaluate_each(weights.network, weights.tokenizer, songs, heard)
    with progress_bar("Reading songs in a stream") as heard:
        streamed = evaluate_streamed(weights.network, weights.tokenizer, songs, heard)
    whole = total(each)
    texts: list[TextFigures] = []
    if options.samples:
        longest = LONGEST_SAMPLE * -(-whole.tokens // whole.songs)
        texts = _texts(weights, corpus, songs, options.samples, longest, options.random_seed)
    guesses = _guesses(weights, songs) if options.genres else None
    if options.picture:
        from model.evaluation_view import draw_evaluation

        draw_evaluation(songs, each, texts, options.picture)
    if guesses:
        from model.genre_scores import draw_guesses

        draw_guesses(guesses, options.genres)
    if options.json:
        print_json(_to_dict(part, whole, streamed, texts, guesses))
    else:
        _print(part, whole, streamed, texts, guesses)
    return 0


def _part(corpus: Corpus, part: Part | str) -> tuple[str, list[Song]]:
    """The songs of a part, and its name; those of all where there are none."""
    songs: Songs = corpus if part == "all" else corpus.part(part)  # type: ignore[arg-type]
    if songs:
        return part, list(songs)
    SCREEN.print(f"The corpus is too small to have a {part} part; taking all its songs.")
    return "all", list(corpus)


def _texts(
    weights: "Weights",
    corpus: Corpus,
    songs: Sequence[Song],
    count: int,
    longest: int,
    random_seed: int,
) -> list["TextFigures"]:
    """The figures of samples, and of as many of the songs."""
    from model.song_samples import sample_songs
    from model.text_figures import spread, text_figures

    with progress_bar("Writing songs") as heard:
        samples = sample_songs(
            weights.network,
            weights.tokenizer,
            weights.genres,
            count,
            longest=longest,
            random_seed=random_seed,
            progress=heard,
        )
    training = corpus.part("train") or corpus
    with progress_bar("Comparing with the training songs") as heard:
        return text_figures(
            samples,
            spread(songs, count),
            training=training,
            random_seed=random_seed,
            progress=lambda done: heard(done, len(training)),
        )


def _guesses(weights: "Weights", songs: Sequence[Song]) -> "GenreGuesses | None":
    from model.genre_scores import guess_genres

    with progress_bar("Reading songs under each genre") as heard:
        guesses = guess_genres(weights.network, weights.tokenizer, weights.genres, songs, heard)
    if guesses is None:
        SCREEN.print("No genre can be told: the songs have none of at least two that it knows.")
    return guesses


def _to_dict(
    part: str,
    whole: "Evaluation",
    streamed: "Evaluation",
    texts: Sequence["TextFigures"],
    guesses: "GenreGuesses | None",
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "bits_per_character": whole.bits_per_character,
        "nats_per_token": whole.nats_per_token,
        "perplexity": whole.perplexity,
        "tokens": whole.tokens,
        "characters": whole.characters,
        "songs": whole.songs,
        "unknown": whole.unknown,
        "part": part,
        "streamed_bits_per_character": streamed.bits_per_character,
        "streamed_perplexity": streamed.perplexity,
    }
    if texts:
        samples, held_out = texts
        result |= {"samples": samples.to_dict(), "held_out_songs": held_out.to_dict()}
    if guesses:
        result |= {
            "genre_accuracy": guesses.accuracy,
            "genre_accuracy_calibrated": guesses.calibrated_accuracy,
            "genre_chance": guesses.chance,
            "genre_confusion": {
                genre: dict(zip(guesses.genres, counts, strict=True))
                for genre, counts in zip(guesses.genres, guesses.calibrated.tolist(), strict=True)
            },
        }
    return result


def _print(
    part: str,
    whole: "Evaluation",
    streamed: "Evaluation",
    texts: Sequence["TextFigures"],
    guesses: "GenreGuesses | None",
) -> None:
    console = Console(highlight=False)
    reading = Table(
        "",
        title=f"{whole.songs} songs ({part}), {whole.characters:,} characters, "
        f"{whole.tokens:,} tokens",
        title_justify="left",
    )
    for name in ("song by song", "streamed"):
        reading.add_column(name, justify="right")
    for name, key, digits in (
        ("bits per character", "bits_per_character", 4),
        ("nats per token", "nats_per_token", 4),
        ("perplexity of a token", "perplexity", 3),
    ):
        values = (f"{getattr(one, key):.{digits}f}" for one in (whole, streamed))
        reading.add_row(name, *values)
    console.print(reading)
    if whole.unknown:
        SCREEN.print(
            f"{whole.unknown:,} tokens are unknown to this model. Each counts as one, however "
            "long it is, so bits per character flatter it beside a model that spells them."
        )
    if texts:
        console.print(text_table("the network by itself", "held-out songs", *texts))
    if guesses:
        console.print(
            f"Genre told right: {guesses.calibrated_accuracy:.1%} of {guesses.songs} songs, set "
            f"against one another; {guesses.accuracy:.1%} each by itself; chance: "
            f"{guesses.chance:.1%}",
            soft_wrap=True,
        )


def text_table(first: str, second: str, a: "TextFigures", b: "TextFigures") -> Table:
    """The figures of two groups of songs side by side, under these names."""
    table = Table("", title="What is written", title_justify="left")
    for name in (first, second):
        table.add_column(name, justify="right")

    def row(name: str, form: str, *values: float) -> None:
        table.add_row(name, *(format(value, form) for value in values))

    row("songs", ",", a.songs, b.songs)
    row("lines", ",", a.lines, b.lines)
    row("words", ",", a.words, b.words)
    row("end-rhyme rate", ".3f", a.end_rhyme_rate, b.end_rhyme_rate)
    row("  the same lines shuffled", ".3f", a.shuffled_end_rhyme_rate, b.shuffled_end_rhyme_rate)
    row("words that are known", ".1%", a.known_words, b.known_words)
    for n in a.distinct:
        row(f"distinct-{n}", ".3f", a.distinct[n], b.distinct[n])
    row(f"self-BLEU-3, {a.references} references", ".3f", a.self_bleu, b.self_bleu)
    for n in a.novelty:
        row(f"novelty of {n}-grams", ".1%", a.novelty[n], b.novelty[n])
    row("longest verbatim run, words", "", a.longest_verbatim_run, b.longest_verbatim_run)
    row("  longest of a song, mean", ".2f", a.mean_verbatim_run, b.mean_verbatim_run)
    row("lines that repeat an earlier one", ".1%", a.repeated_lines, b.repeated_lines)
    row("  one line in one song, times", "", a.most_repeats, b.most_repeats)
    return table
