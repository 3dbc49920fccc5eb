"""The README tells the truth: its scripts, tables, commands and links are tried here."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import scalargrad
from scalargrad import Value, compile, nn, optim, tanh
from tests.readme import BLOCKS, ROOT, SCRIPTS, TEXT, write_scripts

# The prose: what is a place kept for later stands in comments.
PROSE = re.sub(r"<!-- place for.*?-->", "", TEXT, flags=re.DOTALL)
TABLES = TEXT.split("## Coming from")[1].split("\n## ")[0]
HABITS = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|$", TABLES, re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def run(command: Sequence[str], folder: Path, text: str = "") -> str:
    """Return what the command prints, started in another folder than the checkout's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    # What an interactive Python shows at its start depends on these.
    for name in ("PYTHONSTARTUP", "PYTHONINSPECT"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, *command],
        input=text,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_scripts(tmp_path_factory.mktemp("scripts"))


def promised(script: str) -> list[str]:
    return re.findall(r"^# prints:(?: (.*))?$", script, re.MULTILINE)


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_scripts_print_what_they_say_as_files(number: int, files: list[Path]) -> None:
    assert promised(SCRIPTS[number])
    printed = run(["-W", "error", str(files[number])], files[number].parent)
    assert printed.splitlines() == promised(SCRIPTS[number])


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
@pytest.mark.slow
def test_scripts_print_what_they_say_when_pasted(number: int, tmp_path: Path) -> None:
    # Interactive Python ends an indented block at a blank line, and prints what expressions give.
    printed = run(["-i", "-q"], tmp_path, SCRIPTS[number])
    assert printed.splitlines() == promised(SCRIPTS[number])


CELL = """
import sys
from IPython.terminal.interactiveshell import TerminalInteractiveShell

TerminalInteractiveShell.instance(simple_prompt=True).run_cell(sys.stdin.read()).raise_error()
"""


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
@pytest.mark.parametrize("number", range(len(SCRIPTS)))
@pytest.mark.slow
def test_scripts_print_what_they_say_in_ipython(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    # A terminal hands on what is pasted as one cell, and a prompt that is fed takes it by lines.
    printed = run(["-c", CELL], tmp_path, SCRIPTS[number])
    assert printed.splitlines() == promised(SCRIPTS[number])
    session = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    printed = run(session, tmp_path, SCRIPTS[number] + "\n")
    lines = [re.sub(r"^(In \[\d+\]: | *\.\.\.: )+", "", line) for line in printed.splitlines()]
    expected = [line for line in promised(SCRIPTS[number]) if line]
    assert [line for line in lines if line.strip()] == expected


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_scripts_can_be_pasted_whole(number: int) -> None:
    # Each statement ends where interactive Python, which reads line by line, says it does.
    lines = SCRIPTS[number].splitlines()
    for i in range(1, len(lines)):
        if not lines[i - 1]:
            assert not lines[i].startswith(" "), f"a blank line before {lines[i]!r}"
        elif lines[i - 1].startswith(" "):
            # A string over several lines would be an exception: there is none.
            goes_on = lines[i].startswith((" ", "except", "else", "finally", "elif", ")", "]", "}"))
            assert goes_on or not lines[i], f"no blank line before {lines[i]!r}"


@pytest.mark.slow
def test_output_is_what_the_command_prints() -> None:
    shown = {b.marker[8:]: b.text for b in BLOCKS if b.marker.startswith("output: ")}
    assert {command.split()[0] for command in shown} == {"demos.moons", "scalargrad"}
    for command, text in shown.items():
        printed = run(["-m", *shlex.split(command)], ROOT)
        assert [line.rstrip() for line in printed.splitlines()] == [
            line.rstrip() for line in text.splitlines()
        ]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for block in BLOCKS:
        if block.marker.startswith("ci: "):
            assert block.language == "sh"
            assert f"readme_block {block.marker[4:]}" in script
        elif block.language == "sh":
            command = block.text.removeprefix("python3 -m ").rstrip()
            assert f"<!-- output: {command} -->" in TEXT
        else:
            assert block.language == "python" or block.marker.startswith("output:")


def test_modules_that_it_runs_are_there() -> None:
    modules = set(re.findall(r"python3? -m ((?:demos|tests|scalargrad)[\w.]*)", PROSE))
    assert {"demos.moons", "tests.benchmarks"} <= modules
    for module in modules:
        assert importlib.util.find_spec(module), module


def test_links_lead_to_files_and_headings() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).exists(), target
    headings = re.findall(r"^##+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert anchor in anchors, anchor


def test_lines_to_read_first_are_counted() -> None:
    files = re.findall(r"\]\((scalargrad/\w+/\w+\.py)\)", TEXT)
    count = sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files)
    assert f"They are {count} lines together" in TEXT


def test_figures_are_each_explained() -> None:
    table = TEXT.split("<!-- figures: begin -->")[1].split("<!-- figures: end -->")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[2:]
    assert len(rows) >= 10
    explained = re.findall(r"^- \*\*([^*]+)\*\*:", TEXT.split("<!-- figures: end -->")[1], re.M)
    for row in rows:
        if row.startswith("the same"):
            continue
        name = row.lower().replace("forward, time per op", "forward, time per op,")
        assert any(name.startswith(words.lower()[:18]) for words in explained), row


def habits_namespace() -> dict[str, Any]:
    """Return what the tables "coming from" stand on: README says it in words before them."""
    names: dict[str, Any] = {name: getattr(scalargrad, name) for name in scalargrad.__all__}
    model = nn.MLP(1, [4, 1], activation=tanh, rng=random.Random(0))
    x, y = Value(2.0), Value(3.0)

    def loss(x: float, target: float) -> Any:
        return (model([x]) - target) ** 2

    names.update(
        x=x,
        y=y,
        p=model.parameters()[0],
        f=lambda x: x * scalargrad.sin(x),
        g=lambda v: v[0] * v[1] + v[0] ** 2,
        h=lambda x, y: x * y,
        k=lambda x: (x * x, [x]),
        v=[2.0, 3.0],
        u=[1.0, 0.0],
        model=model,
        total=loss(0.5, 1.0),
        loss=compile(loss),
        batch=(0.5, 1.0),
        optimizer=optim.Adam(model.parameters()),
        file=io.StringIO(),
        MLP=nn.MLP,
        **{"json": json, "nn": nn, "optim": optim, "losses": scalargrad.losses},
        **{"compile": compile},
    )
    return names


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit[0])
def test_habits_run_as_written(habit: tuple[str, str]) -> None:
    names = habits_namespace()
    for code in CODE.findall(habit[1]):
        exec(code, names)


def test_habits_are_found() -> None:
    assert len(HABITS) >= 30


def test_habits_give_the_same_as_their_originals() -> None:
    names = habits_namespace()
    before = [p.grad for p in names["model"].parameters()]
    names["total"].backward()
    eager = [p.grad for p in names["model"].parameters()]
    assert eager != before
    names["model"].zero_grad()
    exec(dict(HABITS)["`loss(*batch).backward()`, where `loss` is compiled"].strip("`"), names)
    compiled = [p.grad for p in names["model"].parameters()]
    assert compiled == pytest.approx(eager, rel=1e-12)
