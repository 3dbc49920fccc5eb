"""The benchmarks' own parts that could make a wrong figure. Nothing is timed or installed here."""

from __future__ import annotations

import doctest
import math
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Value, compile, value_and_grad
from tests.benchmarks import from_index, growth, tuple_engine
from tests.benchmarks.others import __main__ as command
from tests.benchmarks.others import arrays, child, plot, problems, tables
from tests.benchmarks.others.processes import Result, measured
from tests.benchmarks.others.scalar_program import ScalarProgram, draw, point
from tests.benchmarks.others.tools import TOOLS, PlainFloats
from tests.benchmarks.wrapped import Wrapped, functions_of

seeds = st.integers(0, 10**6)
hundreds = st.integers(1, 3).map(lambda k: 100 * k)


def close(ours: list[float], theirs: list[float]) -> bool:
    scale = max(map(abs, theirs))
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9 * scale)
        for a, b in zip(ours, theirs, strict=True)
    )


class TestScalarProgram:
    @given(seeds, hundreds)
    def test_gives_the_same_numbers_in_ours_and_by_the_chain_rule_on_floats(
        self, seed: int, ops: int
    ) -> None:
        program, x = draw(ops, seed), point(seed)
        y, slopes = value_and_grad(program.of_numbers())(x)
        reference = program.value_and_gradient(x)
        assert close([y, *slopes], reference)
        assert close([program.of_floats()(x)], reference[:1])

    def test_gives_the_same_numbers_compiled(self) -> None:
        program, x = draw(200), point()
        y, slopes = compile(value_and_grad(program.of_numbers()))(x)
        assert close([y, *slopes], program.value_and_gradient(x))

    @given(seeds, hundreds)
    def test_has_as_many_ops_as_asked_for_each_of_them_used(self, seed: int, ops: int) -> None:
        program = draw(ops, seed)
        leaves = [Value(x) for x in point(seed)]
        y = program.of_numbers()(leaves)
        assert program.ops == ops == len(_ops_of(y))
        for term in program.terms:
            used = Counter(operand for equation in term for operand in equation.operands)
            assert all(used[equation.name] for equation in term[:-1])

    def test_is_the_same_each_time_and_another_for_each_seed_and_size(self) -> None:
        assert draw(300) == draw(300)
        assert draw(300, seed=1) != draw(300, seed=2)
        assert draw(300).terms[0] != draw(200).terms[0]

    def test_its_terms_are_all_different(self) -> None:
        spelled = {"\n".join(e.spelled("{op}({x})") for e in t) for t in draw(5_000).terms}
        assert len(spelled) == 50

    def test_stays_finite_when_large(self) -> None:
        program = draw(10_000)
        assert all(map(math.isfinite, program.value_and_gradient(point())))


def _ops_of(y: Value) -> set[Value]:
    found: set[Value] = set()
    left = [y]
    while left:
        node = left.pop()
        if node.parents and node not in found:
            found.add(node)
            left += node.parents
    return found


@given(seeds)
def test_wrapped_numbers_compute_what_the_functions_compute(seed: int) -> None:
    program: ScalarProgram = draw(100, seed)
    functions = functions_of(math, lambda x: max(x, 0.0))
    wrapped = program.of_numbers()([Wrapped(functions, x) for x in point(seed)])
    assert wrapped.data == program.of_floats()(point(seed))
    a = Wrapped(functions, 2.0)
    assert ((-a).relu().data, (3 * a + 1).data, (a**3).data, a.exp().data) == (
        *(0.0, 7.0, 8.0),
        math.exp(2.0),
    )


