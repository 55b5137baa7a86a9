"""Two programs timed in turn, so that what else the machine does falls on both.

Each side lives in a process of its own and is blocked in a read except while it is asked to run a
round; what it uses of the processor meanwhile is measured too. The sides change places from round
to round. What is reported is the median of the ratios of paired rounds.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

IDLE_SHARE = 0.02  # of one core: a side that uses more while it waits disturbs the other
SCREEN = Console(stderr=True, highlight=False)

# What makes a side ready and then runs one round at each call, in tokens a second; beside it,
# what the side says of itself.
Ready = AbstractContextManager[tuple[dict[str, Any], Callable[[], float]]]


class Side:
    """One side, in a process that ends with the block."""

    def __init__(self, make: Callable[..., Ready], *arguments: Any) -> None:
        """make: a function of a module, as the process has to find it by name."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()
        self.about: dict[str, Any] = self._pipe.recv()
        self._waited = self._used = 0.0

    def run(self) -> float:
        """One round; tokens per second."""
        self._pipe.send("run")
        rate, waited, used = self._pipe.recv()
        self._waited += waited
        self._used += used
        return float(rate)

    @property
    def idle_share(self) -> float:
        """Share of one core that was used while the other side ran."""
        return self._used / self._waited

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join()


@dataclass
class Comparison:
    """Tokens per second of each round, and what the sides said of themselves."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    about_ours: dict[str, Any] = field(default_factory=dict)
    about_theirs: dict[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """Ours over theirs, round by round."""
        return [a / b for a, b in zip(self.ours, self.theirs, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ours": {"rounds": [round(rate) for rate in self.ours], **self.about_ours},
            "pytorch": {"rounds": [round(rate) for rate in self.theirs], **self.about_theirs},
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "median_ratio": round(statistics.median(self.ratios), 3),
        }

    def table(self, title: str) -> Table:
        """Round by round, the medians last."""
        table = Table(title=title, title_justify="left")
        for name in ("round", "ours, tokens/s", "PyTorch, tokens/s", "ratio"):
            table.add_column(name, justify="right")
        columns = (self.ours, self.theirs, self.ratios)
        for number, (ours, theirs, ratio) in enumerate(zip(*columns, strict=True), start=1):
            table.add_row(str(number), f"{ours:,.0f}", f"{theirs:,.0f}", f"{ratio:.2f}")
        table.add_section()
        ours, theirs, ratio = (statistics.median(column) for column in columns)
        table.add_row("median", f"{ours:,.0f}", f"{theirs:,.0f}", f"[bold]{ratio:.2f}[/bold]")
        return table


def compare(
    ours: Callable[..., Ready], theirs: Callable[..., Ready], *arguments: Any, rounds: int
) -> Comparison:
    """Make both sides ready, then let them run in turn."""
    result = Comparison()
    with (
        SCREEN.status("Making both sides ready") as status,
        Side(ours, *arguments) as first,
        Side(theirs, *arguments) as second,
    ):
        for number in range(rounds):
            status.update(f"Round {number + 1} of {rounds}")
            if number % 2:
                result.theirs.append(second.run())
                result.ours.append(first.run())
            else:
                result.ours.append(first.run())
                result.theirs.append(second.run())
        for side, about in ((first, result.about_ours), (second, result.about_theirs)):
            about |= side.about | {"cpu_share_while_waiting": round(side.idle_share, 4)}
            if side.idle_share > IDLE_SHARE:
                SCREEN.print(
                    f"A side used {side.idle_share:.0%} of a core while it waited: "
                    "do not trust these figures."
                )
    return result


def tokens_per_second(tokens: int, work: Callable[[], object]) -> float:
    """How fast `work` goes through so many tokens."""
    began = time.perf_counter()
    work()
    return tokens / (time.perf_counter() - began)


def _serve(pipe: Connection, make: Callable[..., Ready], arguments: tuple[Any, ...]) -> None:
    """A side's life: a round whenever it is asked, until the pipe closes."""
    with make(*arguments) as (about, run):
        pipe.send(about)
        while True:
            used, began = _cpu_seconds(), time.perf_counter()
            try:
                pipe.recv()
            except EOFError:
                return
            waited = time.perf_counter() - began
            used = _cpu_seconds() - used
            pipe.send((run(), waited, used))


def _cpu_seconds() -> float:
    """Processor time of this process and, where the system tells (/proc), of those it started."""
    total = time.process_time()
    for child in multiprocessing.active_children():
        path = Path(f"/proc/{child.pid}/stat")
        if path.exists():
            fields = path.read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total
