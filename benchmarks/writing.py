"""What steering costs and keeps: rhyme by scheme, form, originality, codes, and speed.

    python -m benchmarks.writing [--weights DIR] [--songs N] [--lyrics N] [--codes N] [--json]

Rhyme: songs of each scheme, by two methods (the network's marks before a rhyming word; a line's
last word written anew); the share of its line pairs that rhyme, words that the dictionary lacks
counted as misses, and the nats per word of the texts as `score` finds them, beside those of songs
that the network wrote by itself. Lyrics: wishes of all kinds, by random seed, checked one by
one. Speed: tokens a second of one lyric and of 32, and the seconds that one takes by itself.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model import rhyme
from model.corpus import Song, is_heading
from model.form import rhyme_pairs, sections_of
from model.genre_scores import score_text
from model.lyric_model import LyricModel
from model.song_samples import sample_songs
from model.weights import Weights, load_weights
from model.wish import RHYMES, Wish
from model.writing import Lyric
from model.writing import Song as WritingSong

SEEDS = ("rain on the road", "雨の夜", "don't", "¿Dónde?", "I was born by the river, they say", "7")
STRUCTURES = (None, None, "verse-chorus-verse-chorus", "intro-verse-hook-outro")
SCHEMES = (None, *RHYMES)
METHODS = ("marks", "last word anew")
SIDE_BY_SIDE = 32
TOKENS_TIMED = 4000


def ends_of(text: str) -> list[list[str]]:
    """The last words of each stanza's lines."""
    return [[rhyme.last_word(line) for line in s] for s in Song(None, None, text).stanzas]


def without_marks(weights: Weights) -> Weights:
    """The same weights with a tokenizer that never offers a rhyme mark."""
    tokenizer = copy.copy(weights.tokenizer)
    tokenizer.marks = lambda stanza: {}  # type: ignore[method-assign]
    return replace(weights, tokenizer=tokenizer)


def nats_per_word(weights: Weights, texts: Sequence[str]) -> float:
    """Of all the words of these texts, with no genre told."""
    scores = [score_text(weights.network, weights.tokenizer, (), text) for text in texts]
    return sum(s.nats_per_word * s.words for s in scores) / sum(s.words for s in scores)


def rhyme_figures(
    model: LyricModel, weights: Weights, scheme: str, method: str, songs: int
) -> dict[str, float | str]:
    """One scheme's figures, as a method keeps to it."""
    wish = Wish(rhyme=scheme, lines=16, best_of=1)
    pairs = hits = repeats = 0
    lyrics = list(model.write_many(wish, songs, 1))
    for lyric in lyrics:
        for ends in ends_of(lyric.text):
            paired = rhyme_pairs(scheme, len(ends))
            pairs += len(paired)
            hits += sum(rhyme.rhymes(ends[i], ends[j]) for i, j in paired)
            repeats += len(ends) - len(set(ends))
    return {
        "scheme": scheme,
        "method": method,
        "pairs": pairs,
        "rhymed": hits / pairs,
        "end_words_used_twice": repeats,
        "nats_per_word": nats_per_word(weights, [lyric.text for lyric in lyrics]),
        "lyrics_with_a_note": sum(bool(lyric.notes) for lyric in lyrics),
    }


def unsteered_nats(model: LyricModel, weights: Weights, songs: int) -> dict[str, float]:
    """Nats per word of what the network writes by itself, and of lyrics without a scheme."""
    texts = {
        "network": [
            song.text
            for song in sample_songs(
                weights.network, weights.tokenizer, (), songs, longest=400, random_seed=1
            )
        ],
        "no_scheme": [
            lyric.text for lyric in model.write_many(Wish(lines=16, best_of=1), songs, 1)
        ],
    }
    return {name: nats_per_word(weights, group) for name, group in texts.items()}


def any_wishes(genres: Sequence[str], count: int) -> Iterator[Wish]:
    """Wishes of all kinds, the same ones each time."""
    rng = np.random.default_rng(1)
    for number in range(count):
        yield Wish(
            seed=SEEDS[number % len(SEEDS)] if rng.random() < 0.5 else None,
            genre=str(rng.choice(genres)) if genres and rng.random() < 0.5 else None,
            title="Last Bus Home" if rng.random() < 0.3 else None,
            lines=int(rng.choice([8, 12, 16])),
            temperature=float(rng.choice([0.6, 0.8, 1.0])),
            rhyme=SCHEMES[rng.integers(len(SCHEMES))],
            structure=STRUCTURES[rng.integers(len(STRUCTURES))],
            keyword="lantern" if rng.random() < 0.2 else None,
            syllables="6-11" if rng.random() < 0.2 else None,
            no_repeat_ngram_size=int(rng.choice([0, 4])),
            bad_words="love, heart" if rng.random() < 0.2 else None,
            best_of=1,
        )


