"""The live page in a real browser, against Python."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalargrad import Function, Value, explain, log, sin, sqrt, where
from scalargrad.functions.methods import all_ops
from scalargrad.nn import MLP
from scalargrad.testing.expressions import Expression, Step, expressions
from scalargrad.view.drawing import draw
from scalargrad.view.languages.javascript import JAVASCRIPT, runtime_for
from scalargrad.view.languages.notation import plain
from scalargrad.view.languages.spelling import Text
from tests.view.browser import Browser, browsing, chromium
from tests.view.graphs import HOSTILE, deep, models, random_graph

OPS = all_ops()

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
RUN = settings(
    max_examples=25,
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
    try:
        return all(map(close, differentiated(f, inputs), differentiated(f, nearby)))
    except (ValueError, ArithmeticError):
        return False  # at the end of a domain


def without_dead_steps(f: Expression) -> Expression:
    """Return the expression without steps that its result does not need."""
    needed = {f.arity + len(f.steps) - 1}
    for n in range(len(f.steps) - 1, -1, -1):
        if f.arity + n in needed:
            needed |= {x for x in f.steps[n].operands if isinstance(x, int)}
    place = {n: n for n in range(f.arity)}
    steps: list[Step] = []
    for n, step in enumerate(f.steps, f.arity):
        if n in needed:
            operands = tuple(place[x] if isinstance(x, int) else x for x in step.operands)
            place[n] = f.arity + len(steps)
            steps.append(Step(step.function, operands))
    return Expression(f.arity, tuple(steps))


def differentiated(f: Any, inputs: list[float]) -> list[float]:
    xs = [Value(x) for x in inputs]
    y = f(*xs)
    if not isinstance(y, Value):
        return [y, *[0.0] * len(inputs)]
    y.backward()
    return [float(x) for x in (y.data, *(x.grad for x in xs))]


@RUN
@given(expressions(), st.data())
@pytest.mark.slow
def test_dragging_shows_what_python_gives(
    browser: Browser, tmp_path: Path, drawn: tuple[Expression, list[float]], data: st.DataObject
) -> None:
    whole, inputs = drawn
    f = without_dead_steps(whole)
    show(browser, tmp_path, draw(whole, *inputs).html)
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
        failure = ""
        try:
            right = differentiated(f, now)
        except (ValueError, ArithmeticError) as raised:
            failure = type(raised).__name__
        if failure:
            assert error.startswith(failure), (error, failure)
            continue
        steady = conditioned(f, now)
        if steady and not error:
            assert close(result(browser), right[0]), (result(browser), right)
            assert all(map(close, gradients(browser), right[1:])), (gradients(browser), right)
        assert not error or not steady, (error, right)
    assert browser.problems == []


def test_every_function_is_computed_as_in_python(browser: Browser, tmp_path: Path) -> None:
    rng = random.Random(1)
    cases: list[tuple[str, list[float]]] = []
    for _ in range(300):
        x = rng.choice([rng.uniform(-5, 5), rng.uniform(-30, 30), rng.uniform(0, 170)])
        y = rng.uniform(-5, 5)
        cases += [(name, [x]) for name in ("erf", "erfc", "gamma", "lgamma", "digamma")]
        cases += [(name, [x, y]) for name in ("%", "fmod", "remainder")]
        cases += [("polygamma", [rng.randint(0, 4), x]), ("fma", [x, y, rng.uniform(-5, 5)])]
    cases += [(name, [x]) for name in ("gamma", "lgamma", "digamma", "erf") for x in EDGES]
    cases += [(name, [x, y]) for name in ("%", "fmod", "remainder", "**") for x, y in PAIRS]
    text = [f"() => {JAVASCRIPT.spell(OPS[name], list(map(number, xs)))}" for name, xs in cases]
    script = f"[{', '.join(text)}].map((f) => {{ try {{ return String(f()); }} "
    script += "catch (error) { return error.kind; } })"
    blank = tmp_path / "blank.html"
    blank.write_text("<!DOCTYPE html><title>blank</title>", encoding="utf-8")
    browser.open(blank)
    found = browser.run(f"(() => {{ {runtime_for(script)}; return {script}; }})()")
    for (name, xs), shown in zip(cases, found, strict=True):
        try:
            right = OPS[name].forward(*xs)
        except (ValueError, ArithmeticError) as error:
            right = type(error).__name__
        if isinstance(right, str):
            assert shown == right, (name, xs)
            continue
        # The logarithm of gamma and its derivatives have zeros, next to which the error is
        # absolute; so has gamma's argument next to its poles.
        near_pole = name == "gamma" and xs[0] < 0 and abs(xs[0] - round(xs[0])) < 1e-4
        same = math.isclose(
            float(shown), right, rel_tol=1e-12, abs_tol=1e-13 if "gamma" in name else 0
        )
        both_nan = math.isnan(float(shown)) and math.isnan(right)
        assert same or near_pole or both_nan, (name, xs, shown, right)


EDGES = [1.0, 2.0, 0.5, 1.5, 2.5, 1 + 1e-9, 2 - 1e-9, 171.5, 171.7, 0.0, -0.0, -1.0, -2.5, 23.0]
EDGES += [math.inf, -math.inf, math.nan]
PAIRS = [(5.0, -2.0), (-5.0, 2.0), (2.5, 1.0), (3.5, 1.0), (-2.5, 1.0), (0.5, 1.0), (-0.0, 2.0)]
PAIRS += [(7.0, 0.0), (0.0, -1.0), (-8.0, 1 / 3), (1e300, 2.0), (-1.0, math.inf), (1.0, math.nan)]


def number(x: float) -> Text:
    return JAVASCRIPT.number(x)


# --- stepping ------------------------------------------------------------------------------------


def shown(browser: Browser, title: str) -> tuple[str, str, bool]:
    """Return the value and gradient that a node shows, and whether it is lit."""
    found = browser.run(
        f"""(() => {{ for (const g of document.querySelectorAll("#graph [data-node]")) {{
        if (g.querySelector(".t").textContent !== {json.dumps(title)}) continue;
        return [g.querySelector(".v").textContent, g.querySelector(".g").textContent,
            g.classList.contains("lit")]; }} }})()"""
    )
    value, gradient, lit = found
    return value, gradient, lit


@pytest.fixture
def xy(browser: Browser, tmp_path: Path) -> Browser:
    browser.resize(1200, 900)
    show(browser, tmp_path, draw(lambda x, y: x * y + sin(x), 2.0, 3.0).html)
    return browser


def test_steps_by_keys_go_forward_and_then_backward(xy: Browser) -> None:
    assert line(xy) == "given: x = 2.0, y = 3.0"
    assert shown(xy, "f = v1 + v2") == ("…", "…", False)
    xy.press("ArrowRight")
    assert line(xy) == "v1 = x · y = 2.0 · 3.0 = 6.0"
    assert shown(xy, "v1 = x · y") == ("6.0", "…", True)
    assert shown(xy, "x")[2]
    xy.press("End")
    assert shown(xy, "x") == ("2.0", "2.58385", True) or shown(xy, "y") == ("3.0", "2.0", True)
    assert shown(xy, "x")[:2] == ("2.0", "2.58385")
    xy.press("Home")
    assert line(xy) == "given: x = 2.0, y = 3.0"
    xy.press("ArrowLeft")
    assert line(xy) == "given: x = 2.0, y = 3.0"


def test_the_lines_are_those_of_explain(xy: Browser) -> None:
    lines = []
    for _ in range(9):
        xy.press("ArrowRight")
        lines.append(line(xy))
    expected = explain(lambda x, y: x * y + sin(x), 2.0, 3.0).splitlines()
    assert [line for line in lines if line not in [text.strip() for text in expected]] == []
    listed = xy.run("[...document.querySelectorAll('#list li')].map((item) => item.textContent)")
    assert listed == lines


def test_gradients_fill_in_as_they_accumulate(xy: Browser) -> None:
    for _ in range(7):
        xy.press("ArrowRight")
    first = shown(xy, "x")[1]
    xy.press("End")
    assert first == "-0.416147"
    assert shown(xy, "x")[1] == "2.58385"


def test_buttons_and_the_scrubber_step_too(xy: Browser) -> None:
    xy.run("document.getElementById('forward').click()")
    assert line(xy).startswith("v1 = ")
    xy.run("document.getElementById('last').click()")
    assert gradients(xy) == [pytest.approx(3 + math.cos(2), rel=1e-15), 2.0]
    xy.run(
        "(() => { const s = document.getElementById('scrub'); s.value = 2;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    assert line(xy).startswith("v2 = ")
    assert xy.run("document.getElementById('count').textContent") == "step 2 of 9"


def test_typing_keeps_the_step(xy: Browser) -> None:
    xy.press("ArrowRight")
    type_number(xy, 0, 5.0)
    assert line(xy) == "v1 = x · y = 5.0 · 3.0 = 15.0"
    type_number(xy, 0, -1.5)
    assert line(xy) == "v1 = x · y = (-1.5) · 3.0 = -4.5"


def test_keys_within_a_number_field_are_its_own(xy: Browser) -> None:
    xy.run("document.getElementById('leaf0').focus()")
    xy.press("End")
    assert line(xy) == "given: x = 2.0, y = 3.0"


def test_dragging_in_the_picture_moves_the_leaf(xy: Browser) -> None:
    xy.press("End")
    box = xy.run(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
        "(document.querySelector('#graph .input').getBoundingClientRect())"
    )
    xy.drag((box[0], box[1]), (box[0] + 75, box[1]))
    assert float(xy.run("document.getElementById('leaf0').value")) == 3.0
    assert gradients(xy) == [pytest.approx(3 + math.cos(3), rel=1e-15), 3.0]
    text = xy.run("document.getElementById('tangent').textContent")
    # From 2 the tangent of slope 3 + cos(2) leads to 6 + sin(2) + 3 + cos(2).
    assert "the tangent leads to f = 9.49315 (ring)" in text
    assert xy.run("document.querySelectorAll('#plot .marker').length") == 1
    assert "M" in xy.run("document.querySelector('#plot .curve').getAttribute('d')")


def test_fields_have_labels(xy: Browser) -> None:
    labels = xy.run(
        "[...document.querySelectorAll('input[type=number]')].map((i) => i.labels[0].textContent)"
    )
    assert labels == ["x", "y"]
    assert xy.run("document.getElementById('line').getAttribute('aria-live')") == "polite"
    unnamed = xy.run(
        "[...document.querySelectorAll('button, input')].filter((b) =>"
        "!(b.getAttribute('aria-label') || (b.labels && b.labels.length))).length"
    )
    assert unnamed == 0


def test_nothing_is_wider_than_a_phone(browser: Browser, tmp_path: Path) -> None:
    f, *arguments = models()["mlp"]
    browser.resize(360, 740, dark=True)
    show(browser, tmp_path, draw(f, *arguments).html)
    browser.press("End")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    assert browser.problems == []


def test_a_number_outside_the_domain_is_said_as_python_says_it(
    browser: Browser, tmp_path: Path
) -> None:
    show(browser, tmp_path, draw(lambda x: log(x) + sqrt(x), 2.0).html)
    browser.press("End")
    type_number(browser, 0, -1.0)
    message = "ValueError: math domain error, in log(x=-1.0); log takes x > 0"
    assert browser.run("document.getElementById('error').textContent") == message
    type_number(browser, 0, 4.0)
    assert browser.run("document.getElementById('error').textContent") == ""
    assert gradients(browser) == [0.5]


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.slow
def test_hostile_labels_are_shown_as_text(browser: Browser, tmp_path: Path, label: str) -> None:
    show(browser, tmp_path, draw(sin(Value(2.0, label)) * 3.0).html)
    browser.press("End")
    assert gradients(browser) == [pytest.approx(3 * math.cos(2.0))]
    name = browser.run("document.querySelector('label').textContent")
    assert name == plain(label)
    assert browser.problems == []


# --- pages that step alone -----------------------------------------------------------------------


class Square(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * 2 * x


@pytest.mark.parametrize(
    ("f", "x", "reason", "gradient"),
    [
        (lambda x: x * x if x > 0 else -x, 3.0, "cannot branch on a traced number", "6.0"),
        (Square.apply, 3.0, "Square is a function of Python's", "6.0"),
        (lambda x: x * x / 3, Fraction(1, 2), "one is a Fraction", "1/3"),
    ],
)
def test_a_graph_that_cannot_follow_steps_and_says_why(
    browser: Browser, tmp_path: Path, f: Any, x: Any, reason: str, gradient: str
) -> None:
    show(browser, tmp_path, draw(f, x).html)
    assert reason in browser.run("document.getElementById('help').textContent")
    assert browser.run("document.querySelectorAll('input[type=number]').length") == 0
    browser.press("End")
    text = browser.run("document.querySelector('.leaf output').textContent")
    assert text.endswith(f" = {gradient}")
    assert browser.problems == []


def test_a_value_that_was_compared_does_not_follow(browser: Browser, tmp_path: Path) -> None:
    x = Value(3.0, "x")
    show(browser, tmp_path, draw(where(x > 0, x, -x)).html)
    assert "draw the function" in browser.run("document.getElementById('help').textContent")


def test_of_a_large_graph_the_part_nearest_the_output_is_live(
    browser: Browser, tmp_path: Path
) -> None:
    show(browser, tmp_path, draw(deep(1000), 0.5).html)
    note = browser.run("document.querySelector('#graph .note').textContent")
    assert note.startswith("The 300 nodes nearest the output, of 1,001")
    browser.press("End")
    [slope] = gradients(browser)
    y = Value(float(browser.run("document.getElementById('leaf0').value")))
    deep(299)(y).backward()
    assert math.isclose(slope, y.grad, rel_tol=1e-9)
    assert browser.problems == []


def test_a_page_with_collapsed_layers(browser: Browser, tmp_path: Path) -> None:
    model = MLP(2, [8, 1], rng=random.Random(0))
    show(browser, tmp_path, draw(model, [1.0, 2.0], collapse=model.layers).html)
    browser.press("End")
    x = [Value(1.0), Value(2.0)]
    model(x).backward()
    assert gradients(browser)[:2] == [pytest.approx(v.grad) for v in x]
    assert browser.run("document.querySelectorAll('#graph .group').length") == 2
    assert browser.problems == []


# --- the file ------------------------------------------------------------------------------------


def test_a_page_of_30_nodes_is_small_and_asks_nobody() -> None:
    html = draw(random_graph(30), 0.5, 1.0, 1.5).html
    assert len(html.encode()) < 60_000
    assert "default-src 'none'" in html
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)
