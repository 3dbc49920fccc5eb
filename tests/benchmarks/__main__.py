"""The command line: `python3 -m tests.benchmarks [--quick] [--only NAME] [--markdown]`.

Run it from the root of a checkout. micrograd and dask.distributed are installed into throw-away
environments for as long as they are measured; nothing else is needed.
"""

from __future__ import annotations

import argparse
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.benchmarks.suite import BENCHMARKS, measured
from tests.benchmarks.table import Row, as_markdown, as_text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller graphs")
    parser.add_argument("--only", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--markdown", action="store_true", help="print the rows as Markdown")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name in [arguments.only] if arguments.only else BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr)
        # In a process of its own: what others leave alive would slow the collector down.
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            rows += process.submit(measured, name, arguments.quick).result()
    print(f"{platform.python_implementation()} {platform.python_version()}\n")
    print((as_markdown if arguments.markdown else as_text)(rows))


if __name__ == "__main__":
    main()
