"""`python -m model evaluate`: how well a model foretells songs."""

import argparse
from pathlib import Path
from typing import Any

from model.cli.command import DEFAULT_WEIGHTS, SCREEN, add_command, print_json, progress_bar
from model.corpus import Part, Songs, read_corpus


def add_evaluate(commands: Any) -> None:
    command = add_command(
        commands,
        "evaluate",
        "Measure how well a model foretells songs.",
        "--weights weights/default --corpus lyrics",
        _evaluate,
    )
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    command.add_argument("--corpus", type=Path, required=True, help="file or folder of songs")
    command.add_argument(
        "--part",
        choices=("test", "validation", "train", "all"),
        default="test",
        help="which songs; all are taken where the corpus is too small to have such a part",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _evaluate(options: argparse.Namespace) -> int:
    from model.evaluation import evaluate
    from model.weights import load_weights

    weights = load_weights(options.weights)
    with progress_bar("Reading the corpus") as heard:
        corpus = read_corpus(options.corpus, progress=heard)
    part: Part | str = options.part
    songs: Songs = corpus if part == "all" else corpus.part(part)  # type: ignore[arg-type]
    if not songs:
        SCREEN.print(f"The corpus is too small to have a {part} part; taking all its songs.")
        part, songs = "all", corpus
    with progress_bar("Reading songs") as heard:
        result = evaluate(
            weights.network,
            weights.tokenizer,
            list(songs),
            lambda done: heard(done, len(songs)),
        )
    if options.json:
        print_json(
            {
                "bits_per_character": result.bits_per_character,
                "nats_per_token": result.nats_per_token,
                "perplexity": result.perplexity,
                "tokens": result.tokens,
                "characters": result.characters,
                "songs": result.songs,
                "unknown": result.unknown,
                "part": part,
            }
        )
        return 0
    print(f"{result.songs} songs ({part}), {result.characters:,} characters")
    print(f"bits per character  {result.bits_per_character:.4f}")
    print(f"nats per token      {result.nats_per_token:.4f}  ({result.tokens:,} tokens)")
    print(f"perplexity          {result.perplexity:.3f}")
    if result.unknown:
        SCREEN.print(
            f"{result.unknown:,} tokens are unknown to this model. Each counts as one, however "
            "long it is, so bits per character flatter it beside a model that spells them."
        )
    return 0
