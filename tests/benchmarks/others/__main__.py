"""`python3 -m tests.benchmarks.others [--quick] [--only casadi,jax] [--plot FILE]`.

It prints Markdown: what the same programs take in scalargrad and in other tools. Run it from the
root of a checkout. Each tool is installed into a throw-away virtual environment, in the version
that `from_index` names; what cannot be installed is said and left out. A full run takes about
twenty minutes and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.from_index import Unavailable, environment
from tests.benchmarks.others.child import TOLERANCE
from tests.benchmarks.others.plot import Panel, log_plot
from tests.benchmarks.others.problems import OPS, PROBLEMS, QUICK, SIZES
from tests.benchmarks.others.processes import Result, measured
from tests.benchmarks.others.tables import MEASURES, Results, faster, table
from tests.benchmarks.others.tools import TOOLS, Tool

PACKAGES = list(dict.fromkeys(tool.package for tool in TOOLS.values() if tool.package))
# So many seconds of a processor a compilation may take.
LIMIT, QUICK_LIMIT = 40.0, 15.0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.benchmarks.others",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="three problems, shorter limits")
    parser.add_argument("--only", type=_packages, default=PACKAGES, help=", ".join(PACKAGES))
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write time by size as an SVG")
    arguments = parser.parse_args()
    problems = QUICK if arguments.quick else tuple(PROBLEMS)
    limit = QUICK_LIMIT if arguments.quick else LIMIT
    with ExitStack() as stack:
        pythons, missing = _environments(stack, arguments.only)
        results = run(pythons, problems, limit, arguments.quick)
    print(report(results, problems, limit, missing))
    if arguments.plot:
        arguments.plot.write_text(plot(results, problems), encoding="utf-8")


def _packages(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PACKAGES:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PACKAGES)}")
    return names


def _environments(stack: ExitStack, packages: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return each package's Python, "" for ours, and what is to be said of those not installed."""
    pythons, missing = {"": sys.executable}, []
    for package in packages:
        print(f"installing {package} ...", file=sys.stderr)
        try:
            pythons[package] = str(stack.enter_context(environment(package)))
        except Unavailable as error:
            missing.append(str(error))
            print(error, file=sys.stderr)
    return pythons, missing


def run(
    pythons: dict[str, str], problems: Sequence[str], limit: float, quick: bool
) -> dict[tuple[str, str], Result]:
    """Measure all, the tools of a problem in a row: what is compared is measured within minutes."""
    results: dict[tuple[str, str], Result] = {}
    for problem in sorted(problems, key=OPS.__getitem__):
        for name, tool in TOOLS.items():
            if tool.package not in pythons or not _fits(name, tool, problem):
                continue
            if _over_limit(results, name, OPS[problem]):
                results[name, problem] = Result(note="not run")
                continue
            print(f"{problem}: {tool.label} ...", file=sys.stderr)
            result = measured(pythons[tool.package], name, problem, 0.2 if quick else 0.5, limit)
            results[name, problem] = result
            if result.note:
                print(f"  {result.note}", file=sys.stderr)
    return results


def _fits(name: str, tool: Tool, problem: str) -> bool:
    if name == "floats":
        return problem in SIZES
    return not (tool.on_arrays and problem in SIZES)


def _over_limit(results: Results, name: str, ops: int) -> bool:
    return any(
        result.note.startswith("over") and OPS[problem] < ops
        for (other, problem), result in results.items()
        if other == name
    )


def report(results: Results, problems: Sequence[str], limit: float, missing: Sequence[str]) -> str:
    """Return all that is known of the run as Markdown."""
    versions = {
        TOOLS[name].package: result.version
        for (name, _), result in results.items()
        if result.version
    }
    yardsticks = [seconds for result in results.values() for seconds in result.yardsticks]
    parts = [
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} on "
        f"{platform.machine()}; "
        + ", ".join(f"{package} {version}" for package, version in versions.items())
        + ".",
        "Each tool runs in a process of its own, with one thread. Times are the least "
        "of many; a ratio is to our C on the same problem, in bold where ours is slower. "
        f"All agree with the reference to {TOLERANCE:g} of the largest derivative. "
        f'"over {limit:g} s": a compilation was stopped then; "not run": it was at fewer ops. '
        f"The machine's noise: the same loop in plain Python took up to "
        f"{max(yardsticks) / min(yardsticks):.2f}x its least time.",
        *missing,
    ]
    for measure, title in MEASURES.items():
        parts += [f"**{title}**", table(results, measure, problems)]
        lines = faster(results, measure, problems)
        if lines:
            parts.append(
                "Faster than the fastest of ours:\n\n" + "\n".join(f"- {line}" for line in lines)
            )
    failures = [
        f"- {TOOLS[name].label}, {problem}: {result.note}"
        for (name, problem), result in results.items()
        if result.note.startswith("failed")
    ]
    if failures:
        parts.append("\n".join(failures))
    return "\n\n".join(parts)


def plot(results: Results, problems: Sequence[str]) -> str:
    """Return the SVG of a step's time and of the time to compile, by size."""
    panels = []
    for measure, title in (("step", "A step: value and gradient"), ("compile", "Compiling")):
        curves = {}
        for name, tool in TOOLS.items():
            curve = [
                (SIZES[problem], result.seconds[measure])
                for problem in problems
                if problem in SIZES
                and (result := results.get((name, problem)))
                and measure in result.seconds
            ]
            if curve:
                curves[tool.label] = curve
        panels.append(Panel(title, curves))
    return log_plot(panels, "Time by size of the program")


if __name__ == "__main__":
    main()
