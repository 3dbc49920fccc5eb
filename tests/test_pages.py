"""README and the guide tell the truth: their scripts, tables, commands and links are tried."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import random
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import scalargrad
from scalargrad import Value, compile, nn, optim, tanh
from scalargrad.functions.methods import public_functions
from tests.pages import (
    BLOCKS,
    OTHERS,
    PAGES,
    README,
    ROOT,
    SCRIPTS,
    Block,
    name_of,
    text_of,
)

GUIDE = ROOT / "demos" / "guide"
TABLES = text_of(GUIDE / "coming-from.md")
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


def promised(script: str) -> list[str]:
    return re.findall(r"^# prints:(?: (.*))?$", script, re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_scripts_print_what_they_say(
    script: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert promised(script.text)
    file = tmp_path / "script.py"
    file.write_text(script.text, encoding="utf-8")
    runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == promised(script.text)


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
@pytest.mark.slow
def test_scripts_print_what_they_say_when_pasted(script: Block, tmp_path: Path) -> None:
    # Interactive Python ends an indented block at a blank line, and prints what expressions give.
    printed = run(["-i", "-q"], tmp_path, script.text)
    assert printed.splitlines() == promised(script.text)


# A terminal hands on what is pasted as one cell, and a prompt that is fed takes it by lines.
CELLS = """
import json, sys
from IPython.terminal.interactiveshell import TerminalInteractiveShell

shell = TerminalInteractiveShell.instance(simple_prompt=True)
for script in json.load(sys.stdin):
    shell.reset()
    shell.run_cell(script).raise_error()
    print("the end")
"""
SESSION = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
@pytest.mark.slow
def test_scripts_print_what_they_say_in_ipython(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    scripts = [script.text for script in SCRIPTS]
    by_cells = run(["-c", CELLS], tmp_path, json.dumps(scripts))
    by_lines = run(SESSION, tmp_path, "\n%reset -f\nprint('the end')\n".join([*scripts, ""]))
    by_lines = re.sub(r"^(In \[\d+\]: | *\.\.\.: )+", "", by_lines, flags=re.MULTILINE)
    for printed in (by_cells, by_lines):
        *parts, _ = printed.split("the end\n")
        for script, part in zip(SCRIPTS, parts, strict=True):
            expected = [line for line in promised(script.text) if line]
            assert [line for line in part.splitlines() if line.strip()] == expected, name_of(script)


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_scripts_can_be_pasted_whole(script: Block) -> None:
    # Each statement ends where interactive Python, which reads line by line, says it does.
    lines = script.text.splitlines()
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
            assert f"<!-- output: {command} -->" in text_of(block.page), command
        else:
            assert block.language == "python" or block.marker.startswith("output:")


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_it_runs_are_there(page: Path) -> None:
    for module in re.findall(r"python3? -m ((?:demos|tests|scalargrad)[\w.]*)", text_of(page)):
        assert importlib.util.find_spec(module.rstrip(".")), module


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^):]+)\)", text_of(page)):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors_of(file), target


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_it_names_are_there(page: Path) -> None:
    for path in re.findall(r"`((?:scalargrad|tests|demos)/[^`\s:]*)`", text_of(page)):
        if "NAME" not in path:  # a pattern for the reader to fill in
            assert (ROOT / path).exists(), path


def test_the_front_page_is_short() -> None:
    assert len(README.read_bytes()) <= 9_000


def test_the_guides_index_lists_each_page() -> None:
    index = text_of(GUIDE / "README.md")
    for page in GUIDE.glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_the_guide_lists_each_function() -> None:
    listed, _, _ = text_of(GUIDE / "derivatives.md").partition("**Numbers**")
    assert set(public_functions()) <= set(re.findall(r"\w+", listed))


def test_lines_to_read_first_are_counted() -> None:
    text = text_of(GUIDE / "how-it-works.md")
    files = re.findall(r"\]\(../../(scalargrad/engine/\w+\.py)\)", text)
    count = sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files)
    assert f"They are {count} lines together" in text


def test_figures_are_each_explained() -> None:
    text = text_of(ROOT / "tests" / "benchmarks" / "README.md")
    table = text.split("<!-- figures: begin -->")[1].split("<!-- figures: end -->")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[2:]
    assert len(rows) >= 10
    explained = re.findall(r"^- \*\*([^*]+)\*\*:", text.split("<!-- figures: end -->")[1], re.M)
    for row in rows:
        if row.startswith("the same"):
            continue
        name = row.lower().replace("forward, time per op", "forward, time per op,")
        assert any(name.startswith(words.lower()[:18]) for words in explained), row


def habits_namespace() -> dict[str, Any]:
    """Return what the tables "coming from" stand on: the page says it in words before them."""
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
