"""`python -m model index`: which word runs a model has read, so that its lyrics copy none."""

import argparse
from pathlib import Path
from typing import Any

from model.cli.command import DEFAULT_WEIGHTS, add_command, print_json, progress_bar
from model.corpus import read_corpus


def add_index(commands: Any) -> None:
    command = add_command(
        commands,
        "index",
        "Let a model know which runs of words it has read, so that its lyrics copy none. `train` "
        "does so by itself; this is for weights without an index, or after a change of the songs. "
        "Name all that the model has learned: songs held out by a hash of their words are left "
        "out, as in training. No text is stored, and the model itself stays as it is.",
        "verse.txt lyrics --weights weights/mine",
        _index,
    )
    command.add_argument("corpus", nargs="+", type=Path, help=".txt files, or folders of them")
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    command.add_argument("--add", action="store_true", help="add to the index that is there")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _index(options: argparse.Namespace) -> int:
    from model.originality import NgramIndex, index_corpus
    from model.weights import ORIGINALITY, refuse_without_weights, write_file

    refuse_without_weights(options.weights)
    path: Path = options.weights / ORIGINALITY
    base = NgramIndex.read(path) if options.add else None
    with progress_bar("Reading the songs") as heard:
        corpus = read_corpus(*options.corpus, progress=heard)
    with progress_bar("Indexing their word runs") as heard:
        index = index_corpus(corpus, base=base, progress=heard)
    data = index.to_bytes()
    write_file(path, data)
    if options.json:
        print_json(
            {
                "index": str(path),
                "bytes": len(data),
                "words": index.n,
                "false_positive_rate": index.false_positive_rate,
            }
        )
        return 0
    print(
        f"{path}: {len(data) / 1e6:.1f} MB. Runs of {index.n} words and more are found; of other "
        f"{index.n} words in a row, {index.false_positive_rate:.2%} are taken for read ones."
    )
    return 0
