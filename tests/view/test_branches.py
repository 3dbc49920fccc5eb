"""Functions that branch, as they are shown: on the path of the numbers, with its conditions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from scalargrad import Value, draw, explain, formula, grad, log, maximum, sin, sqrt, value_and_grad
from tests.view.browser import Browser, chromium
from tests.view.conftest import Show
from tests.view.reading import latex_value, python_value
from tests.view.test_page import gradients, result, type_number


def newton(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-9:
        x = 0.5 * (x + a / x)
    return x


def nested(x: Any, y: Any) -> Any:
    if x > 1 and y < 2:
        return x * x
    if x * y:
        return sin(x) * y
    return x - y


def middle(x: Any, y: Any, z: Any) -> Any:
    return sorted([x, y, z])[1] * max(x, y)


def failing(x: Any) -> Any:
    if x > 0 and log(x) < 1:
        return sqrt(x)
    return -x


def of_a_truth(x: Any) -> Any:
    return 1 / x if x else x + 5


def of_conditions(x: Any, y: Any) -> Any:
    return x * y if (x > y) & (x < 3) else maximum(x, y)


FUNCTIONS: list[tuple[Callable[..., Any], list[tuple[float, ...]]]] = [
    (newton, [(2.0,), (9.0,), (0.01,), (1.0,)]),
    (nested, [(2.0, 1.0), (2.0, 2.0), (1.0, 1.0), (0.0, 3.0), (-1.5, 0.5)]),
    (middle, [(1.0, 2.0, 3.0), (3.0, 2.0, 1.0), (2.0, 3.0, 1.0), (2.0, 2.0, 1.0)]),
    (failing, [(1.0,), (3.0,), (-1.0,), (0.0,)]),
    (of_a_truth, [(2.0,), (0.0,), (math.nan,)]),
    (of_conditions, [(2.0, 1.0), (4.0, 1.0), (1.0, 1.0)]),
]
CASES = [(f, point) for f, points in FUNCTIONS for point in points]
NAMES = {f: f.__code__.co_varnames[: f.__code__.co_argcount] for f, _ in FUNCTIONS}


def same(x: Any, y: Any) -> bool:
    return math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(x) and math.isnan(y))


@pytest.mark.parametrize(("f", "point"), CASES)
def test_the_conditions_of_an_explanation_are_true(f: Any, point: tuple[float, ...]) -> None:
    text = str(explain(f, *point))
    told = re.findall(r"^  (.*) \(line (\d+)\) is (True|False)$", text, re.MULTILINE)
    assert told
    numbers = dict(zip(NAMES[f], point, strict=True))
    first = f.__code__.co_firstlineno
    for condition, line, truth in told:
        assert first < int(line) < first + 7
        if condition != "a condition":
            assert str(bool(python_value(condition, numbers))) == truth


@pytest.mark.parametrize(("f", "point"), CASES)
def test_the_formulas_and_their_condition_are_true(f: Any, point: tuple[float, ...]) -> None:
    given = range(len(point))
    value, slopes = value_and_grad(f, tuple(given))(*point)
    *lines, last = formula(f, *point).text.splitlines()
    numbers = dict(zip(NAMES[f], point, strict=True))
    for line in lines:
        left, _, right = line.partition(" = ")
        if left.startswith("t"):
            numbers[left] = python_value(right, numbers)
    found = [python_value(line.partition(" = ")[2], numbers) for line in lines[-1 - len(point) :]]
    assert all(map(same, found, [value, *slopes]))
    assert last.startswith("if ")
    if last != "if the branches are taken as here":
        assert python_value(last.removeprefix("if "), numbers)
        rows = formula(f, *point).latex.splitlines()
        parts = rows[-2].removeprefix(r"&\text{if } ").split(r" \text{ and } ")
        for part in parts:
            denied = re.fullmatch(r"\\text{not } \\left\((.*)\\right\)", part)
            truth = latex_value(part if denied is None else denied[1], numbers)
            assert bool(truth) is (denied is None)


def test_a_function_without_branches_has_no_conditions() -> None:
    assert "branches" not in str(explain(lambda x: maximum(x, 1.0), 2.0))
    assert "if" not in formula(lambda x: x * x, 2.0).text


def test_an_error_that_is_caught_is_a_branch() -> None:
    def caught(x: Any) -> Any:
        try:
            return log(x)
        except ValueError:
            return x * 7

    assert str(explain(caught, -1.0)).endswith("∂f/∂x = 7.0".replace("f", "caught"))
    with pytest.raises(ValueError, match=r"in log\(x=-1.0\)"):
        explain(lambda x: log(x), -1.0)


def test_a_long_loop_is_cut() -> None:
    def loop(x: Any) -> Any:
        while x > 0.5:
            x = x * 0.9
        return x

    text = str(explain(loop, 3.0, ascii_only=True))
    assert len(text.partition("\n\nforward")[0].splitlines()) <= 16
    assert re.search(r"^  \.\.\. and 7 more$", text, re.MULTILINE)


def test_what_the_condition_captures_is_an_input() -> None:
    limit = Value(2.0)
    text = str(explain(lambda x: x * x if x < limit else x, 1.0))
    assert "x < limit (line" in text
    assert "∂f/∂limit = 0" in text


def test_of_a_large_graph_the_part_that_is_shown_is_fixed() -> None:
    def large(x: Any) -> Any:
        for _ in range(400 if x > 0 else 2):
            x = sin(x)
        return x

    assert "the function branches on others" in draw(large, 1.0).html


browsers = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")


def moved(browser: Browser, point: tuple[float, ...]) -> None:
    for k, x in enumerate(point):
        type_number(browser, k, x)


@browsers
@pytest.mark.parametrize(("f", "points"), FUNCTIONS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_page_follows_on_its_path_and_says_where_it_ends(
    show: Show, f: Any, points: list[tuple[float, ...]]
) -> None:
    here = [point for point in points if not any(map(math.isnan, point))]
    shown = explain_path(f, here[0])
    browser = show(draw(f, *here[0]))
    assert "branches. This is its path at these numbers: " in browser.text("#help")
    followed = 0
    for point in [*here, tuple(x * 1.001 for x in here[0])]:
        moved(browser, point)
        error = browser.text("#error")
        if explain_path(f, point) == shown:
            followed += 1
            assert error == ""
            assert same(result(browser), f(*point))
            slopes = grad(f, tuple(range(len(point))))(*point)
            assert all(map(same, gradients(browser), slopes))
        else:
            assert re.search(r" is (True|False) here, and \w+ goes another way: draw it", error)
    assert followed >= 2
    assert browser.problems == []


def explain_path(f: Any, point: tuple[float, ...]) -> list[str]:
    """Return the truths on the path of a point."""
    return re.findall(r"\(line \d+\) is (True|False)$", str(explain(f, *point)), re.MULTILINE)
