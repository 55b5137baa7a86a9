"""`python -m model generate`: lyrics from a model."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from rich.markup import escape

from model.cli.command import DEFAULT_WEIGHTS, SCREEN, add_command, print_json
from model.errors import RequestError
from model.wish import OPTIONS, Wish, option_name


def add_generate(commands: Any) -> None:
    command = add_command(
        commands,
        "generate",
        "Write lyrics.",
        '--seed "rain on the road" --genre country --rhyme ABAB --structure verse-chorus-verse',
        _generate,
    )
    add = command.add_argument
    add("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    for name, option in OPTIONS.items():
        _add_wish_option(command, name, option.default, option.metadata)
    add("--random-seed", type=int, help="same number, same lyric; lyric k takes this plus k")
    add("--count", type=int, default=1, help="how many lyrics")
    add("--code", help="write the lyric of this code again; other options are not used")
    add("--json", action="store_true", help="print one JSON object a lyric")


def _add_wish_option(command: argparse.ArgumentParser, name: str, default: Any, more: Any) -> None:
    flag = f"--{option_name(name)}"
    if isinstance(default, bool):
        command.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=default, help=more["help"]
        )
        return
    command.add_argument(
        flag,
        type=str if default is None else type(default),
        default=default,
        metavar=name.upper() if default is None else "N",
        help=f"{more['help']} Such as {flag} {shlex.quote(more['example'])}.",
    )


def _generate(options: argparse.Namespace) -> int:
    from model.lyric_model import load

    if options.count < 1:
        raise RequestError("Count must be at least 1.")
    model = load(options.weights)
    if options.code:
        lyrics = iter([model.regenerate(options.code)])
    else:
        wish = Wish(**{name: getattr(options, name) for name in OPTIONS})
        lyrics = model.write_many(wish, options.count, options.random_seed)
    for k, lyric in enumerate(lyrics):
        if options.json:
            print_json(lyric.to_dict())
            continue
        print(("\n---\n" if k else "") + lyric.text, flush=True)
        for note in lyric.notes:
            SCREEN.print(f"[yellow]{escape(note)}[/yellow]", highlight=False, soft_wrap=True)
        run = "" if lyric.longest_run is None else f"longest verbatim run {lyric.longest_run} words"
        SCREEN.print(f"[dim]code {lyric.code}  {run}[/dim]", highlight=False, soft_wrap=True)
    return 0
