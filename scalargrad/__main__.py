"""The command line: `python -m scalargrad COMMAND ...`."""

import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

import scalargrad

# Each module has a `main` that takes the arguments and returns the exit status. It is loaded when
# its command is called.
COMMANDS = {
    "explain": ("scalargrad.commands.explaining", "show each step of the chain rule"),
    "draw": ("scalargrad.commands.picturing", "draw a graph: .svg, .html, .dot, .mmd"),
    "compile": ("scalargrad.commands.translating", "write a program of the value and gradient"),
    "taylor": ("scalargrad.commands.expanding", "expand as a power series"),
    "play": ("scalargrad.commands.playing", "watch a small network learn, in a page"),
    "check": ("scalargrad.commands.checking", "test an autodiff engine, or those of a class"),
    "kit": ("scalargrad.commands.kit", "write what a class needs to make an engine"),
}
_EXAMPLES = """Try:
  python -m scalargrad explain "x*y + sin(x)" x=2 y=3
  python -m scalargrad draw "x*y + sin(x)" x=2 y=3 -o graph.html
  python -m scalargrad compile "x*y + sin(x)" --to javascript
  python -m scalargrad taylor "exp(sin(x))" x=0 --order 8
  python -m scalargrad play moons"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads the rest, as in `| head`
        # Python flushes standard output once more at exit, which would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _run(arguments: Sequence[str]) -> int:
    listing = "\n".join(f"  {name:8} {what}" for name, (_, what) in COMMANDS.items())
    usage = (
        f"usage: python -m scalargrad COMMAND ...\n\n{listing}\n\n{_EXAMPLES}\n\n"
        "COMMAND --help says more."
    )
    command = arguments[0] if arguments else ""
    if command in ("-h", "--help", "--version"):
        print(f"scalargrad {scalargrad.__version__}" if command == "--version" else usage)
        return 0
    if command not in COMMANDS:
        print(_unknown(command) if command else usage, file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(COMMANDS[command][0])
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "scalargrad":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    status: int = module.main(arguments[1:])
    return status


def _unknown(command: str) -> str:
    if not command.isalpha():  # an expression, perhaps
        return f'error: {command} is no command: begin with one, as in explain "x*y" x=2 y=3'
    near = get_close_matches(command, COMMANDS, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
    return f"error: there is no command {command}; {hint}"


if __name__ == "__main__":
    sys.exit(main())
