"""The kit as a student, a teacher and Gradescope use it, and the grades of a class."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from scalargrad.commands.checking import main
from scalargrad.commands.kit import main as kit
from scalargrad.testing import check_engine
from scalargrad.testing.classroom import Grades, grade, shape_of
from scalargrad.testing.report import read_weights
from tests.running import ROOT

TEACHING = ROOT / "demos" / "teaching"
RIGHT = (TEACHING / "step5.py").read_text(encoding="utf-8")
WEIGHTS = read_weights("[weights]\nvalue-add = 1\nderivative-mul = 2\nsecond-backward = 3\n")

TANH = "        y = math.tanh(self.data)\n"

SUBMISSIONS = {
    "ada": RIGHT,
    "bob": RIGHT.replace("parents", "made_of").replace("slope", "rate").replace('"""A', '"""My'),
    "cyd": RIGHT.replace("(other.data, self.data)", "(self.data, other.data)"),
    "dan": "from scalargrad import Value\n",
    "eve": RIGHT.replace("        nodes = self.in_order()\n", "        while True: pass\n"),
    "fay": "class Value(:\n",
    "gil": "print('nothing here')\n",
}


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    folder.mkdir()
    for name, text in SUBMISSIONS.items():
        # Some hand in a file, some a folder.
        place = folder / f"{name}.py" if name < "d" else folder / name / "value.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder


def test_a_class_is_graded(submissions: Path, tmp_path: Path, capsys: object) -> None:
    weights = tmp_path / "grading.toml"
    weights.write_text("[weights]\nvalue-add = 1\nderivative-mul = 2\nsecond-backward = 3\n")
    found = tmp_path / "grades.csv"
    assert main(["--class", str(submissions), "--csv", str(found), "--weights", str(weights)]) == 0
    rows = list(csv.DictReader(io.StringIO(found.read_text(encoding="utf-8"))))
    assert {row["submission"]: float(row["points"]) for row in rows} == {
        **{"ada": 6, "bob": 6, "cyd": 4, "dan": 0, "eve": 1, "fay": 0, "gil": 0}
    }
    assert {row["of"] for row in rows} == {"6.0"}
    remarks = {row["submission"]: row["remark"] for row in rows}
    assert remarks["ada"] == "the same as bob"
    assert remarks["bob"] == "the same as ada"
    assert "scalargrad computes for it, or is imported" in remarks["dan"]
    assert remarks["eve"].startswith("found no way to the derivatives")
    assert "is not Python" in remarks["fay"]
    assert "there is no class" in remarks["gil"]
    assert rows[2]["derivative-mul"] == "0.0"


def test_a_check_that_raises_costs_no_other_its_points(
    submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(engine: str, **settings: Any) -> Any:
        # As where an engine writes answers of its own to where those of its process go.
        if "bob" in engine:
            raise KeyError("replies")
        return check_engine(engine, **settings)

    monkeypatch.setattr("scalargrad.testing.classroom.check_engine", check)
    grades = grade(submissions, WEIGHTS, quick=True, only=["value-add"])
    texts = grades.text().split("\n")
    assert texts[0].startswith("ada  1 of 1")
    assert texts[1].startswith("bob  0 of 1  checking it raises KeyError: 'replies'")


def test_what_most_of_the_class_fails_is_said() -> None:
    reports = [
        check_engine(f"{TEACHING / name}.py:Value", only=["second-backward", "value-add"])
        for name in ("step3", "step4", "step5")
    ]
    from scalargrad.testing.classroom import Grade

    grades = Grades(WEIGHTS, [Grade(str(n), report) for n, report in enumerate(reports)])
    assert "most of the class fails:\n    second-backward: 2 of 3" in grades.text()
    assert "value-add" not in grades.text()


def test_ctrl_c_leaves_what_was_done(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_at_the_third(text: str) -> None:
        if "3 of" in text:
            raise KeyboardInterrupt

    grades = grade(submissions, WEIGHTS, stop_at_the_third, only=[], quick=True)
    assert grades.interrupted
    assert [g.name for g in grades.grades] == ["ada", "bob"]
    assert "the rest is not graded" in grades.text()
    assert grades.alike == [["ada", "bob"]]


@pytest.mark.parametrize(("folder", "error"), [("nowhere", FileNotFoundError), (".", ValueError)])
def test_folders_without_submissions(folder: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        grade(tmp_path / folder)


def test_names_do_not_hide_a_copy_and_arithmetic_tells_two_apart() -> None:
    shapes = {name: shape_of(ast.parse(SUBMISSIONS[name])) for name in ("ada", "bob", "cyd")}
    assert shapes["ada"] == shapes["bob"] != shapes["cyd"]


def test_cells_of_a_spreadsheet_are_no_formulas() -> None:
    from scalargrad.testing.classroom import Grade

    text = Grades(None, [Grade("=1+1", None, "@odd")]).csv()
    assert "'=1+1" in text
    assert "'@odd" in text


WRAPPER = """
from scalargrad import Value as Other

