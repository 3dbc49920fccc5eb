"""The command `python -m scalargrad check`: test an engine and report."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scalargrad.testing.process import Source
from scalargrad.testing.report import read_weights
from scalargrad.testing.suite import check_engine


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0 if no property failed, 1 if one did, 2 for a wrong call."""
    options = _parser().parse_args(argv)
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    terminal = sys.stderr.isatty()

    def progress(name: str) -> None:
        start, end = ("\r\033[K", "") if terminal else ("", "\n")
        print(f"{start}checking {name}", end=end, file=sys.stderr, flush=True)

    try:
        weights = None
        if options.weights is not None:
            weights = read_weights(Path(options.weights).read_text(encoding="utf-8"))
        Source.parse(options.engine)
        report = check_engine(
            options.engine,
            only=_names(options.only),
            require=_names(options.require),
            progress=progress,
            seed=options.seed,
            examples=options.examples,
            quick=options.quick,
            memory=options.memory,
            data=options.data,
            gradient=options.gradient,
            backward=options.backward,
            forward=options.forward,
        )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    written: dict[str, Callable[[], str]] = {
        "text": report.text,
        "json": report.json,
        "junit": report.junit,
        "gradescope": lambda: report.gradescope(weights),
    }
    print(written[options.format]())
    return 0 if report.passed else 1


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _count(text: str) -> int:
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{n} is less than 1")
    return n


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scalargrad check",
        description="Test a scalar autodiff engine: a verdict on each property, and for each that "
        "fails a few lines of the engine's own code that show it.",
        epilog="The engine runs in a child process with limits of time and memory. That contains "
        "accidents; it is no sandbox. Exit status: 0 nothing failed, 1 something did, 2 usage.",
    )
    parser.add_argument("engine", help="path/to/engine.py:Value or package.module:Value")
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="properties to test: reuse,'derivative-*'"
    )
    parser.add_argument(
        "--require", default="", metavar="OPS", help="ops that must be there: exp,tanh"
    )
    parser.add_argument("--format", choices=("text", "json", "junit", "gradescope"), default="text")
    parser.add_argument(
        "--weights", metavar="FILE", help="a TOML file with points under [weights], for gradescope"
    )
    parser.add_argument("--quick", action="store_true", help="2 s a property, 30 s in all")
    parser.add_argument("--seed", type=int, default=0, help="of the random graphs (0)")
    parser.add_argument("--examples", type=_count, default=300, help="how many of them (300)")
    parser.add_argument(
        "--memory", type=_count, default=2048, metavar="MB", help="the engine's memory (2048)"
    )
    parser.add_argument("--data", metavar="NAME", help="the attribute with the number")
    parser.add_argument("--gradient", metavar="NAME", help="the attribute with the gradient")
    parser.add_argument("--backward", metavar="NAME", help="the method of the backward pass")
    parser.add_argument(
        "--forward", metavar="NAME", help="the method that computes a graph's numbers"
    )
    return parser
