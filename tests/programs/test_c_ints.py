"""Ints in C: the bits, kinds and errors of the Python program, whichever inputs are ints."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import Value, compile, grad, map_grad, value_and_grad, where
from scalargrad.functions import arithmetic
from scalargrad.functions.elementary import power_log
from scalargrad.functions.many import largest
from scalargrad.nn import MLP
from scalargrad.programs.run import program as programs
from scalargrad.programs.run.c_program import CProgram
from scalargrad.programs.spell.c.rules import CALLED_BACK
from tests.programs import fuzz
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

LARGE = 2**53
INTS = st.integers(-9, 9) | st.sampled_from([LARGE - 1, LARGE, LARGE + 1, -LARGE, 2**31, 10**400])
FLOATS = st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, 2.0, -2.5, 3.0, 1e300, 2.0**53, math.inf])
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: arithmetic.floordiv(a, b),
    "%": lambda a, b: a % b,
    "**": lambda a, b: where(abs(a) < 99, a, 3) ** where(abs(b) < 99, b, -2),
    "n ** k": lambda a, b: sg.floor(sg.clip(a, -99, 99)) ** sg.trunc(sg.clip(b, -9, 9)),
    "** k": lambda a, b: [a**k - b ** (k / 2) for k in (0, 1, 2, 3, -1, -2)],
    "power_log": lambda a, b: [power_log(a, where(abs(b) < 9, b, 2), n) for n in (0, 1, 2)],
    "copysign": sg.copysign,
    "fmod": sg.fmod,
    "atan2": sg.atan2,
    "hypot": lambda a, b: sg.hypot(a, b),
    "maximum": sg.maximum,
    "minimum": sg.minimum,
    "where": lambda a, b: where(a > b, a, b),
    "where an int": lambda a, b: where(a, b, a) + where(b > 0, a, 0.5),
    "clip": lambda a, b: sg.clip(a, b, 3) * sg.clip(1.5, a, b),
    "comparisons": lambda a, b: [a < b, a <= b, a == b, a != b, (a > b) + (a >= b), -(a > b)],
    "leaky_relu": sg.leaky_relu,
    "elu": sg.elu,
    "over": arithmetic.over,
    "largest": lambda a, b: largest(a, b, 1),
    "softmax": lambda a, b: sg.softmax([a, b, 2]),
    "sums": lambda a, b: [sg.sumprod([a, b], [b, 2]), sg.prod([a, b, a]), sg.fsum([a, b, 1])],
    "signs": lambda a, b: [-a, +a, abs(a), sg.fabs(b), sg.sign(a), sg.relu(b), sg.relu(-a)],
    "rounded": lambda a, b: [sg.floor(a), sg.ceil(b), sg.trunc(a * 0.5), sg.floor(b) * a],
    "of one": lambda a, b: [sg.silu(a), sg.gelu(b), sg.sigmoid(a), sg.softplus(b), sg.cbrt(a)],
    "exponents": lambda a, b: [sg.ldexp(a, 3), *sg.frexp(a), *sg.modf(b), sg.ldexp(b, sg.floor(a))],
    "tests": lambda a, b: [sg.isnan(a), sg.isinf(b), sg.isfinite(a), sg.isclose(a, b)],
    "either": lambda a, b: where(a > 0, a, 0.5) * b - where(b > 1, 2, a) % 3,
    "a constant": lambda a, b: a * (2**53 - 1) + b - (2**53 - 2),
}
BOTH: dict[str, list[Any]] = {}


def compiled(name: str, f: Callable[..., Any]) -> list[Any]:
    """Return a function in C and in Python: the same ones each time."""
    if name not in BOTH:
        BOTH[name] = [compile(f, target="c"), compile(f)]
    return BOTH[name]


# Ints whose kinds C cannot follow: Python runs.
IN_PYTHON = {"**", "power_log"}


@pytest.mark.parametrize("name", BINARY)
def test_every_choice_of_ints_and_floats(name: str) -> None:
    numbers = [0, 1, -1, 2, -3, 7, 0.0, -0.0, 1.0, -0.5, 2.0, -3.0]

    def results(a: Any, b: Any) -> list[Any]:
        y = BINARY[name](a, b)
        return y if isinstance(y, list) else [y]

    def with_signs(a: Any, b: Any) -> Any:
        ys = results(a, b)
        return [ys, [sg.copysign(1.0, y) for y in ys]]  # an int 0 has no sign

    def as_floats(a: Any, b: Any) -> Any:
        ys = results(a, b)
        return [[y * 1.0 for y in ys], [sg.copysign(1.0, y) for y in ys]]

    assert len(machines(same(with_signs, *product(numbers, numbers)))) == 4
    c = same(as_floats, *product(numbers, numbers))
    assert len(machines(c)) == 4
    # A result that is an int or a float is returned by Python alone.
    assert (None in machines(c)) == (name in IN_PYTHON)


@settings(suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(BINARY)), INTS | FLOATS, INTS | FLOATS)
@example("+", LARGE - 1, 1)  # of 2**53 it is not known which int it was
@example("+", LARGE - 1, 2)
@example("-", -LARGE, 1)
@example("*", 94906267, 94906267)
@example("*", 3, 3002399751580331)
@example("**", 3, 34)
@example("**", -2, 53)
@example("**", 0, 0)
@example("**", 0, -1)
@example("**", -7, -2)
@example("//", -(LARGE - 1), 2)
@example("//", -7, 7)
@example("%", 5, -5)
@example("%", 1, 0)
@example("/", 0, 0)
@example("a constant", 1, 0)
@example("rounded", 0, 2.0**53)
@example("maximum", 0, -0.0)
@example("over", -3, 0)
@example("leaky_relu", -3, 0)
def test_any_int_and_float(name: str, a: Any, b: Any) -> None:
    c, python = compiled(name, BINARY[name])
    assert outcome(c, a, b) == outcome(python, a, b)


@settings(suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(BINARY)), INTS | FLOATS, INTS | FLOATS)
@example("**", 2, 3)
@example("**", 0, 2)
@example("**", 5.0, 2)
@example("**", 5, 2.0)
def test_derivatives_by_ints(name: str, a: Any, b: Any) -> None:
    def scalar(a: Any, b: Any) -> Any:
        y = BINARY[name](a, b)
        return sum(y) if isinstance(y, list) else y * 1

    c, python = compiled(f"slopes of {name}", value_and_grad(scalar, (0, 1)))
    assert outcome(c, a, b) == outcome(python, a, b)


@pytest.mark.parametrize("op", CALLED_BACK, ids=lambda op: op.name)
def test_what_is_called_back_takes_a_float_for_an_int(op: Any) -> None:
    for n in range(-4, 30):
        inputs = (n,) if op.name != "polygamma" else (2, n)
        inputs = (n, 3) if op.name == "dist" else inputs
        asfloats = [float(x) if k or op.name != "polygamma" else x for k, x in enumerate(inputs)]
        assert outcome(op.forward, *inputs)[0] == outcome(op.forward, *asfloats)[0]


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(program=fuzz.programs())
def test_random_programs(program: fuzz.Program) -> None:
    fuzz.check_in_c(program)


# --- labels, steps, biases ------------------------------------------------------------------------


def test_int_labels_and_a_step_count_run_in_c() -> None:
    def loss(w: Any, xs: Any, label: Any) -> Any:
        return sg.relu(1 - label * sg.tanh(sg.sumprod(w, xs)))

    def step(w: Any, m: Any, t: Any, xs: Any, label: Any) -> Any:
        value, g = value_and_grad(loss)(w, xs, label)
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        scale = 1 / (1 - 0.9**t)
        return [a - 0.1 * scale * b for a, b in zip(w, m, strict=True)], m, t + 1, value

    c, python = compile(step, target="c"), compile(step)
    here = there = [0.5, -0.25], [0.0, 0.0], 1
    for k in range(5):
        xs, label = [0.5 * k, 1.0], 1 - 2 * (k % 2)
        *here, a = c(*here, xs, label)
        *there, b = python(*there, xs, label)
        assert bits(a) == bits(b)
        assert here == there
    assert here[2] == 6
    assert type(here[2]) is int
    (machine,) = machines(c)
    machine.otherwise = pytest.fail  # C runs it
    machine.run([0.5, -0.25, 0.0, 0.0, 1, 0.5, 1.0, -1])
    assert isinstance(c._programs.popitem()[1].latest, CProgram)


def test_captured_ints_are_ints() -> None:
    random.seed(5)
    model = MLP(2, [4, 1])
    w: Any = Value(3, label="weight")

    def f(x: Any, label: Any) -> Any:
        return (model(x) * w - label) ** 2

    found = []
    for target in ("c", "python"):
        compiled = compile(f, target=target)
        parameters = [*model.parameters(), w]
        numbers = [p.data for p in parameters]
        values = []
        for number in (3, 4, 2.5, 0):
            w.data = number
            for p in parameters:
                p.grad = 0
            values.append(bits(compiled.backward([0.5, -0.25], 1)))
            values += [bits(p.grad) for p in parameters]
            for p in parameters[:-1]:
                p.data = p.data - 0.01 * p.grad
        for p, x in zip(parameters, numbers, strict=True):
            p.data = x
        found.append(values)
        if target == "c":
            assert len(machines(compiled)) == 2
            assert None not in machines(compiled)
            assert "captured, weight, an int" in compiled.source
    assert found[0] == found[1]
    w.data = Fraction(1, 2)
    with pytest.raises(TypeError, match="takes floats and ints, not Fraction"):
        compile(f, target="c")([0.5, 0.25], 1)


def test_readers_and_ints() -> None:
    def f(a: Any, xs: list[Any], b: Any) -> Any:
        return [a * 2, [x - k for k, x in enumerate(xs)], b]

    c = compile(f, target="c")
    calls = [(1, [0.5, 2, -7], 1.5), (1.0, [5, 2.0, 0], 3), (-(2**31), [1.0] * 3, 2**31 - 1)]
    for _ in range(4):
        for call in calls:
            assert bits(c(*call)[0]) == bits(f(*call)[0])
            assert repr(c(*call)) == repr(f(*call))
    (program,) = c._read[False]
    assert list(map(places, program.machines)) == [(0, 2, 3), (1, 3, 4), (0, 4)]
    assert program.read is not None
    assert list(map(program.read, calls)) == [[call[0], *call[1], call[2]] for call in calls]
    for large in (2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53), 10**400):
        assert repr(c(large, [0.5, 2, 3], 1.5)) == repr(f(large, [0.5, 2, 3], 1.5))
    many = [k if k % 3 else k / 2 for k in range(100)]
    for k in range(4):
        assert repr(c(k, many[k:], 0.5)) == repr(f(k, many[k:], 0.5))
        assert repr(c(k, many[k:], 0.5)) == repr(f(k, many[k:], 0.5))


# --- how many, and which --------------------------------------------------------------------------


def test_only_the_first_choices_of_ints_get_a_program() -> None:
    def f(*xs: Any) -> Any:
        return [xs[0] * xs[1] + xs[2], xs[3] / 4]

    c, python = compile(f, target="c"), compile(f)
    choices = list(product((2.5, 3), repeat=4))[::-1]
    for _ in range(2):
        for call in choices:
            assert repr(c(*call)) == repr(python(*call))
    (program,) = c._programs.values()
    kept = {(), (0, 1, 2, 3), (0, 1, 2), (0, 1, 3), (0, 1)}
    assert set(map(places, program.machines)) == kept  # floats have one whatever came first
    assert len(kept) == 1 + programs._MOST_OF_INTS
    assert isinstance(program.latest, CProgram)
    c(2.5, 2.5, 2.5, 3)
    assert c.source.startswith("def f(*xs)") or c.source.startswith("def f(")
    c(3, 3, 2.5, 2.5)
    assert "in[1]: xs[1], an int\n" in c.source
    assert "in[2]: xs[2]\n" in c.source
    assert "for a larger one 1 is returned" in c.source
    c(0.5, 0.5, 0.5, 0.5)
    assert "int" not in c.source.partition("*/")[0].replace("int f(", "")


def test_where_the_kinds_cannot_be_kept_python_runs() -> None:
    c = compile(lambda a, b: where(a > b, a, b > 0), target="c")
    python = compile(lambda a, b: where(a > b, a, b > 0))
    for a, b in ((3, 1), (1, 3), (0.5, 2), (3.5, 2)):
        assert repr(c(a, b)) == repr(python(a, b))
    assert set(machines(c)) == {None}
    assert c.source.startswith("def ")


def test_the_text_of_many_ints() -> None:
    c = compile(lambda xs, ys: sg.fsum(x * y for x, y in zip(xs, ys, strict=True)), target="c")
    xs = [k if k % 2 else k * 0.5 for k in range(60)]
    assert c(xs, list(range(60))) == math.fsum(x * y for x, y in zip(xs, range(60), strict=True))
    source = c.source
    assert "in[0] to in[59]: the numbers of xs, in order; 30 of them are ints" in source
    assert "in[60] to in[119]: the numbers of ys, in order; all of them are ints" in source
    assert (
        "for (int i = 0; i < 30; i++)\n        if (!sg_is_whole(in[1 + 2 * i])) return 1;" in source
    )
    assert source.count("sg_is_whole(") <= 5
    xs[59] = 2**53
    assert c(xs, [0] * 60) == 0.0
    (machine,) = machines(c)
    machine.otherwise = lambda pieces: "Python"
    assert machine.run([*xs, *[0] * 60]) == "Python"
    assert machine.run([*xs[:59], 10**400, *[0] * 60]) == "Python"
    assert machine.run([*xs[:59], 3, *[0] * 60]) == 0.0


def test_pickles_and_other_processes_keep_the_programs_of_ints() -> None:
    def f(w: Any, label: Any) -> Any:
        return (w * w - label) ** 2

    c = compile(value_and_grad(f), target="c")
    expected = c(0.5, 3)
    again = pickle.loads(pickle.dumps(c))
    assert again(0.5, 3) == expected
    assert sorted(places(x) for p in again._programs.values() for x in p.machines) == [(), (1,)]
    assert repr(again(2, 3)) == repr(compile(value_and_grad(f))(2, 3))  # there it cannot be written
    fresh = compile(value_and_grad(f), target="c")
    batch = [(0.5, 3), (1.5, -1), (2.5, 0)]
    with ProcessPoolExecutor(2) as executor:
        total = map_grad(fresh, batch, executor)
    assert [places(x) for p in fresh._programs.values() for x in p.machines] == [(1,), ()]
    sums = [c(*call) for call in batch]
    assert total == (sum(y for y, _ in sums), sum(g for _, g in sums))


def test_threads_with_ints_of_their_own() -> None:
    c = compile(grad(lambda x, y, z: x * y + sg.sin(x) * z), target="c")
    calls = [tuple(5 if k >> j & 1 else 2.5 for j in range(3)) for k in range(8)]
    expected = [repr(compile(grad(lambda x, y, z: x * y + sg.sin(x) * z))(*call)) for call in calls]

    def run(k: int) -> None:
        for _ in range(20):
            turn = calls[k:] + calls[:k]
            assert [repr(c(*call)) for call in turn] == expected[k:] + expected[:k]

    in_threads(run, 4)


@each_compiler
def test_the_text_compiles_alone_without_a_warning(name: str, tmp_path: Path) -> None:
    def f(a: Any, b: Any) -> Any:
        ys = [f(a, b) for name, f in BINARY.items() if name not in IN_PYTHON]
        return [[y * 1.0 for y in (y if isinstance(y, list) else [y])] for y in ys]

    c = same(f, (3, 2), (3, 2.5), (0.5, 2))
    for a, b in ((3, 2), (3, 2.5), (0.5, 2)):
        outcome(c, a, b)
        compiles_alone(c.source, name, tmp_path)


def places(types: tuple[type, ...]) -> tuple[int, ...]:
    """Return the places of the ints among numbers of these types."""
    return tuple(k for k, kind in enumerate(types) if kind is int)


def test_a_function_is_prepared_in_c() -> None:
    for numbers, ints in (((0.5, 2.0), ()), ((1, 2.0), (0,))):
        compiled = compile(lambda x, y: x * y, target="c")
        compiled.prepare(*numbers)
        (program,) = compiled._programs.values()
        ((types, machine),) = program.machines.items()
        assert places(types) == ints
        assert type(machine) is CProgram


def test_an_order_that_is_a_float_is_refused() -> None:
    compiled = compile(lambda n, x: sg.polygamma(n, x) * x, target="c")
    assert compiled(2, 1.5) == sg.polygamma(2, 1.5) * 1.5
    for order in (2.0, 0.25):
        with pytest.raises(ValueError, match="order of polygamma must be a non-negative int"):
            compiled(order, 1.5)


def test_many_random_programs() -> None:
    for k in range(60):
        fuzz.check_in_c(fuzz.drawn(random.Random(f"1 {k}")))
