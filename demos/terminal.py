"""What the demos share: their options, and a screen that suits a terminal, a pipe or a file."""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# The targets of `compile`.
LANGUAGES = {"python": "Python", "c": "C"}


class Options(argparse.Namespace):
    quick: bool
    save: Path | None
    seed: int
    steps: int
    target: str


def parse_options(
    prog: str,
    description: str,
    steps: int,
    quick_steps: int,
    saves: str = "",
    compiles: bool = False,
) -> Options:
    """Return the options. A demo that `saves` can save a file with this ending.

    A demo that `compiles` has an option for the target.
    """
    parser = argparse.ArgumentParser(prog=f"python3 -m {prog}", description=description)
    parser.add_argument(
        "--quick", action="store_true", help=f"train for {quick_steps} steps: a few seconds"
    )
    parser.add_argument(
        "--seed",
        type=_whole_number_from(0),
        default=1,
        help="seed of the random numbers (default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=_whole_number_from(1),
        help=f"how many steps to train for (default: {steps})",
    )
    if saves:
        parser.add_argument(
            "--save", type=_path_ending_in(saves), metavar=f"FILE{saves}", help="save a picture"
        )
    if compiles:
        parser.add_argument(
            "--target",
            choices=LANGUAGES,
            default="python",
            help="compile to Python, or to C where a C compiler is (default: %(default)s)",
        )
    options = parser.parse_args(namespace=Options())
    if options.steps is None:
        options.steps = quick_steps if options.quick else steps
    return options


def _path_ending_in(ending: str) -> Callable[[str], Path]:
    def parse(text: str) -> Path:
        if not text.endswith(ending):
            raise argparse.ArgumentTypeError(f"want a name ending in {ending}, not {text!r}")
        path = Path(text)
        new = not path.exists()
        try:
            path.open("ab").close()  # an error comes before the training
        except OSError as error:
            raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
        if new:
            path.unlink()
        return path

    return parse


def _whole_number_from(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"want a whole number from {least} up, not {text!r}")
        return number

    return parse


class Screen:
    """Standard output, and what it can show. It is a context manager for the time of the training.

    If `live`, it is a terminal: a picture and the progress line under it are redrawn in place. If
    not, a progress line is printed now and then. `colour` says whether colours and block characters
    may be used.
    """

    def __init__(self) -> None:
        columns, rows = shutil.get_terminal_size()
        # A terminal that does not know its size says 0, which Python 3.10 passes on.
        self.columns, self.rows = columns or 80, rows or 24
        # A terminal on Windows sets no TERM; WT_SESSION tells the one that knows escape codes.
        able = os.environ.get("TERM", "dumb") != "dumb" or "WT_SESSION" in os.environ
        roomy = self.columns >= 24 and self.rows >= 10
        self.live = sys.stdout.isatty() and able and roomy
        self.blocks = self.live and sys.stdout.encoding.lower().startswith("utf")
        self.colour = self.blocks and not os.environ.get("NO_COLOR")
        self._picture_height = 0

    def __enter__(self) -> Screen:
        if self.live:
            atexit.register(_leave)  # first, since Ctrl-C may come at any time
            print("\x1b[?25l", end="")  # hide the cursor
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            print(_PLAIN)

    def picture(self, lines: Sequence[str]) -> None:
        """Draw the lines over the last picture, leaving the cursor where progress goes."""
        home = f"\r\x1b[{self._picture_height}A" if self._picture_height else "\r"
        print(home + "".join(f"{line}\x1b[K\n" for line in lines), end="", flush=True)
        self._picture_height = len(lines)

    def progress(self, step: int, steps: int, loss: float, accuracy: float | None = None) -> None:
        width = len(str(steps))
        line = f"step {step:{width}}/{steps}  loss {loss:.4f}"
        if accuracy is not None:
            line += f"  accuracy {accuracy:6.1%}"
        if self.live:
            done = 20 * step // steps
            full, empty = ("█", "░") if self.blocks else ("#", "-")
            line = f"{line}  {full * done}{empty * (20 - done)}"[: self.columns - 1]
            print(f"\r{line}\x1b[K", end="", flush=True)
        elif step == steps or step % max(1, steps // 10) == 0:
            print(line, flush=True)


# No colour, and the cursor is seen.
_PLAIN = "\x1b[0m\x1b[?25h"


def _leave() -> None:
    """Leave the terminal as it was. Ctrl-C cannot interrupt this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(_PLAIN, end="", flush=True)


def run(main: Callable[[], None]) -> None:
    """Call main. Ctrl-C, or a reader that stops as `head` does, ends it without a traceback."""
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)  # as a shell reports a program that Ctrl-C ended
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
