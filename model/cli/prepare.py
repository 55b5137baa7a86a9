"""`python -m model prepare`: a corpus out of raw verse."""

import argparse
from pathlib import Path
from typing import Any

from model.cli.command import SCREEN, add_command


def add_prepare(commands: Any) -> None:
    command = add_command(
        commands,
        "prepare",
        "Make a corpus of rhyming, song-like passages from raw verse.",
        "poetry.ndjson.gz --out verse.txt",
        _prepare,
    )
    command.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="what to read")
    command.add_argument(
        "--leave-out",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="keep nothing that repeats this file, or the files of this folder (repeatable)",
    )
    command.add_argument("--out", type=Path, required=True, help="corpus file to write")


def _prepare(options: argparse.Namespace) -> int:
    from model.prepare import prepare

    report = prepare(options.sources, options.out, leave_out=options.leave_out)
    SCREEN.print(report.table())
    return 0
