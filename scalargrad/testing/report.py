"""What a check found, as text, JSON, JUnit XML or Gradescope's results.json."""

import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

Verdict = Literal["held", "failed", "absent"]


@dataclass(frozen=True)
class Result:
    """The verdict on one property.

    `reason` is "" where it held; `counterexample` is code of the engine under test that shows
    the failure, with the right number in a comment, or None.
    """

    name: str
    law: str
    verdict: Verdict
    reason: str
    counterexample: str | None


@dataclass(frozen=True)
class Report:
    """The verdicts on all properties of one engine, in the order in which they were tested.

    `imports` is the module that the counterexamples' class comes from.
    """

    engine: str
    imports: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether no property failed."""
        return not self.failed

    @property
    def held(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.verdict == "held")

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.verdict == "failed")

    @property
    def absent(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.verdict == "absent")

    @property
    def name(self) -> str:
        return self.engine.rpartition(":")[2]

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """Return a table of the verdicts, and the counterexamples under it."""
        width = max((len(r.name) for r in self.results), default=0)
        shown = [r for r in self.results if r.verdict != "absent"]
        lines = [f"{r.verdict:6}  {r.name:{width}}  {r.law}" for r in shown]
        if self.absent:
            lines += ["", "not there, so neither held nor failed:"]
            lines += [f"    {reason}: {', '.join(n)}" for reason, n in self._absent().items()]
        if self.failed:
            name = self.name.split(".")[0]
            lines += ["", f"The code below needs: from {self.imports} import {name}"]
        for r in self.failed:
            lines += ["", f"{r.name}: {r.reason}"]
            lines += [f"    {line}".rstrip() for line in (r.counterexample or "").split("\n")]
        counts = f"{len(self.held)} held, {len(self.failed)} failed, {len(self.absent)} not there"
        lines += ["", *(f"note: {note}" for note in self.notes), f"{self.engine}: {counts}"]
        return "\n".join(lines)

    def _absent(self) -> dict[str, list[str]]:
        """Return the names of the absent properties by their reason; those of an op are one."""
        found: dict[str, list[str]] = {}
        for r in self.absent:
            family, _, op = r.name.partition("-")
            missing = r.reason.endswith(" is not there") and not r.reason.startswith("needs")
            reason = "ops" if missing else r.reason
            name = (
                op if missing and family in ("value", "derivative", "large", "domain") else r.name
            )
            if name not in found.setdefault(reason, []):
                found[reason].append(name)
        return found

    def json(self) -> str:
        """Return one JSON object, with the verdicts under "properties"."""
        found = [
            {
                "name": r.name,
                "law": r.law,
                "verdict": r.verdict,
                "reason": r.reason,
                "counterexample": r.counterexample,
            }
            for r in self.results
        ]
        whole = {
            "engine": self.engine,
            "import": f"from {self.imports} import {self.name.split('.')[0]}",
            "passed": self.passed,
            "notes": list(self.notes),
            "properties": found,
        }
        return json.dumps(whole, indent=2)

    def junit(self) -> str:
        """Return JUnit XML, with one test case for each property."""
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>',
            f'<testsuite name={_attribute(self.engine)} tests="{len(self.results)}" '
            f'failures="{len(self.failed)}" errors="0" skipped="{len(self.absent)}">',
        ]
        for r in self.results:
            case = f"  <testcase classname={_attribute(self.engine)} name={_attribute(r.name)}"
            if r.verdict == "held":
                lines.append(f"{case}/>")
            elif r.verdict == "absent":
                lines.append(f"{case}><skipped message={_attribute(r.reason)}/></testcase>")
            else:
                message = f"<failure message={_attribute(r.reason)}>"
                code = escape(_printable(r.counterexample or ""))
                lines.append(f"{case}>{message}{code}</failure></testcase>")
        return "\n".join([*lines, "</testsuite>"])

    def gradescope(self, weights: Mapping[str, float] | None = None) -> str:
        """Return Gradescope's results.json: points for each property that held.

        `weights` has the points for names and patterns of properties, the first that matches
        counting; a property that none matches is left out. Without weights, each property that
        is there counts one point.
        """
        tests: list[dict[str, Any]] = []
        for r in self.results:
            points = 1.0 if r.verdict != "absent" else 0.0
            if weights is not None:
                matching = (p for pattern, p in weights.items() if _matches(r.name, pattern))
                points = next(matching, 0.0)
            if not points:
                continue
            output = r.law if r.verdict == "held" else f"{r.law}\n{r.reason}"
            if r.counterexample:
                output += f"\n\n{r.counterexample}"
            tests.append(
                {
                    "name": r.name,
                    "score": points if r.verdict == "held" else 0.0,
                    "max_score": points,
                    "status": "passed" if r.verdict == "held" else "failed",
                    "output": output,
                }
            )
        return json.dumps({"tests": tests}, indent=2)


def read_weights(text: str) -> dict[str, float]:
    """Return the points under [weights] in a TOML file's text, by name or pattern.

    It reads lines such as `reuse = 2` and `"derivative-*" = 0.5` only. Raises ValueError, with
    the number of the line, for anything else.

    >>> read_weights('[weights]\\nreuse = 2  # points\\n"derivative-*" = 0.5')
    {'reuse': 2.0, 'derivative-*': 0.5}
    """
    weights: dict[str, float] = {}
    table = None
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := re.fullmatch(r"\s*\[([\w-]+)\]\s*(#.*)?", line):
            table = match[1]
            continue
        entry = re.fullmatch(
            r"""\s*(?:([\w-]+)|"([^"]*)"|'([^']*)')\s*=\s*([0-9]+(?:\.[0-9]+)?)\s*(#.*)?""", line
        )
        if entry is None or table != "weights":
            raise ValueError(
                f"line {n} of the weights: expected name = points under [weights], got {line!r}"
            )
        weights[entry[1] or entry[2] or entry[3]] = float(entry[4])
    return weights


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern)


def _printable(text: str) -> str:
    """Return text without the control characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))
