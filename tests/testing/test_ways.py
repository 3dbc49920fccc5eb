"""How an engine is found to be used: options, odd leaves, files that import each other, stubs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scalargrad.testing import Report, check_engine
from scalargrad.testing.trial import Options
from tests.engines.making import RIGHT as ENGINE
from tests.engines.making import changed, written
from tests.engines.shapes import SHAPES
from tests.running import PLAIN

ONLY = ["usable", "derivative-mul"]


def judged(file: Path, engine: str = "Value", **settings: Any) -> Report:
    return check_engine(f"{file}:{engine}", only=ONLY, **settings)


def test_unusual_names_are_found_by_trying(tmp_path: Path) -> None:
    text = changed((".data", ".alpha"), (".grad", ".beta"), ("def backward", "def go_back"))
    assert judged(written(tmp_path, text)).passed


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ([("def backward", "def go")], {"backward": "go"}),
        ([("def backward", "def go")], {"backward": "{}.go()"}),
        (
            [("def __init__(self, data: Any,", "def __init__(self, unit: str, data: Any,"),
             ("Value(", "Value('m', ")],
            {"leaf": "Value('m', {})"},
        ),
        ([(".grad", ".beta")], {"gradient": "beta"}),
        ([(".data", ".alpha")], {"data": "alpha"}),
        (
            [("    def backward", "    def go(self, x: Value) -> float:\n        x.grad = 0.0\n"
              "        self.back()\n        return x.grad\n\n    def back"), (".grad", ".beta")],
            {"gradient": "{0}.go({1})"},
        ),
    ],
)  # fmt: skip
def test_what_is_said_is_used(
    changes: list[tuple[str, str]], settings: dict[str, str], tmp_path: Path
) -> None:
    assert judged(written(tmp_path, changed(*changes)), **settings).passed


def test_wrong_words_fail_as_usable_alone(tmp_path: Path) -> None:
    report = check_engine(f"{written(tmp_path, ENGINE)}:Value", backward="order", quick=True)
    (failed,) = report.failed
    assert failed.name == "usable"
    assert "c.order()" in failed.reason
    assert "--backward" in failed.reason
    assert {r.cause for r in report.absent} >= {"usable"}


def test_one_nodes_own_step_is_not_the_pass(tmp_path: Path) -> None:
    text = ENGINE.replace("def backward", "def run_all").replace("pass_back", "backward")
    file = written(tmp_path, text)
    assert not judged(file).passed
    assert judged(file, backward="run_all").passed


ALONG_ALL = """
class Node:
    def __init__(self, value, terms=()):
        self.value = value
        self.terms = terms

    def __add__(self, other):
        return Node(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Node(self.value * other.value, ((self, other.value), (other, self.value)))

    def gradient(self):
        return sum(w * x.gradient() for x, w in self.terms) if self.terms else 1.0
"""


def test_the_derivative_along_all_inputs_at_once_is_no_gradient(tmp_path: Path) -> None:
    # Each leaf's number is 1, which is right for a sum.
    report = check_engine(f"{written(tmp_path, ALONG_ALL)}:Node", quick=True)
    assert [r.name for r in report.failed] == ["usable"], report.text()


def test_what_is_told_of_a_class_that_cannot_be_used(tmp_path: Path) -> None:
    text = ENGINE.replace("self.data + other.data", "self.data.__add__(other)")
    text = text.replace("self.data * other.data", "graphs_that_are_not_there.times(self, other)")
    text = text.replace("import math\n", "import math\nimport graphs_that_are_not_there\n", 1)
    text = text[: text.index("    def __truediv__")]
    text = text.replace("self.data - other.data", "None")
    (failed,) = judged(written(tmp_path, text)).failed
    assert failed.name == "usable"
    assert "c.data is NotImplemented, right is 8.0" in failed.reason
    assert "(without graphs_that_are_not_there, not installed)" in failed.reason


@pytest.mark.slow
def test_a_class_that_takes_its_time_is_told_which_options_help(tmp_path: Path) -> None:
    text = ENGINE.replace("        self.data = data\n", "        while True:\n            pass\n")
    (failed,) = judged(written(tmp_path, text), quick=True).failed
    assert "--leaf" in failed.reason, failed.reason


def test_files_that_import_each_other_from_a_folder_that_is_no_package(tmp_path: Path) -> None:
    lift = "    @staticmethod\n    def lift(x: Any) -> Value:\n"
    text = ENGINE.replace("import math\n", "import math\nfrom IMPORT import twice\n", 1)
    assert lift in text
    for form in ("ops", "grads.ops", ".ops"):
        folder = tmp_path / form.strip(".").replace(".", "_") / "grads"
        written(folder, "def twice(x):\n    return 2 * x\n", "ops.py")
        file = written(folder, text.replace("IMPORT", form))
        report = judged(file)
        assert report.passed, (form, report.text())


def test_a_folder_around_the_package_with_an_init_of_its_own(tmp_path: Path) -> None:
    written(tmp_path / "top", "", "__init__.py")
    folder = tmp_path / "top" / "grads"
    written(folder, "", "__init__.py")
    ops = "from grads import engine\ndef is_node(x):\n    return isinstance(x, engine.Value)\n"
    written(folder, ops, "ops.py")
    text = ENGINE.replace("import math\n", "import math\nfrom grads import ops\n", 1)
    report = judged(written(folder, text.replace("isinstance(x, Value)", "ops.is_node(x)")))
    assert report.passed, report.text()
    assert not any("not installed" in note for note in report.notes)


def test_a_package_that_needs_what_is_missing_is_whole_when_it_is_imported_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "grads"
    written(folder, "from .engine import Value\nfrom . import fast\n", "__init__.py")
    written(folder, "import compilers_that_are_not_there\n", "fast.py")
    text = ENGINE.replace(
        "        return x if isinstance(x, Value)",
        "        import grads\n\n        return x if isinstance(x, grads.engine.Value)",
    )
    assert "import grads" in text
    report = judged(written(folder, text))
    assert report.passed, report.text()
    assert report.imports == "grads.engine"


def test_the_line_that_imports_names_the_functions_that_the_code_uses(tmp_path: Path) -> None:
    text, name = SHAPES["dual"]
    wrong = text.replace("(1 - y * y) * x.dual", "(1 - y) * x.dual")
    report = check_engine(f"{written(tmp_path, wrong)}:{name}", only=["derivative-tanh"])
    assert "The code needs: from engine import Dual, tanh" in report.text().split("\n")


def test_what_there_was_no_time_for_is_no_failure_and_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Options, "total_seconds", 0.0)
    report = judged(written(tmp_path, ENGINE))
    assert {(r.verdict, r.reason) for r in report.results} == {
        ("absent", "the time for the whole check is used up")
    }
    assert not report.passed
    assert set(report.points().values()) == {(0.0, 1.0)}


def test_a_result_that_is_no_number_is_not_said_to_raise(tmp_path: Path) -> None:
    text = ENGINE.replace("self.apply(t, 1 - t * t)", "self.apply(Value(t), 1 - t * t)")
    report = check_engine(f"{written(tmp_path, text)}:Value", only=["value-tanh"])
    (failed,) = report.failed
    assert failed.reason == "b.data is a Value, not a number"
    assert "raises" not in (failed.counterexample or "")


def test_what_is_told_leaves_out_names_that_are_not_there_and_what_was_said(tmp_path: Path) -> None:
    text = ENGINE.replace("self.data = data", "self.data = data.real_part")
    (failed,) = judged(written(tmp_path, text)).failed
    assert failed.reason.count("'float' object has no attribute 'real_part'") == 1
    assert "add(a, b)" not in failed.reason


def test_a_module_that_goes_by_two_names_is_loaded_once(tmp_path: Path) -> None:
    either = "try:\n    import {0}\nexcept ModuleNotFoundError:\n    from . import {0}\n"
    helper = f"{either.format('engine')}\ndef is_node(x):\n    return isinstance(x, engine.Value)\n"
    written(tmp_path / "grads", helper, "helper.py")
    text = ENGINE.replace("import math\n", f"import math\n{either.format('helper')}", 1)
    text = text.replace("isinstance(x, Value)", "helper.is_node(x)")
    report = judged(written(tmp_path / "grads", text))
    assert report.passed, report.text()


def above_the_class(text: str) -> str:
    return ENGINE.replace("\nclass Value", f"{text}\nclass Value", 1)


def test_a_missing_package_is_done_without(tmp_path: Path) -> None:
    text = "import graphs_that_are_not_there as g\nfrom torch_x.nn import Module\n"
    report = judged(written(tmp_path, above_the_class(text)))
    assert report.passed, report.text()
    assert "not installed, and done without: graphs_that_are_not_there, torch_x" in report.notes
    decorated = f"{text}\n@g.jit\ndef f(x):\n    return x\n\n"
    assert judged(written(tmp_path, above_the_class(decorated))).passed


def test_a_package_that_is_there_can_be_done_without(tmp_path: Path) -> None:
    file = written(tmp_path, above_the_class("import json.decoder\njson.anything.goes()\n"))
    report = judged(file, stub=("json",))
    assert report.passed, report.text()
    assert any("json" in note for note in report.notes)


def test_what_goes_wrong_below_the_class_is_noted(tmp_path: Path) -> None:
    report = judged(written(tmp_path, ENGINE + "\nprint(1 / 0)\n"))
    assert report.passed
    assert "below the class its file raises ZeroDivisionError: division by zero" in report.notes


@pytest.mark.slow
def test_a_file_that_runs_on_below_the_class_is_tested_all_the_same(tmp_path: Path) -> None:
    report = judged(written(tmp_path, ENGINE + "\nwhile True:\n    pass\n"))
    assert report.passed


def test_answers_that_depend_on_the_order_of_a_set_are_counted(tmp_path: Path) -> None:
    # Nodes in an order of chance, which no seed repeats: sometimes right, sometimes not.
    text = ENGINE.replace(
        "        for node in reversed(ordered):\n            node.pass_back()\n",
        "        for node in sorted(ordered, key=lambda n: (n is not self, urandom(1))):\n"
        "            node.pass_back()\n",
    )
    assert text != ENGINE
    file = written(tmp_path, text.replace("import math\n", "import math\nfrom os import urandom\n"))
    report = check_engine(f"{file}:Value", quick=True, only=["chain", "reuse", "diamonds"])
    assert report.failed
    texts = [r.counterexample or "" for r in report.failed]
    reasons = [r.reason for r in report.failed]
    loops = [code for code in texts if code.startswith("for _ in range(10):\n    a = Value(")]
    assert len(loops) == sum("of 10 times)" in reason for reason in reasons)
    assert loops, reasons


def test_forward_mode_and_pull_mode_are_named(tmp_path: Path) -> None:
    for shape, words in (("dual", "forward mode"), ("pull", "a gradient is asked for")):
        text, name = SHAPES[shape]
        report = judged(written(tmp_path, text), name)
        assert report.passed
        assert any(words in note for note in report.notes)


TASTES = {
    "relu's slope": ("1.0 if self.data > 0 else 0.0)", "1.0 if self.data >= 0 else 0.0)"),
    "log(x)": ("self.apply(math.log(self.data)", "self.apply(math.log(self.data + 1e-8)"),
}


@pytest.mark.parametrize("what", TASTES)
def test_a_choice_is_noted_and_fails_by_pytorchs_taste(what: str, tmp_path: Path) -> None:
    file = written(tmp_path, ENGINE.replace(*TASTES[what]))
    patterns = ["kinks", "taste-*", "value-log", "derivative-log", "large-log", "domain-log"]
    report = check_engine(f"{file}:Value", only=patterns)
    assert report.passed, report.text()
    assert any(note.startswith(f"a choice: {what}") for note in report.notes), report.notes
    strict = check_engine(f"{file}:Value", only=patterns, taste="pytorch")
    assert any(r.name.startswith("taste-") and what in r.reason for r in strict.failed)
    with pytest.raises(ValueError, match="no taste is called 'mine'"):
        check_engine(f"{file}:Value", taste="mine")


def test_a_refusal_in_words_is_no_failure(tmp_path: Path) -> None:
    for refusal in (
        "raise Exception('not supported')",
        "raise NotImplementedError",
        "assert False",
    ):
        text = ENGINE.replace(
            "        t = math.tanh(self.data)\n", f"        {refusal}\n        t = 0\n"
        )
        file = written(tmp_path, text)
        report = check_engine(f"{file}:Value", only=["value-tanh"])
        assert [r.verdict for r in report.results] == ["absent"]
        assert not check_engine(f"{file}:Value", only=["value-tanh"], require=["tanh"]).passed


def test_a_helper_for_plain_numbers_is_no_op(tmp_path: Path) -> None:
    helper = "\n\ndef softplus(x):\n    return math.log(1 + math.exp(getattr(x, 'data', x)))\n"
    file = written(tmp_path, ENGINE + helper)
    report = check_engine(f"{file}:Value", only=["value-softplus", "derivative-softplus"])
    assert {r.verdict for r in report.results} == {"absent"}


def test_help_needs_no_hypothesis_and_nothing_is_left_behind(tmp_path: Path) -> None:
    written(tmp_path, ENGINE)
    written(tmp_path / "broken", "raise ImportError\n", "hypothesis.py")
    command = [sys.executable, "-m", "scalargrad", "check"]
    for arguments, extra in ((["--help"], {"PYTHONPATH": str(tmp_path / "broken")}), (
        ["engine.py:Value", "--only=random-graphs", "--examples=3"], {})):  # fmt: skip
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={**PLAIN, "PATH": os.environ["PATH"], **extra},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "engine.py"]
