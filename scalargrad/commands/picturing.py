"""`python -m scalargrad draw`: the graph of an expression, as a picture or a live page."""

from __future__ import annotations

from collections.abc import Sequence

from scalargrad.commands.arguments import Parser, opened, read_with_values, run
from scalargrad.commands.expressions import UsageError
from scalargrad.view.drawing import draw

_EPILOG = """examples:
  python -m scalargrad draw "x*y + sin(x)" x=2 y=3                  a tree, as text
  python -m scalargrad draw "x*y + sin(x)" x=2 y=3 -o graph.svg     a picture
  python -m scalargrad draw "x*y + sin(x)" x=2 y=3 -o graph.html    a page to play with
  python -m scalargrad draw "x*y + sin(x)" x=2 y=3 --open           the page, in the browser

FILE may end in .svg, .html, .dot (Graphviz), .mmd (Mermaid) or .txt. The page needs no network:
step through the passes with the arrow keys, and drag the numbers.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = Parser("draw", "Draw the graph of an expression.", _EPILOG)
    parser.add_values()
    parser.add_argument("-o", "--output", metavar="FILE", help="write this file")
    parser.add_argument("--open", action="store_true", help="show the live page in the browser")
    options = parser.parse(argv)

    def command() -> None:
        expression, numbers = read_with_values(options.expression, options.values)
        drawing = draw(expression, *numbers)
        if options.output is not None:
            try:
                drawing.save(options.output)
            except ValueError as error:
                raise UsageError(str(error)) from None
            print(f"wrote {options.output}")
        if options.open:
            opened(drawing.show())
        elif options.output is None:
            print(drawing, end="")

    return run(command)