class Value:
    def __init__(self, data):
        self.inner = data if isinstance(data, Other) else Other(data)

    @property
    def data(self):
        return self.inner.data

    @property
    def grad(self):
        return self.inner.grad

    def __add__(self, other):
        return Value(self.inner + (other.inner if isinstance(other, Value) else other))

    def __mul__(self, other):
        return Value(self.inner * (other.inner if isinstance(other, Value) else other))

    def backward(self):
        self.inner.backward()
"""


def test_what_scalargrad_computes_is_not_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "value.py"
    file.write_text(WRAPPER, encoding="utf-8")
    report = check_engine(f"{file}:Value", only=["own-arithmetic", "value-mul"])
    (failed,) = report.failed
    assert failed.name == "own-arithmetic"
    assert "scalargrad computes for it" in failed.reason
    whole = json.loads(report.gradescope())
    assert sum(test["score"] for test in whole["tests"]) == 0
    assert "No points are given" in whole["output"]


def test_what_an_installed_package_computes_is_not_ones_own(tmp_path: Path) -> None:
    # As micrograd would be, in a folder of installed packages.
    packages = tmp_path / "site-packages"
    (packages / "micrograd").mkdir(parents=True)
    (packages / "micrograd" / "__init__.py").write_text(RIGHT, encoding="utf-8")
    file = tmp_path / "work" / "value.py"
    file.parent.mkdir()
    path = f"import sys\nsys.path.append({str(packages)!r})\n"
    file.write_text(path + "from micrograd import Value\n", encoding="utf-8")
    only = ["own-arithmetic"]
    assert "micrograd computes for it" in check_engine(f"{file}:Value", only=only).failed[0].reason
    assert check_engine(f"{file}:Value", only=only, allow=("micrograd",)).passed
    # A file beside it is the student's own.
    (file.parent / "helper.py").write_text(RIGHT, encoding="utf-8")
    file.write_text("from helper import Value\n", encoding="utf-8")
    assert check_engine(f"{file}:Value", only=only, allow=()).passed


@pytest.mark.numpy
def test_numpy_must_be_allowed_where_points_are_given(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    file = tmp_path / "value.py"
    file.write_text("import numpy as math\n" + RIGHT.replace("import math", ""), encoding="utf-8")
    only = ["own-arithmetic"]
    assert check_engine(f"{file}:Value", only=only).passed
    assert not check_engine(f"{file}:Value", only=only, allow=()).passed
    assert check_engine(f"{file}:Value", only=only, allow=("numpy",)).passed


@pytest.fixture(scope="module")
def kit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit") / "new"
    assert kit([str(folder)]) == 0
    return folder


def test_kit_is_whole(kit_folder: Path) -> None:
    wheel = next(kit_folder.glob("*.whl"))
    page = (kit_folder / "README.md").read_text(encoding="utf-8")
    assert wheel.name in page
    assert "WHEEL" not in page
    for name, first in (("students", "value.py"), ("gradescope", "run_autograder")):
        with zipfile.ZipFile(kit_folder / f"{name}.zip") as zipped:
            assert {first, wheel.name, "grading.toml"} < set(zipped.namelist())
            assert zipped.read(wheel.name) == wheel.read_bytes()
            # No solution is in what students get, in the wheel neither.
            assert not any("step" in file or "demos" in file for file in zipped.namelist())
    with zipfile.ZipFile(wheel) as zipped:
        assert not any("demos" in file for file in zipped.namelist())
        assert "scalargrad/testing/assignment/value.txt" in zipped.namelist()


def test_kit_writes_over_nothing(kit_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kit([str(kit_folder)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_no_text_sends_anyone_to_the_package_of_our_name(kit_folder: Path) -> None:
    for name in ("README.md", "students.zip", "gradescope.zip"):
        place = kit_folder / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(place) as zipped:
                files = [n for n in zipped.namelist() if not n.endswith(".whl")]
                text = "".join(zipped.read(n).decode() for n in files)
        else:
            text = place.read_text(encoding="utf-8")
        assert "install scalargrad" not in text


def wheel_of(package: str, folder: Path) -> None:
    """Write a package that is installed here as a wheel."""
    found = metadata.distribution(package)
    assert found.files is not None
    with zipfile.ZipFile(folder / f"{package}-{found.version}-py3-none-any.whl", "w") as wheel:
        for file in found.files:
            if file.parts[0] != ".." and "__pycache__" not in file.parts:
                wheel.write(str(file.locate()), str(file))


@pytest.fixture(scope="module")
def autograder(kit_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what is /autograder to Gradescope, set up by the kit's own script."""
    root = tmp_path_factory.mktemp("autograder")
    wheels = tmp_path_factory.mktemp("wheels")
    for package in ("hypothesis", "sortedcontainers", "attrs", "exceptiongroup"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            wheel_of(package, wheels)
    with zipfile.ZipFile(kit_folder / "gradescope.zip") as zipped:
        zipped.extractall(root / "source")
        modes = {info.filename: info.external_attr >> 16 for info in zipped.infolist()}
    assert modes["setup.sh"] == modes["run_autograder"] == 0o100755
    for name in ("submission", "results"):
        (root / name).mkdir()
    shutil.copy(root / "source" / "run_autograder", root)
    script(root, "source/setup.sh", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    return root


def script(root: Path, name: str, **variables: str) -> None:
    """Run a script as Gradescope does, in /autograder, with nothing of this environment."""
    paths = f"{Path(sys._base_executable).parent}:/usr/bin:/bin"  # type: ignore[attr-defined]
    clean = {"PATH": paths, "HOME": str(root), "AUTOGRADER": str(root), **variables}
    subprocess.run(["bash", str(root / name)], check=True, env=clean, cwd=root)


def graded_there(root: Path, **files: str) -> dict[str, Any]:
    """Return results.json for a submission of these files, by their names without `.py`."""
    for name, text in files.items():
        (root / "submission" / f"{name}.py").write_text(text, encoding="utf-8")
    script(root, "run_autograder")
    whole: dict[str, Any] = json.loads((root / "results" / "results.json").read_text())
    (root / "results" / "results.json").unlink()
    for name in files:
        (root / "submission" / f"{name}.py").unlink()
    return whole


ON_GRADESCOPE = {
    "the solution": ({"value": RIGHT}, 100),
    "another package's": ({"value": SUBMISSIONS["dan"]}, 0),
    "no Python": ({"value": SUBMISSIONS["fay"]}, 0),
    "names of modules": ({"value": RIGHT, "hypothesis": "1 / 0", "random": "1 / 0"}, 100),
}

posix = pytest.mark.skipif(os.name != "posix", reason="Gradescope's scripts are for Linux")


@pytest.mark.slow
@posix
def test_gradescopes_scripts_do_what_it_documents(autograder: Path) -> None:
    nothing = graded_there(autograder)
    assert nothing["score"] == 0
    assert "no value.py" in nothing["output"]
    for files, points in ON_GRADESCOPE.values():
        whole = graded_there(autograder, **files)
        tests = whole["tests"]
        assert sum(test["score"] for test in tests) == points
        assert sum(test["max_score"] for test in tests) == 100
        for test in tests:
            assert set(test) <= {
                *("name", "score", "max_score", "status", "output", "output_format")
            }
            assert (test["status"] == "passed") == (test["score"] > 0)
        assert set(whole) <= {"tests", "output", "output_format"}


@pytest.mark.slow
@posix
def test_a_submission_that_takes_more_memory_than_the_container_has(autograder: Path) -> None:
    greedy = RIGHT.replace(TANH, f"        bytes(600 * 2**20)\n{TANH}")
    assert greedy != RIGHT
    tests = {test["name"]: test for test in graded_there(autograder, value=greedy)["tests"]}
    assert "MemoryError" in tests["value-tanh"]["output"]
    assert tests["value-add"]["status"] == "passed"


@pytest.mark.slow
@posix
def test_a_student_in_a_clean_environment(kit_folder: Path, autograder: Path) -> None:
    # The first command on the page, on the skeleton and on a solution.
    work = autograder / "student"
    with zipfile.ZipFile(kit_folder / "students.zip") as zipped:
        zipped.extractall(work)
    python = str(autograder / "env" / "bin" / "python")
    command = [python, "-m", "scalargrad", "check", "value.py:Value", "--only=value-add"]
    command += ["--require=add"]
    before = set(work.iterdir())
    for text, status in (((work / "value.py").read_text(encoding="utf-8"), 1), (RIGHT, 0)):
        (work / "value.py").write_text(text, encoding="utf-8")
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
    assert set(work.iterdir()) == before  # nothing is left there
