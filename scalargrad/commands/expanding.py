"""`python -m scalargrad taylor`: the Taylor coefficients of an expression."""

from __future__ import annotations

from collections.abc import Sequence

from scalargrad.commands.arguments import Parser, read_with_values, run
from scalargrad.commands.expressions import UsageError
from scalargrad.view.languages.notation import show

_EPILOG = """examples:
  python -m scalargrad taylor "exp(sin(x))" x=0 --order 8
  python -m scalargrad taylor "1/(1 - x)" x=0.5 --order 20

Coefficient k is the k-th derivative at x, divided by k!: near x = a the expression is about
c0 + c1 (x - a) + c2 (x - a)**2 + ...
"""
_MOST = 1000


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = Parser("taylor", "Expand an expression of one name as a power series.", _EPILOG)
    parser.add_values()
    parser.add_argument(
        "--order", type=int, default=5, help="the highest power (default: %(default)s)"
    )
    options = parser.parse(argv)

    def command() -> None:
        if not 0 <= options.order <= _MOST:
            raise UsageError(f"the order must be from 0 to {_MOST}, not {options.order}")
        expression, numbers = read_with_values(options.expression, options.values)
        if len(numbers) != 1:
            raise UsageError(
                f"taylor takes an expression of one name, and this has {len(numbers)}: "
                f"{', '.join(expression.names)}; put numbers for the others"
            )
        from scalargrad import taylor

        [name], [at] = expression.names, numbers
        coefficients = taylor(expression, at, options.order)
        print(f"{expression.text} near {name} = {show(at)}\n")
        print(f"{'power':>5}  coefficient")
        for power, coefficient in enumerate(coefficients):
            print(f"{power:5}  {show(coefficient)}")

    return run(command)
