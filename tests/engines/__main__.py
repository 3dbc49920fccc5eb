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
from pathlib import Path
from typing import Any

import scalargrad
from scalargrad.testing import check_engine
from tests.engines import creators, deferred, dual, shapes, tuples
from tests.engines.defects import DEFECTS, load
from tests.engines.making import written


def engines(folder: Path, seeds: int) -> Iterator[tuple[str, Any, set[str], int]]:
    """Yield the name of each engine, the engine, what has to fail, and how many seeds to try."""
    for defect in DEFECTS:
        yield defect.name, load(defect), {defect.found_by, *defect.also}, 1
    for shape in (*shapes.WRONG, *shapes.RIGHT):
        file = written(folder, shape.source, f"{shape}.py")
        yield (
            str(shape),
            f"{file}:{shape.engine}",
            set(shape.found_by),
            1 if shape.found_by else seeds,
        )
    for right in (tuples.Var, creators.Variable, deferred.Node, dual.Dual, scalargrad.Value):
        yield right.__module__, right, set(), seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.engines", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="for each right engine (20)")
    most = parser.parse_args().seeds
    mistakes = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, engine, expected, seeds in engines(Path(folder), most):
            began = time.monotonic()
            wrong = set()
            for seed in range(seeds):
                report = check_engine(engine, quick=True, seed=seed)
                wrong |= expected ^ {result.name for result in report.failed}
            mistakes += len(wrong)
            seconds = (time.monotonic() - began) / seeds
            print(f"{name}: {', '.join(wrong) or 'as it should'}, {seconds:.1f} s", flush=True)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
