"""`python -m model bench`: how fast this machine trains and writes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from model.cli.command import SCREEN, add_command, print_json

if TYPE_CHECKING:
    from model.bench import Benchmark


def add_bench(commands: Any) -> None:
    from model.bench import SECONDS

    command = add_command(
        commands,
        "bench",
        "Measure how fast this machine trains and writes, and where the time goes.",
        "--weights weights/default",
        _bench,
    )
    command.add_argument(
        "--weights", type=Path, help="folder of weights; without it, random ones of default sizes"
    )
    command.add_argument(
        "--seconds", type=float, default=SECONDS, help="for training; a half for each of the others"
    )
    command.add_argument(
        "--processes", type=int, default=0, help="processes that share the work; 0 for one a core"
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _bench(options: argparse.Namespace) -> int:
    from model.bench import bench
    from model.weights import load_weights

    weights = load_weights(options.weights) if options.weights else None
    with SCREEN.status("Starting") as status:
        result = bench(
            weights,
            options.seconds,
            options.processes,
            lambda what: status.update(f"Measuring: {what}"),
        )
    if options.json:
        print_json(result.to_dict())
        return 0
    console = Console(highlight=False)
    for table in tables(result):
        console.print(table)
    return 0


def tables(result: "Benchmark") -> list[Table]:
    """What a person reads: the rates, and the parts of a training step."""
    sizes = result.network
    rates = Table(
        title=f"{sizes.layers} x {sizes.hidden_size} {sizes.cell}, {sizes.parameter_count:,} "
        f"parameters; batch {result.batch} x {result.steps}, {result.processes} processes",
        title_justify="left",
        show_header=False,
    )
    rates.add_row("training", f"{result.train_tokens_per_second:,.0f} tokens/s")
    rates.add_row("large matrix products", f"{result.gemm_peak_gflops:,.0f} GFLOP/s")
    rates.add_row("share of it that training reaches", f"{result.gemm_peak_share:.0%}")
    for batch, rate in result.generate_tokens_per_second.items():
        rates.add_row(f"writing, {batch} at once", f"{rate:,.0f} tokens/s")
    parts = Table("part", title="One process's training step", title_justify="left")
    parts.add_column("time", justify="right")
    for part, share in result.step_shares.items():
        parts.add_row(part, f"{share:.1%}")
    return [rates, parts]
