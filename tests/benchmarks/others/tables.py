"""The results as Markdown: a table for each measure, and where another tool is faster than ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.others.processes import Result
from tests.benchmarks.others.tools import OURS, TOOLS

Results = Mapping[tuple[str, str], Result]  # by tool and problem

MEASURES = {
    "step": "A step: the value and its gradient",
    "value": "A call: the value alone",
    "compile": "Until the first step is done (tracing, compiling, one step): the processor's time",
}
BASE = "c"


def table(results: Results, measure: str, problems: Sequence[str]) -> str:
    """Return a row for each tool. A ratio is to our C on the same problem; below 1 is bold."""
    lines = [
        ["", *problems],
        ["---"] * (len(problems) + 1),
    ]
    for name, tool in TOOLS.items():
        if measure == "compile" and not tool.compiles:
            continue
        cells = [_cell(results, name, problem, measure) for problem in problems]
        if any(cells):
            lines.append([tool.label, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(results: Results, name: str, problem: str, measure: str) -> str:
    result = results.get((name, problem))
    if result is None:
        return ""
    if measure not in result.seconds:
        return result.note.split(":")[0]
    shown = duration(result.seconds[measure])
    ratio = _ratio(results, name, problem, measure)
    if ratio is None or name == BASE:
        return shown
    text = f"{shown} ({factor(ratio)})"
    return f"**{text}**" if ratio < 1 else text


def _ratio(results: Results, name: str, problem: str, measure: str) -> float | None:
    base = results.get((BASE, problem), Result()).seconds.get(measure)
    mine = results.get((name, problem), Result()).seconds.get(measure)
    return None if base is None or mine is None else mine / base


def faster(results: Results, measure: str, problems: Sequence[str]) -> list[str]:
    """Return the tools that beat the best of ours, a line for each problem."""
    lines = []
    for problem in problems:
        ours = [results.get((name, problem), Result()).seconds.get(measure) for name in OURS]
        best = min((s for s in ours if s is not None), default=None)
        if best is None:
            continue
        beaten = [
            f"{tool.label} {factor(best / seconds)}"
            for name, tool in TOOLS.items()
            if name not in OURS
            and (seconds := results.get((name, problem), Result()).seconds.get(measure)) is not None
            and seconds < best
        ]
        if beaten:
            lines.append(f"{problem}: {', '.join(beaten)}")
    return lines


def duration(seconds: float) -> str:
    """Return so many seconds with two digits, in the unit that fits.

    >>> duration(0.0000123), duration(0.00456), duration(0.1), duration(61.0)
    ('12 µs', '4.6 ms', '100 ms', '61 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        # What two digits round up to 1,000 is 1 of the next unit.
        if seconds >= 0.995 * scale:
            return f"{_two_digits(seconds / scale)} {unit}"
    return f"{_two_digits(seconds * 1e6)} µs"


def factor(ratio: float) -> str:
    """Return a ratio with two digits.

    >>> factor(0.123), factor(1.5), factor(1234.5)
    ('0.12x', '1.5x', '1,200x')
    """
    return f"{_two_digits(ratio)}x"


def _two_digits(x: float) -> str:
    rounded = float(f"{x:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
