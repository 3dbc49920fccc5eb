"""Programs that call programs, in C: functions of C, with the bits and errors of Python's."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import Value, compile, exp, grad, hvp, jvp, log, relu, tanh, value_and_grad, where
from scalargrad.nn import MLP
from scalargrad.testing.inputs import EDGES
from tests.programs.test_c import (
    COMPILER,
    bits,
    cache,  # noqa: F401
    compiles_alone,
    each_compiler,
    machines,
    outcome,
    same,
)
from tests.threads import in_threads

pytestmark = [
    pytest.mark.slow,  # most start a C compiler, several times
    pytest.mark.skipif(COMPILER is None, reason="no C compiler is here"),
]

NUMBERS = st.floats(-3, 3) | st.sampled_from([x for x in EDGES if type(x) is float])


def defined(source: str) -> list[str]:
    """Return the names of the functions that a text defines, but for those of the runtime."""
    found = re.findall(r"^(?:SG_APART )?(?:static )?\w+ (\w+)\(", source, re.MULTILINE)
    return [name for name in found if not name.startswith("sg_")]


def in_c(c: Any, *points: Any) -> Any:
    """Check that C computes these points, and Python none of them; return the text."""
    (machine,) = machines(c)
    assert machine is not None
    machine.otherwise = pytest.fail
    for point in points:
        numbers, _ = sg.transforms.nesting.flatten(list(point))
        machine.run([float(x) for x in numbers])
    return c.source


# --- a network of pieces, three deep --------------------------------------------------------------


@compile
def neuron(w: list[Any], x: list[Any], b: Any) -> Any:
    return tanh(sum(p * q for p, q in zip(w, x, strict=True)) + b)


@compile
def layer(weights: list[list[Any]], biases: list[Any], x: list[Any]) -> list[Any]:
    return [neuron(w, x, b) for w, b in zip(weights, biases, strict=True)]


@compile
def network(weights: list[list[Any]], biases: list[Any], x: list[Any]) -> Any:
    for _ in range(2):
        x = layer(weights, biases, x)
    return x[0] / x[1]


def loss(weights: list[list[Any]], biases: list[Any], x: list[Any]) -> Any:
    return network(weights, biases, x) - network(weights, biases, [x[1], x[0]]) ** 2


POINT = ([[0.5, -1.25], [2.0, 0.75]], [0.1, -0.3], [1.5, -0.25])
POINTS = st.tuples(
    st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=2, max_size=2),
    *[st.lists(NUMBERS, min_size=2, max_size=2)] * 2,
)
TRANSFORMED: dict[str, Callable[..., Any]] = {
    "value": loss,
    "gradient": value_and_grad(loss, argnums=(0, 1, 2)),
    "hvp": lambda w, b, x: hvp(loss, (w, b, x), (w, b, x)),
    "jvp": lambda w, b, x: jvp(loss, (w, b, x), (w, b, x)),
    "second": lambda w, b, x: grad(lambda b: grad(loss, argnums=2)(w, b, x)[0])(b),
}
PAIRS = {way: (compile(f, target="c"), compile(f)) for way, f in TRANSFORMED.items()}


@given(way=st.sampled_from(sorted(TRANSFORMED)), point=POINTS)
@example("value", POINT)
@example("gradient", POINT)
@example("hvp", POINT)
@example("jvp", POINT)
@example("second", POINT)
def test_calls_three_deep_have_the_bits_and_errors_of_python(way: str, point: Any) -> None:
    c, python = PAIRS[way]
    assert outcome(c, *point) == outcome(python, *point), c.source


@pytest.mark.parametrize("way", TRANSFORMED)
def test_what_is_called_is_a_function_of_c(way: str) -> None:
    c = same(TRANSFORMED[way], POINT)
    names = defined(in_c(c, POINT))
    assert {"neuron", "layer", "network"} <= set(names)
    assert len(set(names)) == len(names)
    if way != "value":
        assert any(name.startswith("neuron_") for name in names), names


def test_a_call_reads_as_in_the_code() -> None:
    source = same(loss, POINT).source
    arrays = ["const double *restrict w", "const double *restrict x"]
    for name in (*arrays, "double b", "double *restrict out"):
        assert name in source.split(" neuron(")[1].split(")")[0], source
    # The second weights and biases go in where they stand, and no number is copied.
    assert "neuron(weights, x, biases[0], out);" in source, source
    assert "neuron(weights + 2, x, biases[1], out + 1);" in source


def test_numbers_side_by_side_go_in_as_a_pointer() -> None:
    first = compile(lambda xs: sum(x * x for x in xs))

    def f(xs: list[Any]) -> Any:
        return first(xs[:3]) - first(xs[3:]) / first(xs[1:4])

    source = in_c(same(f, [[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]]), [[1.0] * 6])
    calls = re.findall(r"f_?\d*\((in[^)]*)\)", source.split("feclearexcept")[0])
    assert {"in", "in + 1", "in + 3"} <= {call.split(",")[0] for call in calls}, source
    assert not re.search(r"work\[.*\] = in\[", source)


def test_backward_of_captured_values() -> None:
    def run(target: str) -> tuple[list[Any], Any]:
        shared = [Value(0.5, label="a"), Value(-1.5, label="b")]
        piece = compile(lambda x, y: tanh(x * shared[0]) + y * shared[1])
        values = [Value(0.25), Value(2.0)]
        f = compile(
            lambda x: piece(x, values[0]) * piece(values[1], x) + shared[0] * piece(1.0, 2.0),
            target=target,
        )
        found = [f.backward(0.75) for _ in range(2)]
        return [bits(x) for x in (*found, *[p.grad for p in (*shared, *values)])], f

    c, f = run("c")
    assert c == run("python")[0]
    assert None not in machines(f)


def test_a_batch_through_a_compiled_model() -> None:
    def run(target: str) -> tuple[list[Any], Any]:
        random.seed(1)
        model = MLP(2, [4, 4, 1])
        for p in model.parameters():
            p.data = float(p.data)  # with ints among its numbers Python runs
        net = compile(model)
        batch = [(math.sin(k), math.cos(3 * k), (-1) ** k) for k in range(30)]
        f = compile(lambda: sum(relu(1 - y * net([a, b])) for a, b, y in batch) / 30, target=target)
        return [bits(f.backward()), *[bits(p.grad) for p in model.parameters()]], f

    c, f = run("c")
    assert c == run("python")[0]
    source = in_c(f)
    # The samples are constants, the sums over them loops: the model is written once.
    assert len([name for name in defined(source) if name.startswith("MLP")]) == 2, source
    assert "static const double constants[]" in source
    assert len(source) < 15_000


# --- what goes in and comes out -------------------------------------------------------------------


@compile
def stats(xs: list[Any]) -> dict[str, Any]:
    mean = sum(xs) / len(xs)
    return {"mean": mean, "parts": [[x - mean for x in xs], (xs[0], mean * 2)]}


@compile
def many(*xs: Any) -> Any:
    return [x * xs[k - 1] + k for k, x in enumerate(xs)]


@compile
def shared(xs: list[Any], y: Any) -> Any:
    return sum(x * (k + y) for k, x in enumerate(xs))


@compile
def whole(n: Any, x: Any) -> Any:
    return n * 2, n % (x * x + 1), x > n, sg.floor(x) + n


@compile
def ratio(x: Any, y: Any) -> Any:
    return x / y


@compile
def chosen(c: Any, a: Any) -> Any:
    return where(c & (a < 2), a, -a) + c


@compile
def chosen_of(cs: list[Any]) -> Any:
    return where(cs[0], cs[1] * 1, 7)


@compile
def swapped(a: Any, b: Any) -> Any:
    return [b, a, b]


@compile
def with_constants(a: Any) -> Any:
    return (2, a, 0.5, True)


@compile
def twice(a: Any) -> Any:
    return a * 2


@compile
def undecided(x: Any) -> Any:
    return where(x > 0, x, 0)


CASES: dict[str, Callable[..., Any]] = {
    "nested results": lambda x, y: [stats([x, y, x * y]), stats([y, x, 1.0])["parts"][0]],
    "results as arguments": lambda x, y: stats(stats([x, y])["parts"][0])["parts"],
    "tuples of tuples": lambda x, y: grad(
        lambda z: stats(stats([z, y, z * y])["parts"][0])["parts"][1][1]
    )(x),
    "constants": lambda x, y: stats([1, 2.5, -3])["mean"] * x + shared([1, 2.5, -3], y),
    "constants and numbers": lambda x, y: stats([1.0, x, 2, y])["parts"],
    "infinite constants": lambda x, y: shared([x, math.inf], y),
    "nan among constants": lambda x, y: shared([math.nan, 1.0, 2.0], y) + x,
    "divided infinity": lambda x, y: ratio(math.inf, x),
    "an int or a float as argument": lambda x, y: twice(undecided(x)) * 1.0,
    "many numbers": lambda x, y: many(x, y, x - y, 2.0, 1, x, x, y, y, x + y, 7.0),
    "sums of tuples": lambda x, y: grad(
        lambda xs: sum(shared(xs, x + k) * k for k in range(12)), 0
    )([x, y, x * y, x - y, 1.5, y]),
    "ints": lambda x, y: [whole(3, x), whole(-2, y)],
    "ints or floats": lambda x, y: [
        undecided(x) / 2,
        undecided(y) * 0.5,
        stats([undecided(x), y])["mean"],
        twice(undecided(x) + undecided(y)) + 0.5,
        twice(undecided(x) * y) + 0.5,
        twice(undecided(x) ** 2 - 1) % 0.75,
    ],
    "conditions": lambda x, y: where(whole(1, x)[2] & whole(2, y)[2], x, y),
    "a condition as argument": lambda x, y: chosen(x > y, x),
    "conditions in a tuple": lambda x, y: chosen_of([x > y, y < 1]),
    "an argument as result": lambda x, y: swapped(x, y),
    "a constant as result": lambda x, y: with_constants(x),
    "taylor": lambda x, y: sg.taylor(lambda z: neuron([z, y], [x, z], 1.0), x, 4),
}


@pytest.mark.parametrize("name", CASES)
def test_what_goes_in_and_comes_out(name: str) -> None:
    points = [(1, 2), (0.5, -1.25), (3.0, 2.0), (-0.0, 0.0), (1e308, 1e308), (math.inf, 1.0)]
    c = same(CASES[name], *points)
    assert None not in machines(c)
    assert (len(defined(c.source)) > 2) == (name not in INLINED), c.source


# The trace writes the first into the caller; of calls that give back what they got, or constants,
# nothing is left.
INLINED = {
    *("taylor", "a condition as argument", "conditions in a tuple"),
}


@settings(max_examples=20)
@given(name=st.sampled_from(sorted(CASES)), x=NUMBERS, y=NUMBERS)
def test_what_goes_in_and_comes_out_at_any_number(name: str, x: float, y: float) -> None:
    if name not in BOTH:
        BOTH[name] = compile(CASES[name], target="c"), compile(CASES[name])
    c, python = BOTH[name]
    assert outcome(c, x, y) == outcome(python, x, y)


BOTH: dict[str, tuple[Any, Any]] = {}


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "points"),
    [
        (lambda x, y: log(x) * y, [(-1.0, 2.0), (0.0, 1.0), (2.0, 3.0)]),
        (lambda x, y: exp(x) + y, [(1000.0, 1.0), (700.0, 1.0)]),
        (lambda x, y: 1 / (1 + exp(x)) + y, [(1000.0, 1.0), (-1000.0, 1.0)]),
        (lambda x, y: x / y, [(0.0, 0.0), (1.0, 0.0), (1.0, 3.0)]),
        (lambda x, y: x * y - x * y, [(1e200, 1e200), (math.nan, 1.0), (math.inf, 0.0)]),
        (lambda x, y: where(x > 0, 1 / x, y), [(0.0, 1.0), (2.0, 1.0)]),
        (lambda x, y: x**y, [(-1.0, 0.5), (0.0, -1.0), (2.0, 3.0)]),
    ],
)
def test_errors_in_what_is_called(f: Callable[..., Any], points: list[Any]) -> None:
    piece = compile(f)
    outer = compile(lambda x, y: piece(x, y) * 2)

    def top(x: Any, y: Any) -> Any:
        return outer(x, y) + piece(y, 1.0 + x * 0)

    good = points[-1]
    same(lambda x, y: outer(x, y) + 1, *points)
    same(top, *points, good)
    same(value_and_grad(lambda x, y: outer(x, y), argnums=(0, 1)), *points)


def test_each_call_computes_what_its_own_results_need() -> None:
    inverse = compile(lambda x: 1 / x)
    part = compile(lambda x, y: (undecided(x) * 0.5, inverse(y)))

    def f(x: Any, y: Any) -> Any:
        _, second = part(x, y)
        first, _ = part(second, x - 2 if isinstance(x, Value) else 1.0)
        return first

    c = same(f, (1.0, 0.5), (2.0, 0.5), (1.0, 0.0))
    assert c(2.0, 0.5) == f(2.0, 0.5)  # which divides by 0 where nothing is needed of it


# --- size, names, threads -------------------------------------------------------------------------


def test_what_is_larger_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalargrad.programs.spell.c.text.PIECE", 9)
    for f in TRANSFORMED.values():
        names = defined(in_c(same(f, POINT), POINT))
        assert any(name.startswith("network") and name.endswith("_1") for name in names), names
    for f in CASES.values():
        same(f, (0.5, -1.25), (3.0, 2.0))
    big = compile(lambda x: sum(tanh(x * k) / (k + 1) for k in range(40)))
    assert "f_2_1(" in same(lambda x: big(x) * big(x + 1), (0.5,), (math.inf,)).source


def test_a_parameter_with_the_name_of_what_is_called() -> None:
    def g(x: Any) -> Any:
        return tanh(x) * 2

    first, second = compile(g), compile(lambda x: exp(-x))
    second.__name__ = "g"
    outer = compile(lambda g_2: first(g_2) + second(g_2) * g_2)
    source = in_c(same(lambda x: outer(x) + outer(x * 2), (0.5,)), (0.5,))
    assert {"g", "g_2"} <= set(defined(source)), source
    assert "double g_2_2" in source


@pytest.mark.parametrize("count", [300, 10_000])
def test_thousands_of_calls(count: int) -> None:
    step = compile(lambda x, k: [x[0] + k * x[1], tanh(x[1] - x[0])])

    def f(x: Any) -> Any:
        state = [x, x * 0.5]
        for k in range(count):
            state = step(state, 1 / (k + 1))
        return state

    c = same(f, (0.25,), (-3.0,))
    source = in_c(c, (0.25,))
    assert source.count("tanh(") == 1
    assert machines(c)[0].spelled.work <= 2 * count + 3


@each_compiler
def test_the_text_compiles_alone_without_a_warning(name: str, tmp_path: Path) -> None:
    def named(wish: str, *arguments: str) -> Any:
        listed = ", ".join(arguments)
        namespace: dict[str, Any] = {"cos": sg.cos}
        exec(f"def {wish}({listed}): return cos({arguments[0]}) * {arguments[-1]}", namespace)
        return compile(namespace[wish])

    wishes = ["printf", "index", "exp", "FE_INVALID", "sg_relu", "I", "y0", "main"]
    wishes += ["inf", "double_t"]
    odd = [named(wish, "double", "out", "work", "constants", "i", "in_") for wish in wishes]
    odd += [named(wish, "auto", "exp", "sg_div", wish) for wish in ("neuron", "abs", "malloc")]
    odd[-1].__name__ = odd[-2].__name__ = "a b"

    def f(x: Any, y: Any) -> Any:
        found = [g(x, y, 1.0, x, y, x) for g in odd[: len(wishes)]]
        found += [g(x, y, 1.0, x) for g in odd[len(wishes) :]]
        return [
            found,
            loss([[x, y], [y, 1.0]], [x, x], [y, 2.0]),
            [g(x, y) for g in CASES.values()],
        ]

    c = same(f, (0.5, 0.25))
    compiles_alone(c.source, name, tmp_path)


def test_many_threads_at_once() -> None:
    c, python = PAIRS["gradient"]
    points = [([[k / 9, 1.0], [0.5, -k / 7]], [0.1, k], [k / 3, 1 - k]) for k in range(1, 40)]
    expected = [outcome(python, *point) for point in points]

    def run(k: int) -> None:
        for _ in range(5):
            assert [outcome(c, *point) for point in points[k:]] == expected[k:]

    in_threads(run, 8)
