"""`python -m scalargrad explain`: the chain rule at work on an expression."""

from __future__ import annotations

from collections.abc import Sequence

from scalargrad.commands.arguments import Parser, read_with_values, run
from scalargrad.view.explanation import explain

_EPILOG = """examples:
  python -m scalargrad explain "x*y + sin(x)" x=2 y=3
  python -m scalargrad explain "-log(1 - p)" p=0.25
  python -m scalargrad explain "where(x > 0, x, 0.1*x)" x=-3

The forward pass computes each step from the steps before. The backward pass starts at the result,
whose derivative by itself is 1, and goes back. At each step it multiplies the derivative that
arrives by the local derivative by an operand, and adds the product to the operand's derivative.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = Parser("explain", "Show each step of the chain rule.", _EPILOG)
    parser.add_values()
    options = parser.parse(argv)

    def command() -> None:
        expression, numbers = read_with_values(options.expression, options.values)
        print(explain(expression, *numbers))

    return run(command)
