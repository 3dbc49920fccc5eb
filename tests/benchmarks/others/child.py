"""One tool on one problem, in a process of its own: `python -m tests.benchmarks.others.child`.

It takes the tool's and the problem's names and the seconds to spend on each measurement, and
prints a line of JSON for each thing measured, at once: what is out counts if it is then stopped.
"""

from __future__ import annotations

import json
import math
import os
import sys
from importlib.metadata import version
from typing import Any

from tests.benchmarks.measure import seconds
from tests.benchmarks.others.problems import PROBLEMS
from tests.benchmarks.others.tools import TOOLS, Run, Tool

# Of the largest derivative, or of the value itself.
TOLERANCE = 1e-9


def main(tool_name: str, problem_name: str, budget: float) -> None:
    tool = TOOLS[tool_name]
    report(yardstick=yardstick())
    if tool.package:
        report(version=version(tool.package))
    problem = PROBLEMS[problem_name]()
    reference = problem.reference()
    maker = tool.maker()
    value = maker.make(problem, gradient=False)
    check(tool, value(), reference[:1])
    report(value=fastest(value, budget))
    if tool_name != "floats":
        start = processor_time()
        step = maker.make(problem, gradient=True)
        result = step()
        took = processor_time() - start
        if tool.compiles:
            report(compile=took)
        check(tool, result, reference)
        report(step=fastest(step, budget))
    report(yardstick=yardstick())


def processor_time() -> float:
    """Return the seconds that processors have worked for this process and for its compilers.

    Where others use the machine too, the time on the wall says more of them.
    """
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def report(**measured: Any) -> None:
    print(json.dumps(measured), flush=True)


def check(tool: Tool, result: Any, reference: list[float]) -> None:
    """Refuse to time what does not compute the same numbers."""
    numbers = flat(result)
    scale = max(map(abs, reference[1:]), default=0.0)
    for x, wanted in zip(numbers, reference, strict=True):
        if not math.isclose(x, wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE * scale):
            raise ArithmeticError(f"{tool.label} gives {x!r} where {wanted!r} is right")


def flat(result: Any) -> list[float]:
    """Return the numbers of a result: nested, in arrays or alone."""
    if hasattr(result, "tolist"):
        result = result.tolist()
    if isinstance(result, list | tuple):
        return [x for part in result for x in flat(part)]
    return [float(result)]


def fastest(run: Run, budget: float) -> float:
    """Return the seconds of a run: the least of several measurements, all within the budget."""
    once = seconds(run)
    repeats = max(1, round(budget / 20 / once))
    rounds = min(20, round(budget / (once * repeats)))
    return min([once, *(seconds(run, repeats) for _ in range(rounds))])


def yardstick() -> float:
    """Time a loop in plain Python: how fast the machine is at the moment."""

    def loop() -> float:
        total = 0.0
        for i in range(20_000):
            total += i * 0.5
        return total

    return min(seconds(loop) for _ in range(20))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
