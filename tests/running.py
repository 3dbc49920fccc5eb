"""Running the demos as people do: from the root of the checkout, with nothing installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING", "PYTHONPATH")
}


def command(demo: str, *options: str) -> list[str]:
    # -S leaves out site-packages: nothing that is installed there can help.
    return [sys.executable, "-S", "-W", "error", "-m", f"demos.{demo}", *options]


def output(demo: str, *options: str) -> str:
    done = subprocess.run(
        command(demo, *options), cwd=ROOT, env=PLAIN, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
