"""The command line: `python -m model train`, `evaluate`, `generate` and the others.

Results go to standard output (one JSON object each with --json), everything else to standard
error. A wrong input ends in one line and exit status 2: this is the one place that says so.
One file a command; `command.py` holds what they share.
"""

import argparse
import sys
from collections.abc import Sequence

from model.cli.bench import add_bench
from model.cli.command import STATUS_INTERRUPTED, STATUS_WRONG_INPUT
from model.cli.evaluate import add_evaluate
from model.cli.generate import add_generate
from model.cli.index import add_index
from model.cli.inspect import add_inspect
from model.cli.prepare import add_prepare
from model.cli.retrain import add_retrain
from model.cli.score import add_score
from model.cli.train import add_train
from model.errors import ModelError


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except ModelError as error:
        print(f"ghostwriter: {error}", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; a message about it would only disturb
        return 0
    except KeyboardInterrupt:
        print("ghostwriter: interrupted.", file=sys.stderr)
        return STATUS_INTERRUPTED
    except MemoryError:
        print("ghostwriter: there is not enough memory; use smaller sizes.", file=sys.stderr)
    return STATUS_WRONG_INPUT


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options, defaults and examples."""
    parser = argparse.ArgumentParser(
        prog="python -m model", description="Train a lyric model, and write with it."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        add_prepare,
        add_train,
        add_evaluate,
        add_score,
        add_generate,
        add_retrain,
        add_index,
        add_inspect,
        add_bench,
    ):
        add(commands)
    return parser
