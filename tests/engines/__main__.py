"""The long form, on demand: `python3 -m tests.engines` from the root of a checkout.

Every defect and every wrong engine against the whole suite, and the right ones over 20 seeds: what
fails must be what is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import scalargrad
from scalargrad.testing import check_engine
from tests.engines import dual, shapes, tuples
from tests.engines.defects import DEFECTS, load
from tests.engines.making import written

DRAWN = ("value-*", "derivative-*", "random-graphs")
"""The properties that are tested at other points with another seed."""


def engines(folder: Path) -> Iterator[tuple[str, Any, set[str]]]:
    """Yield the name of each engine, the engine, and what has to fail."""
    for defect in DEFECTS:
        yield f"defect-{defect.name}", load(defect), {defect.found_by, *defect.also}
    for shape in (*shapes.WRONG, *shapes.RIGHT):
        file = written(folder, shape.source, f"{shape}.py")
        yield str(shape), f"{file}:{shape.engine}", set(shape.found_by)
    for right in (tuples.Var, dual.Dual, scalargrad.Value):
        yield right.__module__, right, set()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.engines", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="for each right engine (20)")
    parser.add_argument("--only", default="*", help="engines to try, a pattern: 'tape-*'")
    options = parser.parse_args()
    mistakes = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, engine, expected in engines(Path(folder)):
            if not fnmatch(name, options.only):
                continue
            began = time.monotonic()
            wrong = set()
            for seed in range(1 if expected else options.seeds):
                only = DRAWN if seed else ()
                report = check_engine(engine, quick=True, seed=seed, only=only)
                wrong |= expected ^ {result.name for result in report.failed}
            mistakes += len(wrong)
            seconds = time.monotonic() - began
            print(f"{name}: {', '.join(wrong) or 'as it should'}, {seconds:.1f} s", flush=True)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
