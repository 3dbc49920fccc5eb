"""The live page in a real browser, against Python."""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import (
    Function,
    Value,
    explain,
    frexp,
    fsum,
    log,
    losses,
    maximum,
    primitive,
    relu,
    sin,
    sqrt,
    tanh,
    where,
)
from scalargrad.functions.methods import all_ops
from scalargrad.nn import MLP
from scalargrad.testing.expressions import Expression, Step, expressions
from scalargrad.view.drawing import draw
from scalargrad.view.graph import Writer, flows
from scalargrad.view.languages.notation import plain
from scalargrad.view.sentences import sentence_of
from scalargrad.view.subject import graph_of
from tests.view.browser import Browser, chromium
from tests.view.conftest import Show
from tests.view.graphs import HOSTILE, deep, models, random_graph
from tests.view.reading import python_value
from tests.view.test_printed import cases, graph_at, of_losses

OPS = all_ops()

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
RUN = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


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


def said(browser: Browser) -> str:
    return browser.text("#sentence")


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


def python_lines(f: Any, inputs: list[float]) -> list[str]:
    graph = graph_of(f, inputs, {})
    writer = Writer(graph)
    forward = map(writer.forward, range(graph.inputs, len(graph.nodes)))
    return [str(x) for x in (*forward, writer.seed(), *map(writer.backward, flows(graph)))]


NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[+-]\d+)?(?![\w.])")


def same_lines(found: list[str], right: list[str]) -> bool:
    """Whether the lines are the same but for the last digits of their numbers."""
    if [NUMBER.sub("#", line) for line in found] != [NUMBER.sub("#", line) for line in right]:
        return False
    pairs = zip(NUMBER.findall("\n".join(found)), NUMBER.findall("\n".join(right)), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=1e-4, abs_tol=1e-12) for a, b in pairs)


def check_sentences(browser: Browser) -> int:
    """Read the equations in all sentences: each must hold for the numbers that it shows."""
    count = 0
    said = "units.map((u) => sentence(u).map((x) => (Array.isArray(x) ? x[0] : x)).join(''))"
    for sentence in browser.run(said):
        text = sentence.replace("\N{MINUS SIGN}", "-").replace("\N{MULTIPLICATION SIGN}", "*")
        if text.startswith("Done") or "arrives at" in text or text.startswith("Given"):
            continue
        for equation in re.findall(r"(?<=: )[^:]* = [^:]*?(?= flows back|\.$|\. )", text):
            *_, left, right = equation.split(" = ")
            value = python_value(left, {})
            shown = {"True": 1.0, "False": 0.0}.get(right) if right in ("True", "False") else right
            number = float(shown or 0)
            same = math.isclose(value, number, rel_tol=5e-3, abs_tol=1e-9)
            assert same or (math.isnan(value) and math.isnan(number)), sentence
            count += 1
    return count


def check_dragged(show: Show, drawn: tuple[Expression, list[float]], data: st.DataObject) -> None:
    whole, inputs = drawn
    f = without_dead_steps(whole)
    browser = show(draw(whole, *inputs))
    now = list(inputs)
    for count in range(4):
        if count:
            leaf = data.draw(st.integers(0, len(inputs) - 1))
            now[leaf] = data.draw(st.floats(-3, 3, allow_subnormal=False))
            type_number(browser, leaf, now[leaf])
        error = browser.text("#error")
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
            lines = listed(browser)
            assert same_lines(lines, python_lines(whole, now)), (lines, python_lines(whole, now))
            check_sentences(browser)
        assert not error or not steady, (error, right)
    assert browser.problems == []


@RUN
@given(expressions(), st.data())
@pytest.mark.slow
def test_dragging_shows_what_python_gives(
    show: Show, drawn: tuple[Expression, list[float]], data: st.DataObject
) -> None:
    check_dragged(show, drawn, data)


@settings(RUN, max_examples=5)
@given(expressions(max_ops=4), st.data())
def test_a_few_dragged(
    show: Show, drawn: tuple[Expression, list[float]], data: st.DataObject
) -> None:
    check_dragged(show, drawn, data)


