"""The long form, on demand: `python3 -m tests.engines` from the root of a checkout.

Every defect against the whole suite; the right engines over 20 seeds, none of them accused.
"""

from __future__ import annotations

import sys
import time

import scalargrad
from scalargrad.testing import check_engine
from tests.engines import closures, creators, deferred, dual, tuples
from tests.engines.defects import DEFECTS, load

RIGHT = (closures.Value, tuples.Var, creators.Variable, deferred.Node, dual.Dual, scalargrad.Value)


def main() -> int:
    mistakes = 0
    for defect in DEFECTS:
        report = check_engine(load(defect), quick=True)
        names = [result.name for result in report.failed]
        found = defect.found_by in names
        mistakes += not found
        print(f"{'found' if found else 'MISSED':7} {defect.name}: {', '.join(names)}", flush=True)
    for engine in RIGHT:
        accused: list[str] = []
        began = time.monotonic()
        for seed in range(20):
            report = check_engine(engine, quick=True, seed=seed)
            accused += [f"{result.name}: {result.reason}" for result in report.failed]
        mistakes += len(accused)
        seconds = (time.monotonic() - began) / 20
        print(f"{engine.__module__}: {len(accused)} accusations, {seconds:.1f} s a check")
        print("".join(f"    {line}\n" for line in accused), end="", flush=True)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
