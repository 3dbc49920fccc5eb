"""The lessons. One that is stopped by Ctrl-C says so, in place of a traceback."""

import sys
from typing import Any


def _stopped(kind: Any, error: Any, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _stopped
