"""How things are measured: two sides in turns, round by round, so that noise meets both alike."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any


@dataclass(frozen=True)
class Timings:
    """Seconds for each of the two sides in every round."""

    ours: list[float]
    theirs: list[float]

    @property
    def speedup(self) -> float:
        """How many times faster ours is: the median of the rounds' own ratios."""
        return median(t / o for o, t in zip(self.ours, self.theirs, strict=True))

    @property
    def slowdown(self) -> float:
        return 1 / self.speedup


def seconds(run: Callable[[], object], repeats: int = 1) -> float:
    """Time one call of `run`, the freeing of what it built included, with the collector on."""
    gc.collect()
    start = perf_counter()
    for _ in range(repeats):
        run()
    return (perf_counter() - start) / repeats


def alternate(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    in_a_row: int = 5,
    min_seconds: float = 0.03,
) -> Timings:
    """Time both sides in every round, each for at least about `min_seconds`, after one warm-up.

    And for so many runs in a row, as in a training loop: what a run leaves to Python's garbage
    collector then counts as its own.
    """
    repeats = [max(in_a_row, round(min_seconds / seconds(side))) for side in (ours, theirs)]
    timings = Timings([], [])
    for _ in range(rounds):
        timings.ours.append(seconds(ours, repeats[0]))
        timings.theirs.append(seconds(theirs, repeats[1]))
    return timings


def bytes_per_product(value: Callable[[float], Any], count: int = 100_000) -> float:
    """Return the memory that one `a * b` of Values keeps, the float that it holds included."""
    a, b = value(1.5), value(2.5)
    kept: list[object] = [None] * count
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(count):
        kept[i] = a * b
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / count


def start_up(statement: str) -> Callable[[], None]:
    """Return a run of `python -c statement`: without site-packages or the environment's options."""
    command = [sys.executable, "-S", "-E", "-c", statement]

    def run() -> None:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    return run
