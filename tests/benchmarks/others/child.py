"""One tool on one problem, in a process of its own: `python -m tests.benchmarks.others.child`.

It takes the tool's and the problem's names, the seconds to spend on each measurement and the
processor's seconds that a stage may take, and prints a line of JSON for each thing measured, at
once: what is out counts if it is then stopped.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from importlib.metadata import version
from time import process_time
from typing import Any

from tests.benchmarks.measure import seconds
from tests.benchmarks.others.problems import PROBLEMS, Problem
from tests.benchmarks.others.tools import TOOLS, Maker, Run, Tool

# Of the largest derivative, or of the value itself.
TOLERANCE = 1e-9


def main(tool_name: str, problem_name: str, budget: float, limit: float) -> None:
    tool = TOOLS[tool_name]
    report(yardstick=yardstick())
    if tool.package:
        report(version=version(tool.package))
    problem = PROBLEMS[problem_name]()
    reference = problem.reference()
    maker = tool.maker()
    value, result, took = prepared(maker, problem, False, limit)
    check(tool, result, reference[:1])
    report(value=fastest(value, budget))
    if tool_name != "floats":
        step, result, took = prepared(maker, problem, True, limit)
        if tool.compiles:
            report(compile=took)
        check(tool, result, reference)
        report(step=fastest(step, budget))
    report(yardstick=yardstick())


def prepared(
    maker: Maker, problem: Problem, gradient: bool, limit: float
) -> tuple[Run, Any, float]:
    """Return a run, what its first call gives, and the processor's seconds until then."""
    limit_processor(limit)
    start = processor_time()
    try:
        run = maker.make(problem, gradient)
        result = run()
    except Exception:
        if processor_time() - start >= limit:  # its compiler was ended: so end likewise
            os.kill(os.getpid(), signal.SIGXCPU)
        raise
    return run, result, processor_time() - start


def processor_time() -> float:
    """Return the seconds that processors have worked for this process and for its compilers.

    Where others use the machine too, the time on the wall says more of them.
    """
    compilers = os.times()
    return process_time() + compilers.children_user + compilers.children_system


def limit_processor(limit: float) -> None:
    """Have the system end this process, or a compiler that it starts, after so many seconds."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (round(process_time() + limit), hard))


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
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
