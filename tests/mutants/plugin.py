"""A plugin for pytest: run chosen tests in the order given, until two of them have failed.

A test with parameters counts as one test. A test that takes far longer than it does on the code as
it is ends the whole process, with SIGALRM: the mutant does not end.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

PLAN, REPORT = "MUTANTS_PLAN", "MUTANTS_REPORT"
MEMORY = 4 * 2**30

# The same examples each time. A failure is enough: it need not be the simplest.
settings.register_profile(
    "mutants",
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)


class Chosen:
    """Runs the tests of a plan: {"durations": {test: seconds}, "most": tests that may fail}."""

    def __init__(self, plan: dict[str, Any], report: Path) -> None:
        self.durations: dict[str, float] = plan["durations"]
        self.order = {name: n for n, name in enumerate(self.durations)}
        self.most: int = plan["most"]
        self.report = report
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.order:
            items[:] = [item for item in items if item.nodeid in self.order]
            items.sort(key=lambda item: self.order[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        limit = 20 + 10 * self.durations.get(item.nodeid, 60.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limit)
        result = yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        if len(self.failed) >= self.most:
            item.session.shouldstop = "enough tests failed"
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid.split("[")[0])
        self._tell(
            {
                "test": report.nodeid,
                "when": report.when,
                "failed": report.failed,
                "seconds": report.duration,
            }
        )

    def _tell(self, line: dict[str, Any]) -> None:
        with self.report.open("a") as file:
            file.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    import scalargrad

    here = Path.cwd()
    assert Path(scalargrad.__file__).is_relative_to(here), f"{scalargrad.__file__} not in {here}"
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    plan = json.loads(Path(os.environ[PLAN]).read_text())
    config.pluginmanager.register(Chosen(plan, Path(os.environ[REPORT])))
