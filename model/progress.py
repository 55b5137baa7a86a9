"""Showing how a training goes: a bar, samples, metrics.jsonl and a picture of the loss.

Everything a person watches goes to standard error; the folder keeps what they come back to.
"""

import io
import json
import math
import statistics
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from model.lyric_model import LyricModel
from model.training import Listener, Step, Validation
from model.weights import Weights, write_file
from model.wish import Wish

METRICS = "metrics.jsonl"
PICTURE = "loss.png"
STEPS_PER_RECORD = 20  # training steps that one line of metrics.jsonl tells of
SECONDS_PER_LINE = 15  # between lines of progress where there is no terminal to draw a bar on
SAMPLE_LINES = 6


class ProgressView(Listener):
    """A listener that shows a run on `console` and records it in `folder`."""

    def __init__(self, folder: Path, console: Console, *, resumed_at: int | None) -> None:
        """resumed_at: the step a resumed run goes on from; records after it are dropped."""
        self._folder = folder
        self._console = console
        self._records = _kept_records(folder / METRICS, resumed_at)
        self._recent: list[float] = []
        self._line_printed = 0.0  # seconds of the run
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]:.2f}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn(
                "loss {task.fields[loss]:.3f}  perplexity {task.fields[perplexity]:.1f}  "
                "{task.fields[speed]:,.0f} tokens/s"
            ),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=1.0, epoch=0, loss=0, perplexity=0, speed=0)

    def __enter__(self) -> "ProgressView":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._write()

    def stepped(self, step: Step) -> None:
        self._recent.append(step.nats_per_token)
        loss = statistics.fmean(self._recent[-STEPS_PER_RECORD:])
        self._bar.update(
            self._task,
            completed=step.share,
            epoch=step.epoch,
            loss=loss,
            perplexity=math.exp(min(loss, 50)),
            speed=step.tokens_per_second,
        )
        if not self._console.is_terminal and step.seconds > self._line_printed + SECONDS_PER_LINE:
            self._line_printed = step.seconds
            self._console.print(
                f"{step.share:4.0%}  step {step.number}: loss {loss:.3f}, "
                f"{step.tokens_per_second:,.0f} tokens/s, "
                f"{step.seconds * (1 - step.share) / step.share / 60:.0f} minutes left",
                highlight=False,
                soft_wrap=True,
            )
        if step.number % STEPS_PER_RECORD == 0:
            self._recent.clear()
            self._records.append(
                {
                    "step": step.number,
                    "epoch": round(step.epoch, 4),
                    "seconds": round(step.seconds, 1),
                    "nats_per_token": round(loss, 4),
                    "learning_rate": step.learning_rate,
                    "gradient_norm": round(step.gradient_norm, 4),
                    "tokens_per_second": round(step.tokens_per_second),
                }
            )

    def validated(self, validation: Validation, weights: Weights) -> None:
        evaluation = validation.evaluation
        wish = Wish(lines=SAMPLE_LINES, best_of=1)
        sample = LyricModel(weights, "sample").write(wish, validation.step).text
        self._records.append(
            {
                "step": validation.step,
                "validation_nats_per_token": round(evaluation.nats_per_token, 4),
                "validation_bits_per_character": round(evaluation.bits_per_character, 4),
                "best": validation.best,
                "sample": sample,
            }
        )
        self._console.print(
            f"[bold]{validation.share:4.0%}  step {validation.step}:[/bold] validation "
            f"{evaluation.bits_per_character:.3f} bits per character, "
            f"perplexity {evaluation.perplexity:.2f}{'  (best so far)' * validation.best}",
            highlight=False,
            soft_wrap=True,
        )
        for line in sample.split("\n"):
            self._console.print(f"    [dim]{escape(line)}[/dim]", highlight=False, soft_wrap=True)
        self._write()

    def _write(self) -> None:
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self._records)
        write_file(self._folder / METRICS, lines.encode())
        draw_loss(self._records, self._folder / PICTURE)


def _kept_records(path: Path, resumed_at: int | None) -> list[dict[str, Any]]:
    if resumed_at is None or not path.is_file():
        return []
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [record for record in records if record["step"] <= resumed_at]


def draw_loss(records: list[dict[str, Any]], path: Path) -> None:
    """A picture of the training loss and of the validation over the steps, both in nats/token."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for key, label, style in (
        ("nats_per_token", "training (with dropout)", "-"),
        ("validation_nats_per_token", "validation", "o-"),
    ):
        points = [(record["step"], record[key]) for record in records if key in record]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label, linewidth=1.2, markersize=4)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend()
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    write_file(path, png.getvalue())
