"""The assignment, done step by step, and done wrong at each step."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from scalargrad.commands.checking import main
from scalargrad.testing import Report
from scalargrad.testing.report import read_weights
from tests.running import ROOT

TEACHING = ROOT / "demos" / "teaching"
ASSIGNMENT = ROOT / "scalargrad" / "testing" / "assignment"
STUDENTS, TEACHER = (
    (ASSIGNMENT / name).read_text(encoding="utf-8") for name in ("students.md", "teacher.md")
)
COMMANDS = re.findall(
    r"^env/bin/python -m scalargrad (check value\.py:Value .*)$", STUDENTS, re.MULTILINE
)

MISTAKES = {
    1: ("self.data - other.data", "other.data - self.data"),
    2: ("(other.data, self.data)", "(self.data, other.data)"),
    3: ("return to_value(other) - self", "return self - other"),
    4: ("                nodes.append(node)\n", "                nodes.insert(0, node)\n"),
    5: ("            if node.parents:\n                node.grad = 0.0\n", "            pass\n"),
}


def run(step: int, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command that the students' page gives for a step."""
    (folder / "value.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(folder)
    return main(shlex.split(COMMANDS[step - 1])[1:])


def text_of(name: str) -> str:
    file = ASSIGNMENT / "value.txt" if name == "skeleton" else TEACHING / f"{name}.py"
    return file.read_text(encoding="utf-8")


def test_the_page_has_a_command_for_each_step() -> None:
    assert len(COMMANDS) == 6


@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.slow
def test_step_turns_its_properties_green(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = text_of(f"step{step - 1}" if step > 1 else "skeleton")
    assert run(step, before, tmp_path, monkeypatch) == 1
    assert run(step, text_of(f"step{step}"), tmp_path, monkeypatch) == 0


@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.slow
def test_mistake_is_told_as_the_page_says(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = MISTAKES[step]
    right = text_of(f"step{step}")
    assert right.count(old) >= 1
    assert run(step, right.replace(old, new, 1), tmp_path, monkeypatch) == 1
    told = capsys.readouterr().out
    law, code, *_ = told[told.index("failed  ") :].split("\n\n")
    for line in f"{law}\n{code}".split("\n"):
        if not line.startswith("    not tested for it"):
            assert line.strip() in TEACHER, line


@pytest.mark.slow
def test_grading_gives_all_points_to_the_solution_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = ASSIGNMENT / "grading.toml"
    assert sum(read_weights(weights.read_text(encoding="utf-8")).values()) == 100
    scores = []
    for name in ("skeleton", "step2", "step5"):
        (tmp_path / "value.py").write_text(text_of(name), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        main(["value.py:Value", "--format=gradescope", f"--weights={weights}", "--quick"])
        tests = json.loads(capsys.readouterr().out)["tests"]
        assert sum(test["max_score"] for test in tests) == 100
        scores.append(sum(test["score"] for test in tests))
    assert scores[0] == 0
    assert 40 <= scores[1] < 60
    assert scores[2] == 100


def test_report_without_properties_passes() -> None:
    assert Report("engine.py:Value", "engine", ()).passed
