"""What the commands share: their form, the screen, results as JSON, and what is refused."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from model.errors import TrainingError

STATUS_WRONG_INPUT = 2
STATUS_INTERRUPTED = 130
DEFAULT_WEIGHTS = Path("weights/default")
SCREEN = Console(stderr=True)


class HelpWithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Tells defaults, but not that there is none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, []) else super()._get_help_string(action)


def add_command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A command with its help and one example; `run` gives the exit status."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:  python -m model {name} {example}",
        formatter_class=HelpWithDefaults,
    )
    command.set_defaults(run=run)
    return command


Told = Callable[[float, float], None]  # takes what is done, and of how much


@contextmanager
def progress_bar(text: str) -> Iterator[Told]:
    """A bar on the screen, gone at the end."""
    with progress_bars(text) as (told,):
        yield told


@contextmanager
def progress_bars(*texts: str) -> Iterator[list[Told]]:
    """One bar a text, on the screen until the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=SCREEN, transient=True) as bars:

        def told(task: TaskID) -> Told:
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield [told(bars.add_task(text, total=None)) for text in texts]


def print_json(result: dict[str, Any]) -> None:
    """One result, on one line of standard output."""
    print(json.dumps(result, ensure_ascii=False), flush=True)


def refuse_to_replace(folder: Path, *, overwrite: bool) -> None:
    """Raises TrainingError when a model would be lost that nobody said could be."""
    from model.weights import TENSORS

    if (folder / TENSORS).exists() and not overwrite:
        raise TrainingError(
            f"{folder} holds a model already: --overwrite replaces it (and `train --resume` "
            "goes on with it)."
        )
