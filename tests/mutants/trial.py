"""The tests against a mutant, in a copy of the last commit that is thrown away afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.plugin import PLAN, REPORT
from tests.mutants.sample import Mutant, difference, mutated

ROOT = Path(__file__).parents[2]
WHOLE = 3 * 3600.0  # seconds that all tests may take, with coverage on a busy machine
_NO_TESTS = 5  # of those chosen: pytest's exit status


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a mutant: the first tests that failed, two at most.

    None where they cannot even be loaded.
    """

    mutant: Mutant
    difference: str
    outcome: str  # killed, timeout or survived
    failed: tuple[str, ...]
    tests: int
    seconds: float


class Trial:
    """A clone of the last commit, in a directory, and which of its tests run which lines."""

    def __init__(self, directory: Path) -> None:
        self.copy, self.directory = directory / "copy", directory
        subprocess.run(["git", "clone", "-q", ROOT, self.copy], check=True)
        self.commit = subprocess.run(
            ["git", "log", "-1", "--format=%h"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        # From now on a file's text decides whether its bytecode is up to date, not its age.
        command = [sys.executable, "-m", "compileall", "-q", "-f"]
        command += ["--invalidation-mode", "checked-hash", "scalargrad"]
        subprocess.run(command, cwd=self.copy, check=True)
        coverage = ("--cov=scalargrad", "--cov-context=test", "--cov-report=")
        status, lines = self._pytest({}, 10**9, *coverage)
        if status == -signal.SIGALRM:
            raise RuntimeError(f"the tests did not end, not even in {WHOLE / 60:.0f} minutes")
        # Some measure what coverage changes: these once more without it.
        failed = {line["test"] for line in lines if line["failed"]}
        if failed:
            again = self._pytest(dict.fromkeys(failed, 60.0), 10**9)[1]
            lines = [line for line in lines if line["test"] not in failed] + again
            failed = {line["test"] for line in again if line["failed"]}
        self.durations: dict[str, float] = {}
        for line in lines:
            if line["test"] not in failed:
                earlier = self.durations.get(line["test"], 0.0)
                self.durations[line["test"]] = earlier + line["seconds"]
        self.failing = sorted(failed)
        self.tests_of: dict[str, dict[int, set[str]]] = {}

    def judge(self, mutant: Mutant) -> Verdict:
        """Return what the tests say that run the changed lines, and then those of the file."""
        path = self.copy / mutant.path
        before = path.read_text()
        change = difference(self.copy, mutant)
        on_lines, on_file = self._tests(mutant)
        path.write_text(mutated(self.copy, mutant))
        try:
            ran, seconds = 0, 0.0
            for chosen in (on_lines, on_file - on_lines):
                if not chosen:
                    continue
                status, lines = self._pytest(self._ordered(chosen), 2)
                failed = dict.fromkeys(
                    line["test"].split("[")[0] for line in lines if line["failed"]
                )
                ran += len({line["test"] for line in lines})
                seconds += sum(line["seconds"] for line in lines)
                if status not in (0, _NO_TESTS):
                    outcome = "timeout" if status == -signal.SIGALRM else "killed"
                    return Verdict(mutant, change, outcome, tuple(failed), ran, seconds)
            return Verdict(mutant, change, "survived", (), ran, seconds)
        finally:
            path.write_text(before)

    def _ordered(self, tests: set[str]) -> dict[str, float]:
        """Return the tests with their durations, the shortest first."""
        return dict(sorted(((t, self.durations[t]) for t in tests), key=lambda pair: pair[1]))

    def _tests(self, mutant: Mutant) -> tuple[set[str], set[str]]:
        """Return the tests that run the mutant's lines, and those that run any of its file."""
        by_line = self._contexts(mutant.path)
        lines = range(mutant.first_line, mutant.last_line + 1)
        on_lines = {test for line in lines for test in by_line.get(line, ())}
        return on_lines, {test for tests in by_line.values() for test in tests}

    def _contexts(self, path: str) -> dict[int, set[str]]:
        if path not in self.tests_of:
            from coverage import CoverageData

            data = CoverageData(str(self.copy / ".coverage"))
            data.read()
            contexts = data.contexts_by_lineno(str((self.copy / path).resolve()))
            self.tests_of[path] = {
                line: {c.rsplit("|", 1)[0] for c in names} & self.durations.keys()
                for line, names in contexts.items()
            }
        return self.tests_of[path]

    def _pytest(
        self, durations: dict[str, float], most: int, *options: str
    ) -> tuple[int, list[dict[str, Any]]]:
        """Return pytest's status and what the plugin wrote, for these tests or for all."""
        plan, report = self.directory / "plan.json", self.directory / "report.jsonl"
        plan.write_text(json.dumps({"durations": durations, "most": most}))
        report.write_text("")
        files = sorted({name.split("::")[0] for name in durations})
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "tests.mutants.plugin", "--hypothesis-profile=mutants", *options, *files]
        environment = os.environ | {
            PLAN: str(plan),
            REPORT: str(report),
            "PYTHONPATH": str(self.copy),
        }
        if durations:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        limit = 120 + 10 * sum(durations.values()) if durations else WHOLE
        with (self.directory / "output.txt").open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.copy,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                status = -signal.SIGALRM
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return status, [json.loads(line) for line in report.read_text().splitlines()]
