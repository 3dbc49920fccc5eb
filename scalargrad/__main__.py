"""The command line: `python -m scalargrad COMMAND ...`."""

import importlib
import sys
from collections.abc import Sequence

# Each module has a `main` that takes the arguments and returns the exit status. Loaded when called.
COMMANDS = {
    "explain": ("scalargrad.commands.explaining", "show each step of the chain rule"),
    "draw": ("scalargrad.commands.picturing", "draw a graph: .svg, .html, .dot, .mmd"),
    "compile": ("scalargrad.commands.translating", "write a program of the value and gradient"),
    "taylor": ("scalargrad.commands.expanding", "expand as a power series"),
    "check": ("scalargrad.testing.command", "test an autodiff engine"),
}
_EXAMPLES = """Try:
  python -m scalargrad explain "x*y + sin(x)" x=2 y=3
  python -m scalargrad draw "x*y + sin(x)" x=2 y=3 -o graph.html
  python -m scalargrad compile "x*y + sin(x)" --to javascript
  python -m scalargrad taylor "exp(sin(x))" x=0 --order 8"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    listing = "\n".join(f"  {name:8} {what}" for name, (_, what) in COMMANDS.items())
    usage = (
        f"usage: python -m scalargrad COMMAND ...\n\n{listing}\n\n{_EXAMPLES}\n\n"
        "COMMAND --help says more."
    )
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage)
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(usage, file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(COMMANDS[arguments[0]][0])
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "scalargrad":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    status: int = module.main(arguments[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
