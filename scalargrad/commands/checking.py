"""`python -m scalargrad check`: test an engine and report, or the engines of a class."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0 if no property failed, 1 if one did, 2 for a wrong call."""
    parser = _parser()
    options = parser.parse_args(argv)
    if (options.engine is None) == (options.submissions is None):
        parser.error("give an engine, or --class FOLDER")
    # Hypothesis keeps what it found of Python's own modules in a folder: not in the user's.
    with tempfile.TemporaryDirectory(prefix="check-", ignore_cleanup_errors=True) as folder:
        before = os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", folder)
        try:
            # Only here: what is imported needs Hypothesis, which `check --help` does not.
            from scalargrad.testing.report import read_weights

            # Only now: a file hypothesis.py beside the engine is not what is meant above.
            if "" not in sys.path and os.getcwd() not in sys.path:
                sys.path.insert(0, os.getcwd())
            weights = None
            if options.weights is not None:
                weights = read_weights(Path(options.weights).read_text(encoding="utf-8"))
            if options.submissions is not None:
                return _grade_class(options, weights)
            return _check(options, weights)
        except BrokenPipeError:
            raise  # nobody reads on: see __main__
        except (ValueError, OSError, ModuleNotFoundError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        finally:
            if before == folder:
                del os.environ["HYPOTHESIS_STORAGE_DIRECTORY"]


def _check(options: argparse.Namespace, weights: dict[str, float] | None) -> int:
    from scalargrad.testing.process import Source
    from scalargrad.testing.suite import check_engine

    Source.parse(options.engine)
    settings = _settings(options)
    if options.format == "gradescope":
        from scalargrad.testing.classroom import graded

        settings["allow"] = settings["allow"] or ()
        settings["only"] = settings["only"] or (graded(weights) if weights else ())
    with _Progress() as progress:
        report = check_engine(options.engine, progress=progress.show, **settings)
    written: dict[str, Callable[[], str]] = {
        "text": report.text,
        "json": report.json,
        "junit": report.junit,
        "gradescope": lambda: report.gradescope(weights),
    }
    print(written[options.format]())
    return 0 if report.passed else 1


def _grade_class(options: argparse.Namespace, weights: dict[str, float] | None) -> int:
    from scalargrad.testing.classroom import grade

    settings = _settings(options)
    settings["allow"] = settings["allow"] or ()
    settings["quick"] = True
    with _Progress() as progress:
        grades = grade(Path(options.submissions), weights, progress.show, **settings)
    if options.csv is not None:
        Path(options.csv).write_text(grades.csv(), encoding="utf-8")
    print(grades.text())
    return 130 if grades.interrupted else 0


class _Progress:
    """A line on a terminal that says what is being done, and goes away; elsewhere nothing."""

    def __enter__(self) -> _Progress:
        self.terminal = sys.stderr.isatty()
        return self

    def show(self, text: str) -> None:
        if self.terminal:
            print(f"\r\033[Kchecking {text}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that are `check_engine`'s own."""
    ours = ("engine", "format", "weights", "submissions", "csv")
    return {name: value for name, value in vars(options).items() if name not in ours}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


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
    names: dict[str, Any] = {"type": _names, "default": ()}
    parser.add_argument("engine", nargs="?", help="path/to/engine.py:Value or package.module:Value")
    parser.add_argument(
        "--only",
        default="",
        type=_names,
        metavar="NAMES",
        help="properties to test: reuse,'derivative-*'",
    )
    parser.add_argument(
        "--require", **names, metavar="OPS", help="ops that must be there: exp,tanh"
    )
    parser.add_argument("--format", choices=("text", "json", "junit", "gradescope"), default="text")
    parser.add_argument(
        "--weights", metavar="FILE", help="a TOML file with points under [weights], for grading"
    )
    parser.add_argument("--quick", action="store_true", help="2 s a program, 30 s in all")
    parser.add_argument("--seed", type=int, default=0, help="of the random graphs (0)")
    parser.add_argument("--examples", type=_count, default=300, help="how many of them (300)")
    parser.add_argument(
        "--memory", type=_count, default=2048, metavar="MB", help="the engine's memory (2048)"
    )
    parser.add_argument(
        "--taste",
        choices=("pytorch",),
        help="fail what is otherwise noted as a choice: slopes at kinks, log(-1), log(x + eps)",
    )
    parser.add_argument(
        "--allow",
        type=_names,
        metavar="PACKAGES",
        help="packages that may compute for the engine: numpy; none other may in a class",
    )
    using = parser.add_argument_group("how the engine is used, where it is not found by trying")
    using.add_argument(
        "--leaf", metavar="CODE", help="how a leaf is made: 'Variable(np.array({}))'"
    )
    using.add_argument("--data", metavar="NAME", help="the attribute with the number")
    using.add_argument(
        "--gradient",
        metavar="NAME",
        help="the attribute with the gradient, or '{0}.grad({1})' of an output by a leaf",
    )
    using.add_argument("--backward", metavar="NAME", help="the pass: a method, or 'backward({})'")
    using.add_argument(
        "--forward", metavar="NAME", help="the method that computes a graph's numbers"
    )
    using.add_argument(
        "--stub",
        default="",
        type=_names,
        metavar="PACKAGES",
        help="packages to do without: graphviz,torch",
    )
    grading = parser.add_argument_group("grading a class")
    grading.add_argument(
        "--class", dest="submissions", metavar="FOLDER", help="a folder of files or of folders"
    )
    grading.add_argument("--csv", metavar="FILE", help="where to write the points: grades.csv")
    return parser