# --- stepping ------------------------------------------------------------------------------------


def shown(browser: Browser, title: str) -> tuple[str, str, bool]:
    """Return the value and gradient that a card shows, and whether it is lit."""
    found = browser.run(
        f"""(() => {{ for (const g of document.querySelectorAll("#graph .card")) {{
        if (g.querySelector(".t, .r").textContent !== {json.dumps(title)}) continue;
        return [g.querySelector(".v").textContent, g.querySelector(".g").textContent,
            g.classList.contains("now")]; }} }})()"""
    )
    value, gradient, lit = found
    return value, gradient, lit


def listed(browser: Browser) -> list[str]:
    script = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(
        [...document.querySelectorAll("#list li:not([hidden])")].map((li) => li.textContent)))))"""
    found: list[str] = browser.run(script)
    return found


def f(x: Any, y: Any) -> Any:
    return x * y + sin(x)


@pytest.fixture
def xy(show: Show) -> Browser:
    return show(draw(f, 2.0, 3.0))


SENTENCES = [
    "Given are x = 2.0 and y = 3.0. First the values are computed.",
    "Multiply x by y: v1 = 2.0 · 3.0 = 6.0.",
    "Take the sine of x: v2 = sin(2.0) = 0.9093.",
    "Add v1 and v2: f = 6.0 + 0.9093 = 6.909.",
    "Now backward: f grows exactly as fast as itself: 1.0.",
    "A sum passes the gradient on unchanged: 1.0 flows back to v1.",
    "A sum passes the gradient on unchanged: 1.0 flows back to v2.",
    "At x = 2.0 sin has the slope cos(x) = −0.4161: 1.0 × (−0.4161) = −0.4161 flows back to x.",
    "A product passes it on times the other factor, y = 3.0: 1.0 × 3.0 = 3.0 flows back to x. "
    "x is used twice; the two add up: −0.4161 + 3.0 = 2.584.",
    "A product passes it on times the other factor, x = 2.0: 1.0 × 2.0 = 2.0 flows back to y.",
    "Done. If x grows a little, f grows 2.584 times as much; if y does, 2.0 times. "
    "Drag a number and everything follows.",
]


def test_it_opens_finished_and_steps_by_keys(xy: Browser) -> None:
    assert said(xy) == SENTENCES[-1]
    assert shown(xy, "x") == ("2.0", "∂f/∂x = 2.584", False)
    xy.press("Home")
    assert shown(xy, "f = v1 + v2") == ("…", "", False)
    found = [said(xy)]
    heights = {xy.run("document.getElementById('say').offsetHeight")}
    for _ in SENTENCES[1:]:
        xy.press("ArrowRight")
        found.append(said(xy))
        heights.add(xy.run("document.getElementById('say').offsetHeight"))
    assert found == SENTENCES
    assert len(heights) == 1
    xy.press("ArrowRight")
    assert said(xy) == SENTENCES[-1]
    xy.press("Home")
    xy.press("ArrowLeft")
    assert said(xy) == SENTENCES[0]


def test_the_current_step_is_lit_and_gradients_fill_in(xy: Browser) -> None:
    xy.press("Home")
    xy.press("ArrowRight")
    assert shown(xy, "v1 = x · y") == ("6.0", "", True)
    for _ in range(6):
        xy.press("ArrowRight")
    assert shown(xy, "x") == ("2.0", "∂f/∂x = −0.4161", True)
    xy.press("ArrowRight")
    assert shown(xy, "x") == ("2.0", "∂f/∂x = 2.584", True)


def test_the_lines_are_those_of_explain(xy: Browser) -> None:
    expected = [line.strip() for line in explain(f, 2.0, 3.0).splitlines()]
    assert len(listed(xy)) == 9
    assert [line for line in listed(xy) if line not in expected] == []


def test_buttons_the_scrubber_and_the_list_step_too(xy: Browser) -> None:
    xy.press("Home")
    xy.run("document.getElementById('forward').click()")
    assert said(xy) == SENTENCES[1]
    xy.run(
        "(() => { const s = document.getElementById('scrub'); s.value = 2;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    assert said(xy) == SENTENCES[2]
    xy.run("document.querySelectorAll('#list li')[7].click()")
    assert said(xy) == SENTENCES[8]
    assert xy.text("#list [aria-current]").startswith("∂f/∂x")


def test_changing_a_number_keeps_the_step(xy: Browser) -> None:
    xy.press("Home")
    xy.press("ArrowRight")
    type_number(xy, 0, 5.0)
    assert said(xy) == "Multiply x by y: v1 = 5.0 · 3.0 = 15.0."
    type_number(xy, 0, -1.5)
    assert said(xy) == "Multiply x by y: v1 = (−1.5) · 3.0 = −4.5."
    assert listed(xy)[0] == "v1 = x · y = (-1.5) · 3.0 = -4.5"


def test_keys_within_a_number_field_are_its_own(xy: Browser) -> None:
    xy.press("Home")
    xy.run("document.getElementById('leaf0').focus()")
    xy.press("End")
    assert said(xy) == SENTENCES[0]


def test_dragging_in_the_picture_moves_the_leaf(xy: Browser) -> None:
    left, top, width, height = xy.box("#graph .leaf")
    x, y = left + width / 2, top + height / 2
    xy.drag((x, y), (x + 75, y))
    assert float(xy.run("document.getElementById('leaf0').value")) == 3.0
    assert gradients(xy) == [pytest.approx(3 + math.cos(3), rel=1e-15), 3.0]
    text = xy.text("#tangent")
    # From 2 the tangent of slope 3 + cos(2) leads to 6 + sin(2) + 3 + cos(2).
    assert "the tangent leads to f = 9.49315 (ring)" in text
    assert xy.count("#plot .marker") == 1
    assert "M" in xy.run("document.querySelector('#plot .curve').getAttribute('d')")


def test_the_tangent_waits_for_its_gradient(xy: Browser) -> None:
    assert xy.count("#plot .tangent") == 1
    xy.press("Home")
    assert xy.count("#plot .tangent") == 0
    assert "will tell" in xy.text("#tangent")


def test_the_keyboard_alone_plays_and_changes_a_number(xy: Browser) -> None:
    xy.run("document.querySelector('#graph .leaf').focus()")
    xy.press("ArrowUp")
    assert result(xy) == pytest.approx(2.1 * 3 + math.sin(2.1))
    xy.press("PageUp")
    assert result(xy) == pytest.approx(3.1 * 3 + math.sin(3.1))
    xy.press("Enter")
    assert xy.run("document.activeElement.id") == "leaf0"
    xy.run("document.activeElement.blur()")
    xy.press(" ")
    assert xy.run("document.getElementById('play').getAttribute('aria-pressed')") == "true"
    xy.press("ArrowRight")
    assert xy.run("document.getElementById('play').getAttribute('aria-pressed')") == "false"


# --- what flows ----------------------------------------------------------------------------------


def test_backward_heads_point_to_the_operand_and_forward_heads_vanish(xy: Browser) -> None:
    heads = """[...document.querySelectorAll("#graph .head")].map((head) => {
        const river = head.previousElementSibling.previousElementSibling;
        const start = river.getPointAtLength(0);
        const [x, y] = head.getAttribute("transform").match(/-?[\\d.]+/g).map(Number);
        return head.style.display === "" && Math.hypot(start.x - x, start.y - y) < 1; })"""
    assert xy.run(heads) == [True] * 5
    forward = "[...document.querySelectorAll('#graph .forward')].map((a) => a.style.display)"
    assert xy.run(forward) == ["none"] * 5
    xy.press("Home")
    assert xy.run(forward) == [""] * 5
    assert xy.run(heads) == [False] * 5


def test_rivers_are_wider_where_more_flows(show: Show) -> None:
    browser = show(draw(random_graph(25), 0.5, 1.0, 1.5))
    pairs = browser.run(
        "arrows.map((one) => [Math.abs(flowOf(one)),"
        "Number(one.river.getAttribute('stroke-width'))])"
    )
    pairs.sort()
    assert len(pairs) > 20
    assert all(a[1] <= b[1] for a, b in pairwise(pairs))
    assert 2 <= pairs[0][1] < pairs[-1][1] == 10


def test_a_pill_carries_the_gradient_and_sums_add_up(xy: Browser) -> None:
    xy.resize(1200, 800, motion=True)
    xy.press("Home")
    for _ in range(7):
        xy.press("ArrowRight")
    seen = xy.run(
        """(async () => { const seen = new Set();
        document.getElementById("speed").value = 2;
        let moves = true;
        go(unit + 1).then(() => (moves = false));
        while (moves) {
            document.querySelectorAll("#graph .pill text, #graph .badge.now text, #graph .now .g")
                .forEach((text) => seen.add(text.textContent));
            await new Promise((done) => setTimeout(done, 10));
        }
        return [...seen]; })()"""
    )
    assert "1.0 × 3.0" in seen
    assert "−0.4161 + 3.0" in seen
    assert shown(xy, "x")[1] == "∂f/∂x = 2.584"


@pytest.mark.slow
def test_play_takes_its_time_and_can_be_interrupted(xy: Browser) -> None:
    xy.resize(1200, 800, motion=True)
    began = time.monotonic()
    xy.run("void play()")
    while xy.run("playing"):
        time.sleep(0.1)
    assert 25 <= time.monotonic() - began <= 60  # 45, on a machine that is not busy
    xy.run("void play()")
    time.sleep(1)
    xy.run("void play()")
    assert xy.run("unit") < 5
    assert xy.count("#graph .pill") == 0


def test_with_reduced_motion_nothing_moves(xy: Browser) -> None:
    xy.press("Home")
    xy.press("ArrowRight")
    assert xy.count("#graph .pill") == 0
    assert xy.run("document.getAnimations().length") == 0


# --- networks ------------------------------------------------------------------------------------


def test_a_network_is_a_card_for_each_neuron(show: Show) -> None:
    model = MLP(2, [3, 1], activation=tanh, rng=random.Random(0))
    browser = show(draw(model, [0.5, -1.0]))
    assert browser.count("#graph .card") == 6
    visible = browser.run("document.body.innerText")
    assert "sumprod" not in visible
    assert "layers.0" not in visible
    x = [Value(0.5), Value(-1.0)]
    out = model(x)
    out.backward()
    assert gradients(browser) == [pytest.approx(v.grad) for v in (*x, *model.parameters())]
    rows = browser.run(
        "[...document.querySelectorAll('#graph .card')].find((g) => g.textContent.includes('h2'))"
        ".querySelectorAll('.rg').length"
    )
    assert rows == 5  # two weights, the bias, the sum and the neuron itself
    browser.press("Home")
    found = []
    for _ in range(9):
        browser.press("ArrowRight")
        found.append(said(browser))
    assert any(s.startswith("Neuron h1 weighs its inputs and adds: sum ") for s in found)
    assert any("Each weight gets that times its input" in s for s in found)


def test_choosing_a_card_lists_its_terms(show: Show) -> None:
    model = MLP(2, [3, 1], rng=random.Random(0))
    browser = show(draw(model, [0.5, -1.0]))
    browser.run("choose(cards.find((card) => card.kind === 'rows'))")
    assert browser.count("#chosen tr") == 4
    assert "∂f/∂h" in browser.text("#chosen ol")
    browser.run("document.getElementById('close').click()")
    assert browser.run("document.getElementById('chosen').hidden")


# --- every op ------------------------------------------------------------------------------------


def test_every_op_has_a_sentence() -> None:
    for name, op in OPS.items():
        words, kind = sentence_of(op)
        assert not words.startswith("Apply") or name in INTERNAL, name
        assert kind in ("sum", "difference", "product", "switch", "choice", "slope")


# Ops that only rules use.
INTERNAL = {"over", "power_log", "relative", "sech", "sinc_derivative", "steep"}


def check_cases(show: Show, drawn: list[Any]) -> int:
    """Check the lines and the sentences of pages of functions at points; return how many."""
    count = 0
    for g, point in drawn:
        graph = graph_at(g, point)
        if graph is None or graph.fixed:
            continue
        browser = show(draw(g, *point))
        lines = listed(browser)
        assert same_lines(lines, python_lines(g, point)), (lines, python_lines(g, point))
        count += len(lines) + check_sentences(browser)
        assert browser.problems == []
    return count


def test_lines_and_sentences_of_ops_are_true(show: Show) -> None:
    rng = random.Random(5)
    assert check_cases(show, rng.sample(list(cases(rng, 2)), 12)) > 25


def test_steps_that_change_nothing_are_no_steps_of_their_own(show: Show) -> None:
    browser = show(draw(lambda x: (x / 1) / 1 * ((x + x) / 1), 0.5))
    assert browser.problems == []
    assert browser.run("units.length") == 9
    assert check_sentences(browser) == 5
    browser = show(draw(lambda x: x / 1 + x, 3.0))
    assert browser.run("sentence(units[1]).flat()[0]") == "Add x and x: "


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_has_a_page(show: Show, x: float) -> None:
    browser = show(draw(lambda x: x * 2, x))
    assert browser.problems == []
    assert close(result(browser), x * 2) or result(browser) == x
    assert gradients(browser) == [2.0]
    type_number(browser, 0, 3.0)
    assert result(browser) == 6.0


@primitive(lambda g, y, a, b: g * 2 * a * b, lambda g, y, a, b: g * a * a)
def square_times(a: Any, b: Any) -> Any:
    return a * a * b


OWN: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "the largest of many": (lambda *xs: max(xs) * 2, [1.0, 5.0, 3.0, 2.0, 4.0]),
    "one after another": (lambda a, b, c: maximum(maximum(a, b), c), [1.0, 2.0, 3.0]),
    "a sum of many": (lambda *xs: fsum(xs) * 2, [float(k) for k in range(20)]),
    "large and small": (lambda a, b, c, d: fsum([a, b, c, d]), [1e300, 1.0, -1e300, 2.0]),
    "products": (lambda *xs: sg.prod(xs) + sg.hypot(*xs), [2.0, 3.0, 4.0, 5.0]),
    "in pairs": (lambda a, b: tanh(sg.sumprod([a, b], [a, 2.0])), [0.1, 0.2]),
    "one's own": (lambda a, b: square_times(a, b) + 1, [3.0, 2.0]),
    "a branch": (lambda x: x * x if x > 1 and x < 5 else -x, [2.0]),
    "beyond floats": (lambda x: x * x, [1e300]),
    "tiny": (lambda x, y: x * y / 3, [1e-300, 1e-5]),
    "fractions": (lambda x, y: x * x / y + x, [Fraction(1, 3), Fraction(2, 7)]),
    "nothing": (lambda x: x, [2.0]),
}


@pytest.mark.parametrize("name", OWN)
def test_odd_graphs_have_true_lines_at_each_step(show: Show, name: str) -> None:
    g, point = OWN[name]
    browser = show(draw(g, *point))
    assert same_lines(listed(browser), python_lines(g, point))
    if name not in ("one's own", "fractions"):  # which the reader of formulas does not know
        check_sentences(browser)
    browser.run("cards.forEach(choose)")
    while browser.run("unit"):
        browser.press("ArrowLeft")
    assert browser.problems == []


def test_ints_are_shown_as_ints(show: Show) -> None:
    browser = show(draw(lambda x: frexp(x)[0], 12.0))
    text = " ".join(listed(browser))
    assert "ldexp(12.0, -4) = 0.75" in text, text
    type_number(browser, 0, 1e-8)
    text = " ".join(listed(browser))
    assert "ldexp(1e-08, 26) = 0.671089" in text, text
    assert check_sentences(browser) > 0


@pytest.mark.slow
def test_lines_and_sentences_of_all_ops_are_true(show: Show) -> None:
    rng = random.Random(6)
    drawn = [*cases(rng, 2), *of_losses(rng, 3)]
    assert check_cases(show, drawn) > 2000


def test_a_wrong_sentence_is_seen(xy: Browser) -> None:
    assert check_sentences(xy) == 7
    xy.run("steps[7].edge.product = 5")
    with pytest.raises(AssertionError):
        check_sentences(xy)


def test_ops_of_ones_own_have_a_general_sentence(show: Show) -> None:
    @primitive(lambda g, y, x: g * (3 * x * x))
    def cube(x: Any) -> Any:
        return x * x * x

    browser = show(draw(lambda x: cube(x), 2.0))
    browser.press("Home")
    browser.press("ArrowRight")
    assert said(browser) == "Apply cube to x: f = cube(2.0) = 8.0."
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert said(browser).startswith("At x = 2.0 cube has the slope ")


# --- sizes ---------------------------------------------------------------------------------------


def test_a_page_has_45_kb_and_1_kb_a_node() -> None:
    for f, *arguments in (EXAMPLES["expression"], *models().values()):
        drawing = draw(f, *arguments)
        assert len(drawing.html.encode()) <= 45_000 + 1_000 * len(drawing._graph.nodes)


EXAMPLES: dict[str, tuple[Any, ...]] = {
    "expression": (f, 2.0, 3.0),
    "neuron": models()["neuron"],
    "cross entropy": (lambda a, b, c: losses.cross_entropy([a, b, c], 1), 1.0, 2.0, 3.0),
    "mlp": models()["mlp"],
    "sixty nodes": (random_graph(60), 0.5, 1.0, 1.5),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_at_1200_by_800_the_page_does_not_scroll(show: Show, name: str) -> None:
    g, *arguments = EXAMPLES[name]
    browser = show(draw(g, *arguments))
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert browser.run(size) == [1200, 800]
    strip = not browser.run("document.getElementById('overview').hidden")
    assert not strip or name in ("sixty nodes", "cross entropy")
    assert browser.problems == []


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("name", EXAMPLES)
def test_on_a_phone_both_ends_of_the_current_edge_are_seen(
    show: Show, name: str, width: int
) -> None:
    g, *arguments = EXAMPLES[name]
    browser = show(draw(g, *arguments), width, 844, dark=True)
    for _ in range(6):
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run(UNSEEN) == []
        browser.press("ArrowLeft")
    assert browser.problems == []


# Whether a card is not wholly within the picture: the current one, and both ends of its edges.
UNSEEN = """(() => { const frame = document.getElementById("picture").getBoundingClientRect();
    const lit = [...document.querySelectorAll("#graph .card.now")];
    const few = lit.length <= 4 ? lit : lit.filter((g) => g === units[unit].card.group);
    return few.filter((card) => {
        const box = card.getBoundingClientRect();
        return box.left < frame.left - 4 || box.right > frame.right + 4 ||
            box.top < frame.top - 4 || box.bottom > frame.bottom + 4; }).length ? [1] : []; })()"""


def test_of_many_nodes_the_current_one_is_seen_and_the_strip_is_dragged(show: Show) -> None:
    g, *arguments = EXAMPLES["sixty nodes"]
    browser = show(draw(g, *arguments))
    browser.press("Home")
    for _ in range(40):
        browser.press("ArrowRight")
        assert browser.run(UNSEEN) == []
    before = browser.run("view[0]")
    x, y, *_ = browser.box("#overview rect")
    browser.drag((x + 200, y + 5), (x, y + 5))
    assert browser.run("view[0]") != before


def test_fields_have_labels(xy: Browser) -> None:
    labels = xy.run(
        "[...document.querySelectorAll('input[type=number]')].map((i) => i.labels[0].textContent)"
    )
    assert labels == ["x", "y"]
    assert xy.run("document.getElementById('sentence').getAttribute('role')") == "status"
    unnamed = xy.run(
        "[...document.querySelectorAll('button, input')].filter((b) =>"
        "!(b.getAttribute('aria-label') || b.textContent || (b.labels && b.labels.length))).length"
    )
    assert unnamed == 0


def test_the_tab_key_reaches_everything(xy: Browser) -> None:
    name = "(({id, tagName, classList: c}) => id || c[1] || tagName)(document.activeElement)"
    reached = set()
    for _ in range(24):
        xy.press("Tab")
        reached.add(xy.run(name))
    assert {"leaf", "op", "play", "back", "scrub", "speed", "leaf0", "leaf1", "list"} <= reached


def test_a_number_outside_the_domain_is_said_as_python_says_it(show: Show) -> None:
    browser = show(draw(lambda x: log(x) + sqrt(x), 2.0))
    browser.press("End")
    type_number(browser, 0, -1.0)
    message = "ValueError: math domain error, in log(x=-1.0); log takes x > 0"
    assert browser.text("#error") == message
    type_number(browser, 0, 4.0)
    assert browser.text("#error") == ""
    assert gradients(browser) == [0.5]


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.slow
def test_hostile_labels_are_shown_as_text(show: Show, label: str) -> None:
    browser = show(draw(sin(Value(2.0, label)) * 3.0))
    browser.press("End")
    assert gradients(browser) == [pytest.approx(3 * math.cos(2.0))]
    name = browser.text("label")
    assert name == plain(label)
    assert browser.problems == []


def test_what_is_not_taken_neither_fails_nor_stays_away(show: Show) -> None:
    browser = show(draw(lambda x: where(x > 0, sqrt(x), x * 0.5), 0.0))
    assert gradients(browser) == [0.5]
    type_number(browser, 0, 4.0)
    assert gradients(browser) == [0.25]
    browser = show(draw(lambda x: relu(x * x - 1) * 3, 0.5))
    expected = [line.strip() for line in explain(lambda x: relu(x * x - 1) * 3, 0.5).splitlines()]
    assert [line for line in listed(browser) if line not in expected] == []
    type_number(browser, 0, 2.0)
    assert gradients(browser) == [12.0]


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
        (lambda x: x * x.data, 3.0, "a traced number has no value", "3.0"),
        (Square.apply, 3.0, "Square is a function of Python's", "6.0"),
        (lambda x: x * x / 3, Fraction(1, 2), "one is a Fraction", "1/3"),
    ],
)
def test_a_graph_that_cannot_follow_steps_and_says_why(
    show: Show, f: Any, x: Any, reason: str, gradient: str
) -> None:
    browser = show(draw(f, x))
    assert reason in browser.text("#help")
    assert browser.count("input[type=number]") == 0
    browser.press("End")
    text = browser.text(".leaf output")
    assert text.endswith(f" = {gradient}")
    assert browser.problems == []


def test_a_value_that_was_compared_does_not_follow(show: Show) -> None:
    x = Value(3.0, "x")
    browser = show(draw(where(x > 0, x, -x)))
    assert "draw the function" in browser.text("#help")


def test_of_a_large_graph_the_part_nearest_the_output_is_live(show: Show) -> None:
    browser = show(draw(deep(1000), 0.5))
    note = browser.text("#note")
    assert note.startswith("The 300 nodes nearest the output, of 1,001")
    browser.press("End")
    [slope] = gradients(browser)
    y = Value(float(browser.run("document.getElementById('leaf0').value")))
    deep(299)(y).backward()
    assert math.isclose(slope, y.grad, rel_tol=1e-9)
    assert browser.problems == []


def test_a_page_with_collapsed_layers(show: Show) -> None:
    model = MLP(2, [8, 1], rng=random.Random(0))
    browser = show(draw(model, [1.0, 2.0], collapse=model.layers))
    browser.press("End")
    x = [Value(1.0), Value(2.0)]
    model(x).backward()
    assert gradients(browser)[:2] == [pytest.approx(v.grad) for v in x]
    assert browser.count("#graph .group") == 2
    assert browser.problems == []


# --- the file ------------------------------------------------------------------------------------


def test_a_page_of_30_nodes_is_small_and_asks_nobody() -> None:
    html = draw(random_graph(30), 0.5, 1.0, 1.5).html
    assert len(html.encode()) <= 75_000
    assert "default-src 'none'" in html
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)