def faults(lyric: Lyric, words_of_run: int) -> Iterator[str]:
    """What is not as it must be in a lyric."""
    wish = lyric.wish
    lines = lyric.text.split("\n")
    sung = [line for line in lines if line and not is_heading(line)]
    headings = [line for line in lines if is_heading(line)]
    wanted = [section.heading for section in sections_of(wish)]
    if wish.seed and not sung[0].startswith(wish.seed):
        yield "seed altered"
    if wanted and headings != wanted:
        yield "another structure"
    if len(sung) != (len(wanted) * wish.section_lines or wish.lines) and not lyric.notes:
        yield "another number of lines"
    if words_of_run > wish.max_run:
        yield "verbatim run too long"
    if wish.keyword and wish.keyword not in lyric.text and not lyric.notes:
        yield "keyword missing"
    if wish.forbidden_words & set(rhyme.words(lyric.text)) - set(rhyme.words(wish.seed or "")):
        yield "forbidden word"


def write_all(model: LyricModel, wishes: Sequence[Wish]) -> list[Lyric]:
    """The lyrics of all wishes, many at once; the random seed of wish k is k."""
    batch = model.batch()
    songs = []
    waiting = list(enumerate(wishes))
    while waiting or len(batch):
        while waiting and batch.has_room(waiting[0][1]):
            number, wish = waiting.pop(0)
            songs.append(batch.join(wish, number))
        batch.step()
    return [song.lyric for song in songs if song.lyric is not None]


def check_lyrics(model: LyricModel, count: int) -> tuple[list[Lyric], dict[str, Any]]:
    """Write lyrics of all kinds, and count what is wrong with them."""
    wishes = list(any_wishes(model.genres, count))
    lyrics = write_all(model, wishes)
    found: dict[str, int] = {}
    for lyric in lyrics:
        for fault in faults(lyric, lyric.longest_run or 0):
            found[fault] = found.get(fault, 0) + 1
    runs = [lyric.longest_run or 0 for lyric in lyrics]
    return lyrics, {
        "lyrics": len(lyrics),
        "faults": found,
        "with_a_note": sum(bool(lyric.notes) for lyric in lyrics),
        "longest_run": max(runs),
        "mean_run": statistics.mean(runs),
    }


def replay(model: LyricModel, lyrics: Sequence[Lyric]) -> dict[str, int]:
    """Write lyrics again by their codes, in a batch that is full of others."""
    batch = model.batch()
    filler = Wish(lines=40, best_of=1)
    waiting = list(lyrics)
    pairs: list[tuple[Lyric, WritingSong]] = []
    seed = 10_000
    while waiting or any(song.lyric is None for _, song in pairs):
        if waiting and batch.has_room(filler):
            lyric = waiting.pop(0)
            pairs.append((lyric, batch.join_code(lyric.code)))
        while batch.has_room(filler):
            batch.join(filler, seed)
            seed += 1
        batch.step()
    return {"codes": len(pairs), "identical": sum(song.lyric == lyric for lyric, song in pairs)}


def speed(model: LyricModel) -> dict[str, float]:
    """Tokens a second of one song and of 32, and seconds for one lyric of 16 lines."""
    found = {}
    for songs in (1, SIDE_BY_SIDE):
        batch = model.batch()
        steps = 0
        began = time.perf_counter()
        while steps * songs < TOKENS_TIMED:
            while len(batch) < songs:
                batch.join(Wish(lines=40, best_of=1), steps + len(batch))
            batch.step()
            steps += 1
        found[f"tokens_per_second_{songs}"] = steps * songs / (time.perf_counter() - began)
    for name, wish in (("one", Wish(best_of=1)), ("default", Wish())):
        seconds = []
        for number in range(9):
            began = time.perf_counter()
            model.write(replace(wish, rhyme="ABAB"), number)
            seconds.append(time.perf_counter() - began)
        found[f"seconds_{name}"] = statistics.median(seconds)
    return found


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--weights", type=Path, default=Path("weights/default"))
    parser.add_argument("--songs", type=int, default=300, help="of each rhyme scheme; 0 for none")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--lyrics", type=int, default=1000, help="of all kinds; 0 for none")
    parser.add_argument("--codes", type=int, default=100, help="that are written again")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    weights = load_weights(options.weights)
    model = LyricModel(weights, options.weights.name)
    screen = Console(stderr=True)
    methods = dict(
        zip(METHODS, (model, LyricModel(without_marks(weights), options.weights.name)), strict=True)
    )
    result: dict[str, Any] = {"speed": speed(model)}
    schemes: list[dict[str, float | str]] = []
    if options.songs:
        result["unsteered_nats_per_word"] = unsteered_nats(model, weights, options.songs)
        schemes = result["schemes"] = [
            rhyme_figures(methods[method], weights, scheme, method, options.songs)
            for scheme, method in track(list(product(RHYMES, options.methods)), console=screen)
        ]
    if options.lyrics:
        lyrics, result["checks"] = check_lyrics(model, options.lyrics)
        result["replay"] = replay(model, lyrics[: options.codes])
    if options.json:
        print(json.dumps(result))
        return
    console = Console()
    if schemes:
        table = Table()
        for name in schemes[0]:
            left = name in ("scheme", "method")
            table.add_column(name.replace("_", " "), justify="left" if left else "right")
        for row in schemes:
            table.add_row(*(f"{v:.3f}" if isinstance(v, float) else f"{v}" for v in row.values()))
        console.print(table)
    for name, figures in result.items():
        if name != "schemes":
            console.print(name, figures)


if __name__ == "__main__":
    main()
