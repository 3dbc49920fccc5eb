"""Mutation testing: `python3 -m tests.mutants [--sample 400] [--seed 1]`.

Draws small changes of the package's code at random, and runs for each the tests that run the
changed lines (then, should it survive, the others that run its file), in a throw-away clone of the
last commit. Run it from the root of a checkout. It needs the `test` extra, and cosmic-ray and
pytest-cov: `python3 -m pip install "cosmic-ray>=8.7" "pytest-cov>=7"`. 400 mutants take an hour
or more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.mutants.explained import changes, explanation
from tests.mutants.sample import Mutant, difference, draw, mutants_of
from tests.mutants.trial import Trial, Verdict


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sample", type=int, default=400, metavar="N", help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which of them")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the verdicts as JSON")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="only the survivors of that report"
    )
    arguments = parser.parse_args()
    try:
        tool = version("cosmic-ray")
        version("pytest-cov")
    except PackageNotFoundError as error:
        parser.error(f"{error.name} is missing: {sys.executable} -m pip install {error.name}")
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="mutants ") as directory:
        say("running all tests, to see which run which lines ...")
        trial = Trial(Path(directory))
        for test in trial.failing:
            say(f"left out, as it fails without any mutant: {test}")
        if arguments.again:
            mutants = survivors(arguments.again, trial.copy)
        else:
            mutants = draw(trial.copy, arguments.sample, arguments.seed)
        say(f"{len(mutants)} mutants of {trial.commit}, seed {arguments.seed}, cosmic-ray {tool}")
        verdicts: list[Verdict] = []
        for mutant in mutants:
            verdicts.append(trial.judge(mutant))
            last = verdicts[-1]
            say(f"{len(verdicts):4} {last.outcome:8} {mutant} ({last.tests} tests)")
            if arguments.report:
                save(arguments.report, verdicts)
    print(f"{len(verdicts)} mutants of {trial.commit}, seed {arguments.seed}, cosmic-ray {tool}")
    print(summary(verdicts))
    return 0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def save(path: Path, verdicts: list[Verdict]) -> None:
    path.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))


def survivors(path: Path, root: Path) -> list[Mutant]:
    """Return the survivors of a report that can still be made in the code as it is now."""
    report: list[dict[str, Any]] = json.loads(path.read_text())
    found = []
    for one in report:
        if one["outcome"] == "survived":
            name = one["mutant"]["path"], one["mutant"]["operator"]
            wanted = changes(one["difference"])
            same = [m for m in mutants_of(root, *name) if changes(difference(root, m)) == wanted]
            found += same[:1]
            if not same:
                say(f"no longer in the code: {Mutant(**one['mutant'])}")
    return found


def summary(verdicts: list[Verdict]) -> str:
    """Return the figures, the survivors as diffs, and the mutants that only one test kills."""
    by_outcome = {
        outcome: [v for v in verdicts if v.outcome == outcome]
        for outcome in ("killed", "timeout", "survived")
    }
    survived = by_outcome["survived"]
    why = {v: explanation(v.mutant.path, v.difference) for v in survived}
    open_ones = [v for v in survived if why[v] is None]
    gone = len(verdicts) - len(survived)
    lines = [
        f"killed: {len(by_outcome['killed'])}, of which by one test only: "
        f"{sum(len(v.failed) == 1 for v in by_outcome['killed'])}",
        f"did not end, which counts as killed: {len(by_outcome['timeout'])}",
        f"survived: {len(survived)}, of which explained: {len(survived) - len(open_ones)}",
        f"killed of all: {100 * gone / max(1, len(verdicts)):.1f}%",
        f"killed of those that are not explained: "
        f"{100 * gone / max(1, gone + len(open_ones)):.1f}%",
    ]
    for verdict in open_ones:
        lines += ["", f"survived: {verdict.mutant}", verdict.difference]
    for verdict in survived:
        if why[verdict] is not None:
            lines += ["", f"explained: {verdict.mutant}", verdict.difference, f"# {why[verdict]}"]
    lines.append("")
    for verdict in by_outcome["killed"]:
        if len(verdict.failed) == 1:
            lines.append(f"killed by one test only: {verdict.mutant}: {verdict.failed[0]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
