"""The arguments that the commands share: an expression, and values for its names."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from scalargrad.commands.expressions import (
    CONSTANTS,
    Expression,
    ExpressionError,
    UsageError,
    parse_number,
)
from scalargrad.view.showing import ShownPage

_OPTION = re.compile(r"--[a-z][a-z-]+(=.*)?|-[a-z]")
_VALUE = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)(.*)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A parser of arguments, among which expressions may begin with a minus sign."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"python -m scalargrad {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("expression", help='such as "x*y + sin(x)"')

    def add_values(self) -> None:
        """Add values for the names in the expression."""
        self.add_argument(
            "values", nargs="*", metavar="name=number", help="such as x=2 y=-1e-3 z=pi/2"
        )

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the arguments. Ends the process with status 2 if they are wrong."""
        known = {option for action in self._actions for option in action.option_strings}
        # A space before a word tells argparse that it is not an option.
        return self.parse_args(
            [
                f" {word}"
                if word.startswith("-")
                and word.split("=")[0] not in known
                and not (word.startswith("--") and _OPTION.fullmatch(word))
                else word
                for word in argv
            ]
        )


def read(text: str) -> Expression:
    """Return the parsed expression. Raises UsageError if it has no name in it."""
    expression = Expression(text)
    if not expression.names:
        raise UsageError(
            f"the expression has no names, it is the number {expression()!r}: "
            "write one with a name, such as x"
        )
    return expression


def read_with_values(text: str, words: Sequence[str]) -> tuple[Expression, list[float]]:
    """Return the expression, and a number for each of its names, in order."""
    expression = read(text)
    values: dict[str, float] = {}
    for word in words:
        match = _VALUE.fullmatch(word)
        if match is None:
            raise UsageError(f"values are given as x=2, not as {word.strip()!r}")
        name = match[1]
        if name in CONSTANTS:
            raise UsageError(f"{name} is the constant {CONSTANTS[name]:.6g}: choose another name")
        if name in values:
            raise UsageError(f"{name} is given twice")
        values[name] = parse_number(match[2])
    expression.check_names(values)
    return expression, [values[name] for name in expression.names]


def opened(page: ShownPage) -> None:
    """Print where the page is that was opened. Raises UsageError if there is no browser."""
    if not page.opened:
        raise UsageError(f"no browser was found: open {page.file} yourself")
    print(f"opened {page.file}")


def run(command: Callable[[], None]) -> int:
    """Run a command and return its exit status. Errors are printed without a traceback."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
        sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        command()
    except (ExpressionError, UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenPipeError:
        raise  # nobody reads on: see __main__
    except OSError as error:
        print(
            f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "),
            file=sys.stderr,
        )
    except (ArithmeticError, ValueError) as error:
        line = " ".join(str(error).split())
        print(f"error: {type(error).__name__}: {line}", file=sys.stderr)
    else:
        return 0
    return 2
