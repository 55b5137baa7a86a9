"""The bot's engine under load: the event loop's lag, fair turns, and memory.

    python -m benchmarks.engine_load [--weights DIR] [--lyrics N] [--json]

Lag: how late a sleep of ten milliseconds ends while 64 lyrics are being written, 99th percentile.
Fair turns: one server asks for 200 lyrics, then another for a single one; how many of the first
one's were finished before that one had its first line, and before it was finished itself. Memory:
the largest so far, after each tenth of many short lyrics.
"""

import argparse
import asyncio
import json
import resource
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import model
from bot.engine import Engine
from model import Wish

TICK_SECONDS = 0.01
AT_ONCE = 64
QUEUED = 200


async def lag(engine: Engine) -> dict[str, float]:
    """Milliseconds by which a tick of the event loop is late while lyrics are being written."""
    writing = asyncio.gather(
        *(engine.write(f"guild:{n}", Wish(best_of=1), n) for n in range(AT_ONCE))
    )
    late = []
    while not writing.done():
        began = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        late.append(1000 * (time.perf_counter() - began - TICK_SECONDS))
    await writing
    return {
        "ticks": len(late),
        "p50_ms": float(np.percentile(late, 50)),
        "p99_ms": float(np.percentile(late, 99)),
        "most_ms": max(late),
    }


async def fairness(engine: Engine) -> dict[str, int]:
    """What another server's single request waits for behind 200 of one server."""
    wish = Wish(lines=8, best_of=1)
    many = [asyncio.ensure_future(engine.write("guild:1", wish, n)) for n in range(QUEUED)]
    await asyncio.sleep(1)
    before = sum(task.done() for task in many)
    finished = []
    with engine.begin("guild:2", wish, 1) as writing:
        async for _ in writing:
            finished.append(sum(task.done() for task in many) - before)
    await asyncio.gather(*many)
    return {
        "finished_before_its_first_line": finished[0],
        "finished_before_it": finished[-1],
        "batch": AT_ONCE,
    }


async def memory(engine: Engine, lyrics: int) -> list[float]:
    """Largest resident memory in MB after each tenth of the lyrics."""
    found = []
    for part in range(10):
        wish = Wish(lines=4, best_of=1, rhyme="AABB")
        first = part * lyrics
        await asyncio.gather(
            *(engine.write(f"guild:{n % 40}", wish, first + n) for n in range(lyrics // 10))
        )
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


async def measure(weights: Path, lyrics: int) -> dict[str, Any]:
    """All figures."""
    engine = Engine(
        partial(model.load, weights), stamp=lambda: 0, queue_size=10_000, writing_seconds=600
    )
    await engine.start()
    try:
        return {
            "lag": await lag(engine),
            "fairness": await fairness(engine),
            "memory_mb": await memory(engine, lyrics),
        }
    finally:
        await engine.close()


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--weights", type=Path, default=Path("weights/default"))
    parser.add_argument("--lyrics", type=int, default=5000, help="short ones, for the memory")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    result = asyncio.run(measure(options.weights, options.lyrics))
    if options.json:
        print(json.dumps(result))
        return
    for name, figures in result.items():
        Console().print(name, figures)


if __name__ == "__main__":
    main()
