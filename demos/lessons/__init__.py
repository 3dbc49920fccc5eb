"""The lessons. One that is stopped by Ctrl-C says so, and one that nobody reads on ends quietly."""

import atexit
import os
import sys
from typing import Any


def _stopped(kind: Any, error: Any, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    elif not issubclass(kind, BrokenPipeError):  # as in `| head`
        sys.__excepthook__(kind, error, trace)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more, which would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


sys.excepthook = _stopped
atexit.register(_flush)
