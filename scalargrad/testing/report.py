"""What a check found, as text, JSON, JUnit XML or Gradescope's results.json."""

import ast
import builtins
import fnmatch
import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

Verdict = Literal["held", "failed", "absent"]

OWN_WORK = "own-arithmetic"
"""The property without which an engine gets no points."""


@dataclass(frozen=True)
class Result:
    """The verdict on one property.

    `reason` is "" where it held; `counterexample` is code of the engine under test that shows
    the failure, with the right number in a comment, or None. `cause` is the property whose failure
    hides this one, which is absent for it. `is_op_missing` says that the engine lacks its op, and
    `not_run` that there was no time left to test this property.
    """

    name: str
    law: str
    verdict: Verdict
    reason: str = ""
    counterexample: str | None = None
    cause: str | None = None
    is_op_missing: bool = False
    not_run: bool = False


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
        """Return whether no property failed, and there was time for all."""
        return not self.failed and not any(r.not_run for r in self.results)

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
        """Return what failed, each with its counterexample and what it takes down, and the rest."""
        missing = len({r.name.partition("-")[2] for r in self.absent if r.is_op_missing})
        lines = [f"{self.engine}: {len(self.failed)} failed, {len(self.held)} held"]
        if missing:
            lines[0] += f"; {missing} ops this engine does not have"
        for r in self.failed:
            lines += ["", f"failed  {r.name}: {r.law}", f"    {r.reason}", ""]
            lines += [f"    {line}".rstrip() for line in (r.counterexample or "").split("\n")]
            lines += self._taken_down(r.name)
        if any(r.counterexample for r in self.failed):
            lines += ["", f"The code needs: {self.import_line()}"]
        lines += ["", *_wrapped("held: ", [r.name for r in self.held])] if self.held else []
        for reason, names in self._not_tested().items():
            lines += _wrapped(f"not tested, {reason}: ", names)
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def import_line(self) -> str:
        """Return the line that imports what the counterexamples use: the class, and functions.

        Example: from engine import Value, tanh
        """
        loaded: set[str] = set()
        stored = set(dir(builtins))
        for r in self.failed:
            for node in ast.walk(ast.parse(r.counterexample or "")):
                if isinstance(node, ast.Name):
                    (loaded if isinstance(node.ctx, ast.Load) else stored).add(node.id)
                elif isinstance(node, ast.alias):
                    stored.add(node.name)
        first = self.name.split(".")[0]
        names = [first, *sorted(loaded - stored - {first})]
        return f"from {self.imports} import {', '.join(names)}"

    def _taken_down(self, name: str) -> list[str]:
        """Return the line that names the properties which cannot be tested as this one fails."""
        names = [r.name for r in self.absent if r.cause == name]
        if name == "usable":
            return ["    All others that need it are not tested."] if names else []
        return _wrapped("    not tested for it: ", names, " " * 8) if names else []

    def _not_tested(self) -> dict[str, list[str]]:
        """Return the names of properties that are absent for other reasons, by the reason."""
        found: dict[str, list[str]] = {}
        for r in self.absent:
            if r.cause is None and not r.is_op_missing:
                found.setdefault(r.reason, []).append(r.name)
        return found

    def json(self) -> str:
        """Return one JSON object, with the verdicts under "properties"."""
        fields = ("name", "law", "verdict", "reason", "counterexample", "cause")
        found = [{name: getattr(r, name) for name in fields} for r in self.results]
        whole = {
            "engine": self.engine,
            "import": self.import_line(),
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
                code = escape(_printable(r.counterexample or ""), quote=False)
                lines.append(f"{case}>{message}{code}</failure></testcase>")
        return "\n".join([*lines, "</testsuite>"])

    def points(self, weights: Mapping[str, float] | None = None) -> dict[str, tuple[float, float]]:
        """Return for each property that is graded its points, and how many there are for it.

        `weights` has the points for names and patterns of properties, the first that matches
        counting; a property that none matches is left out. Without weights, each property that
        is there counts one point, and so does one for which there was no time. An engine that is
        not its own work gets none.
        """
        found = {}
        foreign = any(r.name == OWN_WORK for r in self.failed)
        for r in self.results:
            most = 1.0 if r.verdict != "absent" or r.not_run else 0.0
            if weights is not None:
                matching = (p for pattern, p in weights.items() if _matches(r.name, pattern))
                most = next(matching, 0.0)
            if most:
                found[r.name] = (most if r.verdict == "held" and not foreign else 0.0, most)
        return found

    def gradescope(self, weights: Mapping[str, float] | None = None) -> str:
        """Return Gradescope's results.json: `points` for each property that held."""
        points = self.points(weights)
        tests: list[dict[str, Any]] = []
        for r in self.results:
            if r.name not in points:
                continue
            score, most = points[r.name]
            output = r.law if r.verdict == "held" else f"{r.law}\n{r.reason}"
            if r.counterexample:
                output += f"\n\n{r.counterexample}"
            status = "passed" if score else "failed"
            test = {"name": r.name, "score": score, "max_score": most}
            tests.append({**test, "status": status, "output": output, "output_format": "text"})
        whole: dict[str, Any] = {"output_format": "text", "tests": tests}
        for r in self.failed:
            if r.name in (OWN_WORK, "usable"):
                whole["output"] = f"{r.law}\n{r.reason}"
                if r.name == OWN_WORK:
                    whole["output"] += "\nNo points are given."
        return json.dumps(whole, indent=2)


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


def _wrapped(start: str, names: list[str], indent: str = "    ") -> list[str]:
    return textwrap.wrap(
        start + ", ".join(names), 100, subsequent_indent=indent, break_on_hyphens=False
    )


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern)


def _printable(text: str) -> str:
    """Return text without the control characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def _attribute(text: str) -> str:
    return f'"{escape(_printable(text))}"'
