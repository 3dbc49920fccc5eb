"""The command line: `python -m scalargrad COMMAND ...`."""

import importlib
import sys
from collections.abc import Sequence

# Each module has a `main` that takes the arguments and returns the exit status. Loaded when called.
COMMANDS = {
    "check": ("scalargrad.testing.command", "test an autodiff engine"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    listing = "\n".join(f"  {name:8} {what}" for name, (_, what) in COMMANDS.items())
    usage = f"usage: python -m scalargrad COMMAND ...\n\n{listing}\n\nCOMMAND --help says more."
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
