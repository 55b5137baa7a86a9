"""`python -m model generate`: lyrics from a model."""

import argparse
from pathlib import Path
from typing import Any

from model.cli.command import DEFAULT_WEIGHTS, SCREEN, add_command, print_json
from model.errors import RequestError
from model.wish import DEFAULT_LINES, MAX_LINES, MAX_TEMPERATURE, MIN_LINES, SEED_CHARACTERS, Wish


def add_generate(commands: Any) -> None:
    command = add_command(
        commands,
        "generate",
        "Write lyrics.",
        '--seed "rain on the road" --genre country --lines 12',
        _generate,
    )
    add = command.add_argument
    add("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    add("--seed", help=f"opening words, at most {SEED_CHARACTERS} characters")
    add("--genre", help="one of the model's genres")
    add("--title", help="sets the topic")
    add("--lines", type=int, default=DEFAULT_LINES, help=f"{MIN_LINES} to {MAX_LINES} sung lines")
    add("--temperature", type=float, default=Wish.temperature, help=f"0 to {MAX_TEMPERATURE:g}")
    add("--top-p", type=float, default=Wish.top_p, help="share of probability sampled from")
    add("--random-seed", type=int, help="same number, same lyric; lyric k takes this plus k")
    add("--count", type=int, default=1, help="how many lyrics")
    add("--code", help="write the lyric of this code again; other options are not used")
    add("--json", action="store_true", help="print one JSON object a lyric")


def _generate(options: argparse.Namespace) -> int:
    from model.lyric_model import load

    if options.count < 1:
        raise RequestError("Count must be at least 1.")
    model = load(options.weights)
    wish = Wish(
        options.seed,
        options.genre,
        options.title,
        options.lines,
        options.temperature,
        options.top_p,
    )
    for k in range(1 if options.code else options.count):
        if options.code:
            lyric = model.regenerate(options.code)
        else:
            first = options.random_seed
            lyric = model.write(wish, None if first is None else first + k)
        if options.json:
            print_json(
                {
                    "text": lyric.text,
                    "code": lyric.code,
                    "model": lyric.model,
                    "random_seed": lyric.random_seed,
                }
            )
        else:
            print(("\n---\n" if k else "") + lyric.text, flush=True)
            SCREEN.print(f"[dim]code {lyric.code}[/dim]", highlight=False, soft_wrap=True)
    return 0
