"""The command line: what it prints where, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scalargrad.__main__ import COMMANDS
from scalargrad.__main__ import main as dispatch
from scalargrad.commands.checking import main
from tests.engines import closures
from tests.engines.defects import DEFECTS
from tests.engines.making import RIGHT, written

ENGINE = f"{closures.__file__}:Value"


@pytest.fixture
def bad_engine(tmp_path: Path) -> str:
    defect = next(d for d in DEFECTS if d.name == "mul_overwrites")
    return f"{written(tmp_path, defect.source)}:Value"


def test_text_has_what_failed_first_and_counterexamples(
    bad_engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([bad_engine, "--only", "reuse,value-tanh,value-acos"]) == 1
    output = capsys.readouterr()
    lines = output.out.split("\n")
    assert lines[0].endswith("engine.py:Value: 1 failed, 1 held; 1 ops this engine does not have")
    assert lines[2].startswith("failed  reuse: A node used several times")
    assert "    print(a.grad)  # right: 6.0" in lines
    assert "The code needs: from engine import Value" in lines
    assert lines.index("held: value-tanh") > lines.index("    print(a.grad)  # right: 6.0")
    # Progress is for terminals.
    assert output.err == ""


def test_json_is_one_object(bad_engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([bad_engine, "--only=reuse,value-tanh,value-acos", "--format=json"]) == 1
    found = json.loads(capsys.readouterr().out)
    verdicts = {p["name"]: p["verdict"] for p in found["properties"]}
    assert verdicts == {"value-tanh": "held", "value-acos": "absent", "reuse": "failed"}
    for prop in found["properties"]:
        assert set(prop) == {"name", "law", "verdict", "reason", "counterexample", "cause"}
        assert bool(prop["counterexample"]) == (prop["verdict"] == "failed")


def test_junit_is_xml_with_a_case_for_each(
    bad_engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([bad_engine, "--only=reuse,value-tanh,value-acos", "--format=junit"])
    suite = ElementTree.fromstring(capsys.readouterr().out)
    assert suite.tag == "testsuite"
    counts = {key: suite.get(key) for key in ("tests", "failures", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "skipped": "1"}
    assert {c.get("name") for c in suite} == {"reuse", "value-tanh", "value-acos"}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "b = a * a" in (failure.text or "")


def test_gradescope_counts_the_points(
    bad_engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.toml"
    weights.write_text('[weights]\nreuse = 3\n"value-*" = 0.5\n', encoding="utf-8")
    only = "--only=reuse,value-tanh,value-acos,sum"
    main([bad_engine, only, "--format=gradescope", f"--weights={weights}"])
    tests = json.loads(capsys.readouterr().out)["tests"]
    points = {t["name"]: (t["score"], t["max_score"]) for t in tests}
    # What the weights name and the engine lacks gets no points.
    assert points == {"reuse": (0.0, 3.0), "value-tanh": (0.5, 0.5), "value-acos": (0.0, 0.5)}


def test_all_held_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([ENGINE, "--only", "reuse"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py:Value"], "there is no file nowhere.py"),
        (["Value"], "names no class"),
        ([ENGINE, "--only", "nothing"], "no property is called 'nothing'"),
        ([ENGINE, "--require", "nothing"], "no op is called 'nothing'"),
        ([ENGINE, "--weights", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_wrong_calls_are_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert words in output.err


@pytest.mark.parametrize("arguments", [[], ["--examples", "0", ENGINE], [ENGINE, "--format", "x"]])
def test_wrong_options_are_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2


@pytest.mark.parametrize(
    "text", ["reuse = 1", "[weights]\nreuse", "[weights]\nreuse = -1", "[other]\nreuse = 1"]
)
def test_bad_weights_say_the_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.toml"
    weights.write_text(text, encoding="utf-8")
    assert main([ENGINE, "--format=gradescope", f"--weights={weights}"]) == 2
    assert "of the weights" in capsys.readouterr().err


def test_module_is_found_from_the_working_directory(tmp_path: Path) -> None:
    written(tmp_path, RIGHT, "homework.py")
    command = [sys.executable, "-m", "scalargrad", "check", "homework:Value", "--only=reuse"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["--help"]) == 0
    listing = capsys.readouterr().out
    assert all(f"  {name} " in listing for name in COMMANDS)
    assert dispatch([]) == 2
    assert dispatch(["nothing"]) == 2
    assert capsys.readouterr().out == ""


def test_without_hypothesis_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "hypothesis.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'hypothesis'\", name='hypothesis')"
    )
    command = [sys.executable, "-m", "scalargrad", "check", ENGINE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == ("error: scalargrad.testing needs Hypothesis: pip install hypothesis\n")
