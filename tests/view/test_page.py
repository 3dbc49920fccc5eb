"""The live page in a real browser, against Python."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalargrad import Value
from scalargrad.testing.expressions import Expression, expressions
from scalargrad.view.drawing import draw
from tests.view.browser import Browser, browsing, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
RUN = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        found.resize(1200, 900)
        yield found


def show(browser: Browser, tmp_path: Path, html: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    browser.open(path)


def gradients(browser: Browser) -> list[float]:
    script = "[...document.querySelectorAll('.leaf output')].map((x) => x.dataset.value)"
    return [float(x) for x in browser.run(script)]


def result(browser: Browser) -> float:
    return float(browser.run("document.getElementById('result').dataset.value"))


def type_number(browser: Browser, leaf: int, number: float) -> None:
    browser.run(
        f"""(() => {{ const field = document.getElementById("leaf{leaf}");
        field.focus(); field.value = {json.dumps(repr(number))};
        field.dispatchEvent(new Event("input")); }})()"""
    )


def line(browser: Browser) -> str:
    text: str = browser.run("document.getElementById('line').textContent")
    return text


def close(found: float, right: float) -> bool:
    return math.isclose(found, right, rel_tol=1e-11, abs_tol=1e-11) or (
        math.isnan(found) and math.isnan(right)
    )


def conditioned(f: Expression, inputs: list[float]) -> bool:
    """Whether the value and gradient change little when the inputs change in their last digits."""
    nearby = [x * (1 + 2e-13) + 1e-300 for x in inputs]
    here, there = differentiated(f, inputs), differentiated(f, nearby)
    return all(math.isclose(a, b, rel_tol=1e-11, abs_tol=1e-11) for a, b in zip(here, there))


def differentiated(f: Any, inputs: list[float]) -> list[float]:
    xs = [Value(x) for x in inputs]
    y = f(*xs)
    if not isinstance(y, Value):
        return [y, *[0.0] * len(inputs)]
    y.backward()
    return [float(x) for x in (y.data, *(x.grad for x in xs))]


@RUN
@given(expressions(), st.data())
def test_dragging_shows_what_python_gives(
    browser: Browser, tmp_path: Path, drawn: tuple[Expression, list[float]], data: st.DataObject
) -> None:
    f, inputs = drawn
    show(browser, tmp_path, draw(f, *inputs).html)
    browser.press("End")
    now = list(inputs)
    if conditioned(f, now):
        right = differentiated(f, now)
        assert close(result(browser), right[0]), (result(browser), right)
        assert all(map(close, gradients(browser), right[1:])), (gradients(browser), right)
    for _ in range(4):
        leaf = data.draw(st.integers(0, len(inputs) - 1))
        now[leaf] = data.draw(st.floats(-3, 3, allow_subnormal=False))
        type_number(browser, leaf, now[leaf])
        error = browser.run("document.getElementById('error').textContent")
        try:
            right = differentiated(f, now)
            steady = conditioned(f, now)
        except (ValueError, ArithmeticError) as failure:
            assert error.startswith(type(failure).__name__), (error, failure)
            continue
        if steady and not error:
            assert close(result(browser), right[0]), (result(browser), right)
            assert all(map(close, gradients(browser), right[1:])), (gradients(browser), right)
        assert not error or not steady, (error, right)
    assert browser.problems == []
