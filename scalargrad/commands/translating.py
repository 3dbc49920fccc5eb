"""`python -m scalargrad compile`: an expression and its gradient as a program."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from scalargrad.commands.arguments import Parser, read, run
from scalargrad.commands.expressions import Expression, UsageError

_EPILOG = """examples:
  python -m scalargrad compile "x*y + sin(x)"
  python -m scalargrad compile "x*y + sin(x)" --to c
  python -m scalargrad compile "x*y + sin(x)" --to javascript
  python -m scalargrad compile "x*y + sin(x)" --to latex

The program returns the value and the derivatives by each name, in the order of the names.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = Parser("compile", "Write an expression and its gradient as a program.", _EPILOG)
    parser.add_argument(
        "--to",
        choices=["python", "c", "javascript", "latex"],
        default="python",
        help="the language (default: %(default)s)",
    )
    options = parser.parse(argv)

    def command() -> None:
        expression = read(options.expression)
        print(_program(expression, options.to).rstrip())

    return run(command)


def _program(expression: Expression, language: str) -> str:
    # Any numbers will do: an expression does not branch, so only their kind matters.
    numbers = [1.0] * len(expression.names)
    if language == "latex":
        from scalargrad.view.formulas import formula

        return formula(expression, *numbers).latex
    if language == "javascript":
        from scalargrad.view.languages.javascript import javascript_function
        from scalargrad.view.lowering import code_with_gradient

        code, _ = code_with_gradient(expression, numbers, expression.names)
        return javascript_function("f", expression.names, code)
    return _source(expression, language)


def _source(expression: Expression, language: str) -> str:
    from scalargrad.programs.run.compiled import compile
    from scalargrad.transforms.functional import value_and_grad

    both = value_and_grad(expression, argnums=tuple(range(len(expression.names))))
    options: dict[str, Any] = {} if language == "python" else {"target": language}
    try:
        program: Any = compile(both, **options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"there is no program in {language} here: {error}") from None
    # The first call writes the program, even if it fails at these numbers.
    with suppress(ArithmeticError, ValueError):
        program(*[1.0] * len(expression.names))
    source: str = program.source
    return source