class TestProblems:
    def test_the_scalar_losses_take_as_many_numbers_as_the_matrices_have(self) -> None:
        for problem in (problems.moons(), problems.gpt()):
            assert problem.shapes is not None
            assert sum(a * b for a, b in problem.shapes) == len(problem.numbers)
            leaves = iter(problem.numbers)
            taken = problem.loss([tuple_engine.Value(x) for x in leaves])
            assert math.isfinite(taken.data)

    def test_split_keeps_the_order(self) -> None:
        assert arrays.split([1.0, 2.0, 3.0, 4.0, 5.0], [(1, 2), (3, 1)]) == [
            [[1.0, 2.0]],
            [[3.0], [4.0], [5.0]],
        ]

    def test_each_has_a_number_of_ops(self) -> None:
        assert problems.OPS.keys() == problems.PROBLEMS.keys() > set(problems.QUICK)

    @pytest.mark.parametrize("name", ["python", "eager"])
    def test_ours_agree_with_the_reference(self, name: str) -> None:
        problem = problems.generated(100)
        tool = TOOLS[name]
        run = tool.maker().make(problem, gradient=True)
        child.check(tool, run(), problem.reference())

    def test_plain_floats_have_no_gradient(self) -> None:
        problem = problems.generated(100)
        value = PlainFloats().make(problem, gradient=False)()
        assert math.isclose(value, problem.reference()[0])
        with pytest.raises(NotImplementedError):
            PlainFloats().make(problem, gradient=True)


class TestChild:
    def test_refuses_what_disagrees(self) -> None:
        child.check(TOOLS["eager"], (1.0, [2.0, 3.0 + 1e-10]), [1.0, 2.0, 3.0])
        with pytest.raises(ArithmeticError, match=r"scalargrad, eager gives 3\.1 where 3\.0"):
            child.check(TOOLS["eager"], (1.0, [2.0, 3.1]), [1.0, 2.0, 3.0])
        with pytest.raises(ArithmeticError, match="nan"):
            child.check(TOOLS["eager"], (1.0, [2.0, math.nan]), [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="zip"):
            child.check(TOOLS["eager"], (1.0, [2.0]), [1.0, 2.0, 3.0])

    def test_flattens_lists_and_arrays(self) -> None:
        class Array:
            def tolist(self) -> list[list[int]]:
                return [[1, 2], [3, 4]]

        assert child.flat((0.5, [Array(), 5])) == [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]

    def test_times_a_run_at_least_once(self) -> None:
        calls: list[int] = []
        assert child.fastest(lambda: calls.append(1), budget=0.0) >= 0.0
        assert calls

    def test_reports_each_measurement_to_the_parent(self) -> None:
        result = measured(sys.executable, "python", "100 ops", budget=0.001, limit=60)
        assert result.seconds.keys() == {"compile", "value", "step"}
        assert all(s > 0 for s in result.seconds.values())
        assert (len(result.yardsticks), result.note) == (2, "")

    def test_a_failure_is_told_in_the_note(self) -> None:
        result = measured(sys.executable, "no such tool", "100 ops", budget=0.001, limit=60)
        assert result.seconds == {}
        assert result.note == "failed: KeyError: 'no such tool'"


RESULTS = {
    ("c", "100 ops"): Result({"step": 2e-6, "value": 1e-6, "compile": 0.1}),
    ("c", "GPT"): Result(note="failed: RuntimeError: no compiler"),
    ("python", "100 ops"): Result({"step": 8e-6, "compile": 0.01}),
    ("casadi", "100 ops"): Result({"step": 1e-6, "compile": 0.05}, version="1.2.3"),
    ("casadi", "GPT"): Result(note="over 20 s"),
    ("torch", "100 ops"): Result({"step": 4e-4}),
}
NAMES = ("100 ops", "GPT")


class TestTables:
    def test_rows_have_ratios_to_our_c_and_bold_where_it_loses(self) -> None:
        assert tables.table(RESULTS, "step", NAMES).splitlines() == [
            "|  | 100 ops | GPT |",
            "| --- | --- | --- |",
            "| scalargrad, compiled to C | 2 µs | failed |",
            "| scalargrad, compiled to Python | 8 µs (4x) |  |",
            "| CasADi, virtual machine | **1 µs (0.5x)** | over 20 s |",
            "| PyTorch, scalars | 400 µs (200x) |  |",
        ]

    def test_only_what_compiles_has_a_row_of_its_time(self) -> None:
        text = tables.table(RESULTS, "compile", NAMES)
        assert "PyTorch" not in text
        assert "| CasADi, virtual machine | **50 ms (0.5x)** | over 20 s |" in text

    def test_says_which_are_faster_than_the_best_of_ours(self) -> None:
        assert tables.faster(RESULTS, "step", NAMES) == ["100 ops: CasADi, virtual machine 2x"]
        assert tables.faster(RESULTS, "compile", NAMES) == []

    def test_examples(self) -> None:
        assert doctest.testmod(tables) == (0, 2)

    @given(st.floats(1e-9, 1e5))
    def test_a_duration_is_right_to_two_digits(self, seconds: float) -> None:
        number, unit = tables.duration(seconds).split()
        scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]
        assert math.isclose(float(number.replace(",", "")) * scale, seconds, rel_tol=0.051)


