"""The suite finds what is wrong, blames the right property, and accuses nothing that is right."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

import scalargrad
from scalargrad.testing import EngineSuite, Report, check_engine
from scalargrad.testing.process import Source
from scalargrad.testing.properties import ALL
from scalargrad.testing.suite import Bench
from scalargrad.testing.trial import Options
from tests.engines import closures, dual, tuples
from tests.engines.defects import DEFECTS, Defect, load
from tests.engines.hostile import HOSTILE, Hostile
from tests.engines.making import RIGHT as RIGHT_TEXT
from tests.engines.making import changed, made, written
from tests.sampled import one_in

RIGHT = [closures.Value, tuples.Var, dual.Dual, scalargrad.Value]


def why(report: Report) -> str:
    return "\n".join(f"{r.name}: {r.reason}\n{r.counterexample}" for r in report.failed)


def ops_in(counterexample: str) -> int:
    """Count the lines that apply an op: not those that make leaves, or run and show things."""
    operators = re.compile(r" (\+|-|\*|/|\*\*|%)=? |= -|sum\(|\.\w+\([a-z, ]*\)$|abs\(")
    return sum(
        bool(operators.search(line.split("  #")[0]))
        for line in counterexample.split("\n")
        if not line.startswith(("print", "import", "from")) and ".backward()" not in line
    )


def numbers_shown(counterexample: str, engine: Any) -> list[str]:
    """Run a counterexample as it would be pasted, and return what it prints."""
    printed: list[str] = []
    names = {engine.__name__: engine, "print": lambda *xs: printed.append(" ".join(map(str, xs)))}
    exec(counterexample, names)
    return printed


@pytest.mark.parametrize("defect", one_in(16, DEFECTS))
def test_defect_is_found_by_its_property(defect: Defect) -> None:
    engine = load(defect)
    # Doublings hang: two seconds of that are enough.
    quick = defect.found_by == "doublings"
    report = check_engine(engine, only=[defect.found_by], quick=quick)
    (result,) = report.results
    assert result.verdict == "failed", result
    code = result.counterexample
    assert code is not None
    if defect.found_by != "memory":
        assert ops_in(code) <= 3, code
    # The last line shows a number; the right one stands in its comment.
    shown, right = code.split("\n")[-1].split("  # right: ")
    assert shown.startswith("print(")
    if "# raises" not in code and defect.found_by not in ("doublings",):
        (wrong,) = numbers_shown(code, engine)
        assert wrong != right


@pytest.mark.parametrize("engine", RIGHT, ids=lambda engine: engine.__module__)
@pytest.mark.slow
def test_right_engines_are_not_accused(engine: Any) -> None:
    report = check_engine(engine, examples=20)
    assert report.passed, why(report)
    assert len(report.held) >= 25


def test_micrograds_two_faults_are_told() -> None:
    """Interior gradients that are not zeroed, and recursion, together."""
    defects = {defect.name: defect for defect in DEFECTS}
    first, second = defects["interior_counted_twice"], defects["recursion"]
    engine = made(changed((second.old, second.new), text=first.source))
    only = ["second-backward", "overlapping-graphs", "depth", "reuse", "diamonds"]
    report = check_engine(engine, only=only, quick=True)
    assert {r.name for r in report.failed} == {"second-backward", "overlapping-graphs", "depth"}


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
@pytest.mark.slow
def test_hostile_op_fails_its_property_and_the_rest_still_runs(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hostile.name == "ten_gigabytes" and not Path("/proc/self/statm").exists():
        pytest.skip("this system cannot limit a process's memory")
    file = written(tmp_path, hostile.source)
    only = ["own-arithmetic", "value-tanh", "value-sin", "operands-unchanged", "sum"]
    only += ["random-graphs"]
    quick = hostile.name == "endless_loop"
    report = check_engine(f"{file}:Value", only=only, quick=quick, examples=5)
    verdicts = {r.name: r.verdict for r in report.results}
    assert verdicts.pop("value-tanh") == "failed"
    assert set(verdicts.values()) == {"held"}, why(report)
    (failed,) = report.failed
    assert hostile.reason in failed.reason


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot copy a process")
def test_copies_of_the_process_do_not_answer(tmp_path: Path) -> None:
    copies = "        import os; os.fork(); os.fork()\n"
    file = written(tmp_path, changed(("        t = math.tanh", f"{copies}        t = math.tanh")))
    only = ["own-arithmetic", "value-tanh", "derivative-tanh", "value-sin"]
    report = check_engine(f"{file}:Value", only=only)
    assert len(report.held) == 4, why(report)


def test_builtins_that_change_at_import_are_told(tmp_path: Path) -> None:
    file = written(tmp_path, RIGHT_TEXT + "\n\nimport builtins\nbuiltins.len = lambda x: 7\n")
    report = check_engine(f"{file}:Value", only=["builtins", "value-add"])
    assert [(r.name, r.verdict) for r in report.results] == [
        ("value-add", "held"),
        ("builtins", "failed"),
    ]
    assert "builtins.len" in report.failed[0].reason


def test_what_is_printed_does_not_reach_the_report(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = "        import os; print('noise'); os.write(1, b'noise'); os.write(2, b'noise')\n"
    text = changed(("        t = math.tanh", noise + "        t = math.tanh"))
    file = written(tmp_path, text)
    assert check_engine(f"{file}:Value", only=["value-tanh"]).passed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Value:\n    pass\n", "takes no arguments"),
        ("class Value(:\n", "SyntaxError"),
        ("import os\nos._exit(0)\n", "exit status 0"),
        ("raise SystemExit('no')\n", "SystemExit"),
        ("class Value:\n    def __init__(self, x): pass\n", "--data"),
        ("class Value:\n    def __init__(self, x): self.data = x\n", "backward"),
    ],
)
def test_class_that_cannot_be_used_fails_with_the_reason(
    source: str, reason: str, tmp_path: Path
) -> None:
    file = written(tmp_path, source)
    report = check_engine(f"{file}:Value", only=["usable"])
    (result,) = report.failed
    assert reason in result.reason


@pytest.mark.slow
def test_same_seed_gives_the_same_report() -> None:
    defect = next(d for d in DEFECTS if d.name == "function_of_a_function")
    first, second = (
        check_engine(load(defect), only=["random-*"], seed=5, quick=True) for _ in range(2)
    )
    assert first == second
    assert first.failed


def test_wrong_forward_is_not_blamed_on_backward() -> None:
    defect = next(d for d in DEFECTS if d.name == "wrong_log")
    right = ("1 / self.data)", "1 / (self.data * math.log(10)))")
    engine = made(changed(right, text=defect.source))
    report = check_engine(engine, only=["value-log", "derivative-log"])
    assert [r.verdict for r in report.results] == ["failed", "held"]


def test_an_op_that_there_is_no_right_one_to_use_with_is_not_called_wrong() -> None:
    wrong = next(d for d in DEFECTS if d.name == "mul_by_own_number").source
    text = changed(("def __sub__", "def less"), ("def __truediv__", "def over"), text=wrong)
    (result,) = check_engine(made(text), only=["equal-numbers"]).results
    assert (result.verdict, result.reason) == (
        "absent",
        "needs +, which was not tested with others",
    )


def test_required_op_that_is_absent_fails() -> None:
    only = ["value-sqrt", "value-sin"]
    report = check_engine(tuples.Var, only=only, require=["sin"])
    verdicts = {r.name: (r.verdict, r.reason) for r in report.results}
    assert verdicts["value-sin"] == ("failed", "required, but sin is not there")
    assert verdicts["value-sqrt"] == ("absent", "sqrt is not there")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"only": ["nothing"]}, "no property is called 'nothing'"),
        ({"require": ["nothing"]}, "no op is called 'nothing'"),
    ],
)
def test_unknown_names_are_errors(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_engine(closures.Value, **options)


def test_what_is_no_engine_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="an engine is a class"):
        check_engine(3)


def test_attributes_can_be_named(tmp_path: Path) -> None:
    text = changed((".data", ".alpha"), (".grad", ".beta"), ("def backward", "def go"))
    file = written(tmp_path, text)
    only = ["usable", "derivative-mul"]
    assert not check_engine(f"{file}:Value", only=only).passed
    report = check_engine(f"{file}:Value", only=only, gradient="beta", backward="go")
    assert report.passed, why(report)


SEED = ("def backward(self) -> None:", "def backward(self, grad: float = 1.0) -> None:")


def test_seed_that_can_be_given_is_used() -> None:
    used = made(changed(SEED, ("self.grad += 1.0\n", "self.grad += grad\n")))
    assert check_engine(used, only=["seed"]).passed
    (failed,) = check_engine(made(changed(SEED)), only=["seed"]).failed
    assert failed.counterexample is not None
    assert "c.backward(2.0)" in failed.counterexample


def test_seed_that_must_be_given_is_given() -> None:
    required = (SEED[0], "def backward(self, grad: float) -> None:")
    engine = made(changed(required, ("self.grad += 1.0\n", "self.grad += grad\n")))
    assert check_engine(engine, only=["seed", "reuse", "derivative-mul"]).passed


def test_engine_of_nodes_only_is_not_accused_of_it() -> None:
    engine = made(changed(("return x if isinstance(x, Value) else Value(x)", "return x")))
    only = ["numbers-add", "numbers-sub", "numbers-mul", "numbers-div", "sum"]
    report = check_engine(engine, only=only)
    assert {result.verdict for result in report.results} == {"absent"}


def test_names_that_mean_something_else_are_not_there() -> None:
    only = ["value-maximum", "value-hypot"]
    assert len(check_engine(closures.Value, only=only).held) == 2
    reduction = "    def max(self, axis: Any) -> Any:\n        return self.data[axis]\n\n"
    text = changed(
        ("    def maximum(", reduction + "    def larger("),
        ("def hypot(self, other: Value, third: Value)", "def hypot(self, other: Value)"),
    )
    engine = made(text)
    assert len(check_engine(engine, only=only).absent) == 2


@pytest.mark.slow
def test_hanging_backward_leaves_the_rest_tested() -> None:
    engine = made(changed(("        ordered = self.order()\n", "        while True: pass\n")))
    report = check_engine(engine, only=["value-mul", "seed"], quick=True)
    verdicts = {r.name: r.verdict for r in report.results}
    assert verdicts == {"usable": "failed", "value-mul": "held", "seed": "absent"}


def test_limits_that_the_system_lacks_are_said() -> None:
    bench = Bench(Source.of(closures.Value), Options())
    try:
        bench.trial.ready["memory_limited"] = False
        assert "cannot limit a process's memory" in bench.notes()[0]
    finally:
        bench.close()


def test_on_a_busy_machine_time_goes_by_more_slowly() -> None:
    bench = Bench(Source.of(closures.Value), Options())
    try:
        began, before = time.monotonic(), bench.trial.clock()
        time.sleep(0.3)
        assert 0 < bench.trial.clock() - before < (time.monotonic() - began) / 2
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        assert bench.trial.clock() >= 0.1  # what is computed counts in full
    finally:
        bench.close()


def test_too_few_random_graphs_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalargrad.testing.trial.Trial.hurried", lambda trial: True)
    (result,) = check_engine(tuples.Var, only=["random-graphs"], quick=True).results
    assert (result.verdict, result.reason) == ("absent", "there was time for 0 graphs only")


class TestAsAClass(EngineSuite):
    engine = tuples.Var
    require = ("exp",)
    examples = 10


def test_every_property_is_a_test_of_the_suite() -> None:
    for prop in ALL:
        assert hasattr(EngineSuite, "test_" + prop.name.replace("-", "_"))
    assert len({prop.name for prop in ALL}) == len(ALL)


def test_suite_without_an_engine_says_so() -> None:
    class Empty(EngineSuite):
        pass

    with pytest.raises(TypeError, match="has no engine"):
        Empty.setup_class()


def test_suite_fails_with_the_law_and_the_counterexample() -> None:
    class Suite(EngineSuite):
        engine = load(next(d for d in DEFECTS if d.name == "sub_without_minus"))

    Suite.setup_class()
    try:
        suite: Any = Suite()
        with pytest.raises(AssertionError, match=r"(?s)Backward through -.*c = a - b"):
            suite.test_derivative_sub()
        suite.test_derivative_add()
    finally:
        Suite.teardown_class()
