"""Sizes and tokenizations of the default model, compared at equal training time.

    python -m benchmarks.model_sizes CORPUS... [--minutes M] [--sizes NAME...] [--json]

Each network is trained from the same random seed for the same minutes. Bits per character are of
the validation songs; what a character costs to generate is counted in multiplications: those of
one step, times tokens a character. Run it on a machine that does nothing else.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.corpus import Corpus, read_corpus
from model.evaluation import evaluate
from model.network import NetworkConfig
from model.options import TrainingConfig
from model.task import songs_task
from model.training import Listener, Training

BASE = TrainingConfig(dropout=0.1, learning_rate=3e-3, drop_state=0.02, evaluations=4)
SIZES = {
    "2 x 512, 4096 tokens": BASE,
    "2 x 512, 2048 tokens": replace(BASE, vocabulary=2048),
    "2 x 512, 8192 tokens": replace(BASE, vocabulary=8192),
    "1 x 768, 4096 tokens": replace(BASE, hidden=768, layers=1),
    "2 x 384, 4096 tokens": replace(BASE, hidden=384),
    "2 x 640, 4096 tokens": replace(BASE, hidden=640, embedding=320),
    "3 x 384, 4096 tokens": replace(BASE, hidden=384, layers=3),
    "2 x 448 Mogrifier, 4096 tokens": replace(BASE, hidden=448, cell="mogrifier"),
}


def multiplications(config: NetworkConfig) -> int:
    """How many one step of one sequence takes: every weight once, but for looked-up embeddings."""
    looked_up = 0 if config.tied else config.vocabulary_size * config.embedding_size
    return config.parameter_count - looked_up


def measure(name: str, corpus: Corpus, judged: Corpus, minutes: float) -> dict[str, float | str]:
    """Train one network on `corpus`; its figures on the validation songs of `judged`."""
    config = replace(SIZES[name], minutes=minutes, temperature_fit=False)
    with tempfile.TemporaryDirectory() as folder:
        task = songs_task(config, corpus, Path(folder), None, vocabulary_from=judged)
        run = Training(config, task, None)
        run.run(Path(folder), Listener(), lambda: False)
    figures = evaluate(run.network, task.tokenizer, list(judged.part("validation")))
    tokens_a_character = figures.tokens / figures.characters
    return {
        "network": name,
        "parameters": run.network.config.parameter_count,
        "epochs": run.progress.epoch + run.progress.epoch_share,
        "characters_a_token": 1 / tokens_a_character,
        "multiplications_a_character": multiplications(run.network.config) * tokens_a_character,
        "bits_per_character": figures.bits_per_character,
    }


def main() -> None:
    """Measure every network and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", nargs="+", type=Path, help="songs to learn, all together")
    parser.add_argument("--judged", type=Path, default=Path("lyrics"), help="songs to judge by")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), metavar="NAME")
    parser.add_argument("--minutes", type=float, default=4, help="training time of each")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    corpus, judged = read_corpus(*options.corpus), read_corpus(options.judged)
    screen = Console(stderr=True)
    results = []
    for name in track(options.sizes, "Training", console=screen):
        results.append(measure(name, corpus, judged, options.minutes))
        screen.print(json.dumps(results[-1]))
    if options.json:
        print(json.dumps(results))
        return
    table = Table(title=f"{options.minutes:g} minutes of training each")
    for column in results[0]:
        table.add_column(column.replace("_", " "), justify="left" if not table.columns else "right")
    for result in results:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else f"{v}" for v in result.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