def test_report_says_versions_noise_and_what_is_missing() -> None:
    results = {**RESULTS, ("floats", "100 ops"): Result({"value": 1e-7}, yardsticks=[1.0, 1.5])}
    text = command.report(results, NAMES, 20.0, ["jax==0 could not be installed: no space"])
    assert "; casadi 1.2.3." in text
    assert "1.50x its least time" in text
    assert "\njax==0 could not be installed: no space\n" in text
    assert "- scalargrad, compiled to C, GPT: failed: RuntimeError: no compiler" in text


def test_what_cannot_be_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def environment(package: str) -> Iterator[Path]:
        if package == "jax":
            raise from_index.Unavailable("jax could not be installed: no")
        yield Path(package, "python")

    monkeypatch.setattr(command, "environment", environment)
    with ExitStack() as stack:
        pythons, missing = command._environments(stack, ["jax", "sympy"])
    assert pythons == {"": sys.executable, "sympy": str(Path("sympy", "python"))}
    assert missing == ["jax could not be installed: no"]


def test_a_tool_over_its_limit_is_not_run_at_more_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(python: str, tool: str, problem: str, budget: float, limit: float) -> Result:
        asked.append((tool, problem))
        return Result(note="over 1 s" if (tool, problem) == ("python", "1,000 ops") else "")

    monkeypatch.setattr(command, "measured", measured)
    results = command.run({"": "python3"}, ("GPT", "1,000 ops", "100 ops"), 1.0, quick=True)
    assert [problem for tool, problem in asked if tool == "python"] == ["100 ops", "1,000 ops"]
    assert results["python", "GPT"].note == "not run"
    assert results["c", "GPT"].note == ""
    assert ("floats", "GPT") not in results
    assert ("casadi", "GPT") not in results


def test_an_unknown_package_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["others", "--only", "casadi,numpy"])
    with pytest.raises(SystemExit):
        command.main()
    assert "'numpy' is none of casadi, jax, torch" in capsys.readouterr().err


def test_every_tool_has_a_pinned_requirement() -> None:
    for tool in TOOLS.values():
        if tool.package:
            name, version = from_index.REQUIREMENTS[tool.package].split("==")
            assert name == tool.package
            assert version[0].isdigit()


class TestGrowth:
    def test_examples(self) -> None:
        assert doctest.testmod(growth) == (0, 1)

    def test_a_small_program_is_measured_in_all_ways(self) -> None:
        names = ["eager forward", "eager backward", "compile, Python", "call, Python"]
        found = dict(growth.measured(100, targets=("python",)))
        assert list(found) == names
        assert all(seconds > 0 for seconds in found.values())


class TestPlot:
    def test_places_are_logarithmic(self) -> None:
        curve = [(100, 1e-5), (1000, 1e-4), (10_000, 1e-3)]
        svg = plot.log_plot([plot.Panel("step", {"a <b>": curve})], "times")
        root = ElementTree.fromstring(svg)
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert {"step", "a <b>", "100", "1,000", "10,000", "10 µs", "1 ms"} <= set(texts)
        [path] = [
            element.get("d", "")[1:]
            for element in root.iter("{http://www.w3.org/2000/svg}path")
            if "L" in element.get("d", "")
        ]
        (x0, y0), (x1, y1), (x2, y2) = (map(float, p.split()) for p in path.split("L"))
        assert x0 < x1 < x2
        assert y0 > y1 > y2
        assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
        assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)

    def test_one_point_is_drawn(self) -> None:
        ElementTree.fromstring(plot.log_plot([plot.Panel("", {"a": [(100, 1e-5)]})], ""))

    def test_nothing_to_draw_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="at least one point"):
            plot.log_plot([plot.Panel("step", {})], "times")

    def test_of_results_has_a_line_for_each_tool_with_a_size(self) -> None:
        svg = command.plot(RESULTS, NAMES)
        assert "PyTorch, scalars" in svg
        assert "GPT" not in svg
