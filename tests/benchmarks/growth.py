"""How times grow with size: `python3 -m tests.benchmarks.growth [--most OPS] [--plot FILE]`.

It takes random programs of 100 ops and more, each ten times as long as the one before, and fits a
power of the size to each time: an exponent of 1 is linear. Beyond 100,000 ops gcc takes minutes for
a program in a straight line, and the trace takes gigabytes: say `--most 1000000` for that.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import scalargrad
from scalargrad import Value, value_and_grad
from scalargrad.optim import curve_fit
from tests.benchmarks.others.plot import Panel, log_plot
from tests.benchmarks.others.scalar_program import draw, point

Times = list[tuple[float, float]]  # size and seconds of processor time


def best(run: Callable[[], Any], rounds: int) -> float:
    """Return the least time of so many calls."""
    times = []
    for _ in range(rounds):
        start = process_time()
        run()
        times.append(process_time() - start)
    return min(times)


TARGETS = {"python": "Python", "c": "C"}


def measured(ops: int, targets: Iterable[str] = TARGETS) -> Iterator[tuple[str, float]]:
    """Give the name and the time of each thing that is done with a program of this size."""
    namespace: dict[str, Any] = dict(vars(scalargrad))
    exec(draw(ops).text("{op}({x})"), namespace)
    program, numbers = namespace["program"], point()
    rounds = max(1, min(100, 200_000 // ops))
    leaves = list(map(Value, numbers))
    graph = program(leaves)
    yield "eager forward", best(lambda: program(leaves), rounds)
    yield "eager backward", best(graph.backward, rounds)
    for target in targets:
        function = scalargrad.compile(value_and_grad(program), target=target)
        yield f"compile, {TARGETS[target]}", best(partial(function, numbers), 1)
        yield f"call, {TARGETS[target]}", best(partial(function, numbers), rounds)


def exponent(times: Times) -> float:
    """Return the exponent b for which seconds are nearest to a * size**b, in logarithms.

    >>> round(exponent([(100, 1e-3), (1000, 2e-2), (10000, 4e-1)]), 3)
    1.301
    """
    sizes, seconds = zip(*[map(math.log, pair) for pair in times], strict=True)
    (_, b), _ = curve_fit(lambda x, a, b: a + b * x, sizes, seconds, p0=[0.0, 1.0])
    return float(b)


def grown(sizes: Sequence[int]) -> dict[str, Times]:
    """Return the times of each thing at all these sizes."""
    found: dict[str, Times] = {}
    for size in sizes:
        for name, seconds in measured(size):
            found.setdefault(name, []).append((size, seconds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.benchmarks.growth", description=__doc__)
    parser.add_argument("--most", type=int, default=100_000, metavar="OPS")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an SVG picture")
    arguments = parser.parse_args()
    found = grown([10**k for k in range(2, len(str(arguments.most)))])
    for name, times in found.items():
        listed = ", ".join(f"{seconds / size * 1e6:.2f}" for size, seconds in times)
        print(f"{name}: exponent {exponent(times):.2f}; µs an op: {listed}")
    if arguments.plot:
        svg = log_plot([Panel("scalargrad", found)], "times by size")
        arguments.plot.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
