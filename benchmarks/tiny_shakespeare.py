"""Trains on Tiny Shakespeare by characters and reports the loss of its last tenth in two ways.

    python -m benchmarks.tiny_shakespeare input.txt --out weights/tiny_shakespeare

`input.txt` is the 1.1 MB file of char-rnn (Karpathy 2015). The first 90 % of its characters train,
the last 10 % validate, as nanoGPT splits them. Reported in nats per character: "fresh", in windows
of 256 characters that each begin with a zero state, which is what nanoGPT's transformer sees; and
"streamed", with the state carried from the first character to the last.
"""

import argparse
import hashlib
import json
import math
import os
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from model.blas import one_blas_thread
from model.evaluation import Evaluation
from model.network import Ids, Network
from model.options import TrainingConfig
from model.progress import ProgressView
from model.task import Task
from model.tokens import PlainStream
from model.training import Training
from model.vocabulary import train_tokenizer
from model.weights import load_weights

CONFIG = Path(__file__).with_suffix(".toml")
TRAINING_SHARE = 0.9
WINDOW = 256  # characters, as nanoGPT's largest context
WINDOWS_AT_ONCE = 55
STREAMED_AT_ONCE = 512  # characters


def fresh_nats(network: Network, ids: Ids) -> float:
    """Mean nats per character in windows that begin with a zero state."""
    windows = (len(ids) - 1) // WINDOW
    inputs = ids[: windows * WINDOW].reshape(windows, WINDOW)
    targets = ids[1 : windows * WINDOW + 1].reshape(windows, WINDOW)

    def part_nats(start: int) -> float:
        part = slice(start, start + WINDOWS_AT_ONCE)
        state = network.zero_state(len(inputs[part]))
        nats, _ = network.token_nats(inputs[part].T, targets[part].T, state)
        return float(nats.sum(dtype=np.float64))

    with one_blas_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(part_nats, range(0, windows, WINDOWS_AT_ONCE))) / inputs.size


def streamed_nats(network: Network, ids: Ids) -> float:
    """Mean nats per character, the state carried through the whole text."""
    state = network.zero_state(1)
    total = 0.0
    for start in range(0, len(ids) - 1, STREAMED_AT_ONCE):
        inputs = ids[start : min(start + STREAMED_AT_ONCE, len(ids) - 1), None]
        targets = ids[start + 1 : start + 1 + len(inputs), None]
        nats, state = network.token_nats(inputs, targets, state)
        total += float(nats.sum(dtype=np.float64))
    return total / (len(ids) - 1)


def main() -> None:
    """Train, and print both measures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("text", type=Path, help="Tiny Shakespeare, one file")
    parser.add_argument("--config", type=Path, default=CONFIG, help="TOML file of options")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights to write")
    parser.add_argument("--minutes", type=float, help="train this long")
    options = parser.parse_args()
    config = TrainingConfig(**tomllib.loads(options.config.read_text("utf-8")))
    if options.minutes:
        config = replace(config, minutes=options.minutes)
    text = options.text.read_text("utf-8")
    tokenizer = train_tokenizer(
        "char", [text], vocabulary=config.vocabulary, lower_case=False, minimum_count=1
    )
    ids = np.array(tokenizer.encode(text), np.int32)
    split = int(TRAINING_SHARE * len(ids))
    train, validation = ids[:split], ids[split:]

    def evaluate(network: Network) -> Evaluation:
        nats = fresh_nats(network, validation)
        tokens = (len(validation) - 1) // WINDOW * WINDOW
        return Evaluation(nats * tokens, tokens, tokens, 1)

    stream = PlainStream(train, config.random_seed)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    task = Task(tokenizer, (), stream, fingerprint, True, evaluate)
    training = Training(config, task)
    with ProgressView(options.out, Console(stderr=True), resumed_at=None) as view:
        training.run(options.out, view, lambda: False)
    best = load_weights(options.out)
    fresh = fresh_nats(best.network, validation)
    print(
        json.dumps(
            {
                "fresh_nats_per_character": round(fresh, 4),
                "streamed_nats_per_character": round(streamed_nats(best.network, validation), 4),
                "fresh_bits_per_character": round(fresh / math.log(2), 4),
                "parameters": best.network.config.parameter_count,
                "epochs": best.training["epochs_done"],
                "seconds": round(training.progress.seconds),
            }
        )
    )


if __name__ == "__main__":
    main()
