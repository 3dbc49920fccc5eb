"""The kit as a student, a teacher and Gradescope use it, and the grades of a class."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

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


def environment(folder: Path, wheel: Path) -> Path:
    """Make a virtual environment with the wheel, and this one's Hypothesis; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    import hypothesis

    packages = Path(hypothesis.__file__).parent.parent
    (site,) = folder.glob("lib/*/site-packages")
    for package in packages.iterdir():
        wanted = ("hypothesis", "sortedcontainers", "attr", "attrs", "exceptiongroup", "typing")
        if package.name.startswith(wanted) or package.name.startswith("_hypothesis"):
            (site / package.name).symlink_to(package)
    return python


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Gradescope's scripts are for Linux")
def test_kit_in_a_clean_environment(kit_folder: Path, tmp_path: Path) -> None:
    # As a student: the first command on the page, on the skeleton and on a solution.
    work = tmp_path / "student"
    with zipfile.ZipFile(kit_folder / "students.zip") as zipped:
        zipped.extractall(work)
    python = environment(tmp_path / "env", next(work.glob("*.whl")))
    command = [str(python), "-m", "scalargrad", "check", "value.py:Value", "--only=value-add"]
    command += ["--require=add"]
    before = set(work.iterdir())
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    (work / "value.py").write_text(RIGHT, encoding="utf-8")
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(work.iterdir()) == before  # nothing is left there
    # As Gradescope: unpack to source, run run_autograder, read results.json. Its setup.sh makes
    # what `environment` makes here.
    root = tmp_path / "autograder"
    with zipfile.ZipFile(kit_folder / "gradescope.zip") as zipped:
        zipped.extractall(root / "source")
    for name in ("submission", "results"):
        (root / name).mkdir()
    (root / "env").symlink_to(tmp_path / "env")
    results = root / "results" / "results.json"
    variables = {**os.environ, "AUTOGRADER": str(root)}
    run = ["bash", str(root / "source" / "run_autograder")]
    subprocess.run(run, check=True, env=variables)
    assert json.loads(results.read_text())["score"] == 0
    for text, points in ((RIGHT, 100), (SUBMISSIONS["dan"], 0)):
        results.unlink()
        (root / "submission" / "value.py").write_text(text, encoding="utf-8")
        subprocess.run(run, check=True, env=variables)
        tests = json.loads(results.read_text())["tests"]
        assert sum(test["score"] for test in tests) == points
        assert sum(test["max_score"] for test in tests) == 100
        for test in tests:
            assert set(test) == {"name", "score", "max_score", "status", "output"}
