"""`python -m model score`: how likely a text is to a model, and which genre it sounds like."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from model.cli.command import DEFAULT_WEIGHTS, add_command, print_json, progress_bar
from model.corpus import LONGEST_SONG, normalized_text, parse_songs
from model.errors import CorpusError
from model.text_blocks import text_blocks


def add_score(commands: Any) -> None:
    command = add_command(
        commands,
        "score",
        "Say how likely a text is to a model, and which of its genres it sounds like.",
        '--text "Way, haul away, we\'ll haul away together"',
        _score,
    )
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    given = command.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", help="the text")
    given.add_argument("--file", type=Path, help="file with the text, of one song")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _score(options: argparse.Namespace) -> int:
    from model.genre_scores import score_text
    from model.weights import load_weights

    text = normalized_text(options.text) if options.file is None else _read(options.file)
    weights = load_weights(options.weights)
    with progress_bar("Reading the text under each genre") as heard:
        score = score_text(weights.network, weights.tokenizer, weights.genres, text, heard)
    if options.json:
        print_json(score.to_dict())
        return 0
    console = Console(highlight=False)
    console.print(
        f"{score.nats_per_word:.3f} nats per word, {score.bits_per_character:.3f} bits per "
        f"character ({score.words} words, {score.characters} characters), with no genre told.",
        soft_wrap=True,
    )
    if score.genres:
        table = Table("genre", title="Which genre it sounds like", title_justify="left")
        for name in ("probability", "nats per word"):
            table.add_column(name, justify="right")
        for genre in score.genres:
            table.add_row(genre.name, f"{genre.probability:.1%}", f"{genre.nats_per_word:.3f}")
        console.print(table)
    return 0


def _read(path: Path) -> str:
    """A file's text without its headers. Raises CorpusError if it holds several songs."""
    text = ""
    for block, _ in text_blocks(path):
        text += block
        if len(text) > LONGEST_SONG:
            raise CorpusError(f"{path} is too long: at most {LONGEST_SONG:,} characters are read.")
    songs = list(parse_songs(text, str(path)))
    if len(songs) != 1:
        raise CorpusError(
            f"{path} holds {len(songs) or 'no'} songs; name a file with the text of one."
        )
    return songs[0].text
