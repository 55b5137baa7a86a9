"""`python -m model retrain`: new weights that learned from ratings."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.cli.command import (
    DEFAULT_WEIGHTS,
    add_command,
    print_json,
    progress_bar,
    refuse_to_replace,
)
from model.corpus import read_corpus


def add_retrain(commands: Any) -> None:
    command = add_command(
        commands,
        "retrain",
        "Learn from the ratings that members gave.",
        "--database data/ghostwriter.db --out weights/ours",
        _retrain,
    )
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="old weights")
    command.add_argument("--database", required=True, help="the bot's database: a file or its URL")
    command.add_argument("--corpus", type=Path, default=Path("lyrics"), help="songs to rehearse")
    command.add_argument("--out", type=Path, required=True, help="folder for the new weights")
    command.add_argument("--overwrite", action="store_true", help="replace the model in --out")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _retrain(options: argparse.Namespace) -> int:
    from model.card import model_card
    from model.ratings import read_ratings
    from model.retrain import RetrainConfig, retrain
    from model.weights import load_weights, save_weights

    folder: Path = options.out
    refuse_to_replace(folder, overwrite=options.overwrite)
    weights = load_weights(options.weights)
    ratings = read_ratings(options.database)
    with progress_bar("Reading the songs") as heard:
        corpus = read_corpus(options.corpus, progress=heard)
    with progress_bar("Learning") as heard:
        new, outcome = retrain(weights, ratings, corpus, RetrainConfig(), heard)
    save_weights(new, folder, model_card(new, folder.name))
    if options.json:
        print_json({"weights": str(folder), **asdict(outcome)})
        return 0
    print(
        f"{folder}: learned from {outcome.liked} liked and {outcome.disliked} disliked lyrics; "
        f"bits per character of held-out songs {outcome.bits_per_character_before:.3f} -> "
        f"{outcome.bits_per_character_after:.3f}."
    )
    if outcome.preference_before is not None and outcome.preference_after is not None:
        print(
            f"Liked over disliked, on {outcome.held_out} lyrics kept aside: "
            f"{outcome.preference_before:+.3f} -> {outcome.preference_after:+.3f} nats per token."
        )
    print(f"To use it, set WEIGHTS={folder} and start the bot again.")
    return 0
