"""What must hold of a Value and its graph, whatever the numbers."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad
from scalargrad import Value, complex_step_gradient, numerical_gradient
from scalargrad.engine.graph import topological_order
from scalargrad.functions.methods import all_ops
from scalargrad.testing import FUNCTIONS, expressions, fractions
from tests.threads import in_threads


def test_micrograds_readme() -> None:
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert f"{g:.4f} {a.grad:.4f} {b.grad:.4f}" == "24.7041 138.8338 645.5773"


@given(drawn=expressions())
def test_random_expressions_agree_with_finite_differences(drawn: Any) -> None:
    expression, inputs = drawn
    leaves = [Value(x) for x in inputs]
    y = expression(*leaves)
    y.backward()
    assert y.data == expression(*inputs), "Values compute what numbers do"
    # No intermediate result is larger than 30, and at most 8 steps round.
    estimates = numerical_gradient(expression, inputs, noise=8 * math.ulp(30.0))
    for leaf, (slope, error) in zip(leaves, estimates, strict=True):
        assert abs(leaf.grad - slope) <= error


@given(drawn=expressions([f for f in FUNCTIONS.values() if f.analytic]))
def test_random_analytic_expressions_agree_with_complex_steps(drawn: Any) -> None:
    expression, inputs = drawn
    leaves = [Value(x) for x in inputs]
    expression(*leaves).backward()
    for leaf, slope in zip(leaves, complex_step_gradient(expression, inputs), strict=True):
        # The two sum the same terms in another order; terms that cancel leave their rounding.
        assert leaf.grad == pytest.approx(slope, rel=1e-9, abs=1e-9)


# --- numbers ------------------------------------------------------------------------------------


def test_data_of_any_real_kind_is_kept_as_it_is() -> None:
    for data in (3, 2.5, Fraction(1, 3), Decimal("0.1"), True):
        assert Value(data).data is data
        assert type((Value(data) + data).data) is type(data + data)


def test_fractions_are_exact() -> None:
    x = Value(Fraction(1, 3))
    y = (x**3 - 2 * x) / (x + 1)
    y.backward()
    assert isinstance(x.grad, Fraction)
    found: tuple[Any, Any] = (y.data, x.grad)
    assert found == (Fraction(-17, 36), Fraction(-43, 48))


def test_decimals_have_the_digits_of_their_context() -> None:
    with localcontext() as context:
        context.prec = 50
        x = Value(Decimal(1) / 3)
        y = (x**3 - 2 * x) / (x + 1)
        y.backward()
        assert isinstance(x.grad, Decimal)
        # The exact derivative at 1/3 is -43/48; the operations round a few times in digit 50.
        assert abs(x.grad - Decimal(-43) / 48) < Decimal("1e-48")


@given(fractions(), fractions())
def test_division_of_whole_numbers_on_the_way_is_exact_in_a_fraction(a: Any, b: Any) -> None:
    x = Value(a)
    (scalargrad.maximum(x, x) / 3 + abs(x) / 7 + b / 2).backward()
    assert x.grad == Fraction(1, 3) + Fraction((a > 0) - (a < 0), 7)


def test_a_gradient_of_zero_stays_exact_on_its_way() -> None:
    x = Value(Fraction(-1))
    y = (x / 3).relu() + scalargrad.maximum(x / 3, x / 5) + x / 7
    y.backward()
    assert isinstance(x.grad, Fraction)
    assert x.grad == Fraction(1, 5) + Fraction(1, 7)

    def f(x: Any) -> Any:
        return scalargrad.relu(x / 3) + scalargrad.maximum(x / 3, x / 5) + x / 7

    assert scalargrad.grad(f)(Fraction(-1)) == x.grad


def test_whole_numbers_stay_whole() -> None:
    x, y = Value(3), Value(-2)
    (x * x * y).backward()
    assert [type(v.grad) for v in (x, y)] == [int, int]
    assert (x.grad, y.grad) == (-12, 9)


def test_a_fraction_in_a_transcendental_function_gives_a_float() -> None:
    x = Value(Fraction(1, 2))
    x.exp().backward()
    assert x.grad == math.exp(0.5)


@pytest.mark.numpy
def test_a_numpy_scalar_on_either_side_gives_a_value() -> None:
    numpy = pytest.importorskip("numpy")
    v = Value(2.0)
    for scalar in (numpy.float64(3), numpy.int64(3), numpy.float32(3)):
        for result in (scalar * v, scalar - v, v / scalar, scalar**v, Value(scalar) * v):
            assert type(result) is Value
        assert (scalar > v) is True
    with pytest.raises(TypeError, match=r"each element, as in \[v \* x for x in xs\]"):
        v * numpy.array([1.0, 2.0])


# --- gradients ----------------------------------------------------------------------------------


def test_gradients_start_at_zero() -> None:
    x = Value(2.0)
    assert (x.grad, (x * 3).grad) == (0, 0)


def test_leaves_accumulate_and_results_do_not() -> None:
    x = Value(3.0)
    square = x * x
    y = square * 2
    y.backward()
    y.backward()
    assert (x.grad, square.grad, y.grad) == (24.0, 2.0, 1.0)


def test_overlapping_graphs_keep_their_passes_apart() -> None:
    x = Value(2.0)
    shared = x * x
    (shared * 3).backward()
    (shared * 5).backward()
    assert (x.grad, shared.grad) == (32.0, 5.0)


@given(drawn=expressions(), seed=st.floats(-4, 4))
def test_the_seed_scales_the_gradient(drawn: Any, seed: float) -> None:
    expression, inputs = drawn
    plain, scaled = [Value(x) for x in inputs], [Value(x) for x in inputs]
    expression(*plain).backward()
    expression(*scaled).backward(gradient=seed)
    for one, other in zip(plain, scaled, strict=True):
        # Products in another order; the terms that cancel may be as large as e**30 / 0.05.
        assert other.grad == pytest.approx(seed * one.grad, rel=1e-9, abs=1e-6)


def test_backward_from_a_leaf_adds_to_it() -> None:
    x = Value(5.0)
    x.backward()
    x.backward(gradient=0.5)
    assert x.grad == 1.5


def test_gradient_of_x_times_x_and_of_x_plus_x() -> None:
    x = Value(7.0)
    (x * x + (x + x)).backward()
    assert x.grad == 16.0


# --- kinks, constant exponents, stability -------------------------------------------------------


def slope(function: Any, x: Any) -> Any:
    leaf = Value(x)
    function(leaf).backward()
    return leaf.grad


def test_kinks_are_as_pytorch_has_them() -> None:
    assert slope(scalargrad.relu, 0.0) == 0
    assert slope(abs, 0.0) == slope(scalargrad.fabs, 0.0) == 0
    assert slope(lambda x: scalargrad.copysign(x, 1.0), 0.0) == 0
    assert slope(scalargrad.leaky_relu, 0.0) == 0.01
    assert slope(scalargrad.elu, 0.0) == 1.0
    assert slope(lambda x: scalargrad.hypot(x, 0.0), 0.0) == 0
    assert slope(lambda x: scalargrad.dist([x, 1.0], [2.0, 1.0]), 2.0) == 0


@pytest.mark.parametrize("function", [scalargrad.maximum, scalargrad.minimum])
def test_a_tie_splits_evenly(function: Any) -> None:
    a, b = Value(2.0), Value(2.0)
    function(a, b).backward()
    assert (a.grad, b.grad) == (0.5, 0.5)


@given(st.floats(allow_nan=False) | st.integers(-5, 5))
def test_the_zeroth_power_is_flat_everywhere(x: float) -> None:
    assert slope(lambda v: v**0, x) == 0
    assert slope(lambda v: scalargrad.pow(v, 0.0), x) == 0


def test_powers_at_zero() -> None:
    assert slope(lambda v: v**1, 0.0) == 1
    assert slope(lambda v: v**2, 0.0) == 0
    assert slope(lambda v: v**-1, -2.0) == -0.25
    assert slope(lambda v: 0.0**v, 2.0) == 0
    assert slope(lambda v: (-2.0) ** 3 * v, 1.0) == -8


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (scalargrad.sigmoid, (0.0, 0.0), (1.0, 0.0)),
        (scalargrad.softplus, (0.0, 0.0), (1e6, 1.0)),
        (scalargrad.tanh, (-1.0, 0.0), (1.0, 0.0)),
        (scalargrad.gelu, (0.0, 0.0), (1e6, 1.0)),
        (scalargrad.silu, (0.0, 0.0), (1e6, 1.0)),
        (scalargrad.elu, (-1.0, 0.0), (1e6, 1.0)),
        (lambda x: scalargrad.logsumexp([x, 0.0]), (0.0, 0.0), (1e6, 1.0)),
        (lambda x: scalargrad.softmax([x, 0.0])[0], (0.0, 0.0), (1.0, 0.0)),
    ],
)
def test_saturation(function: Any, low: tuple[float, ...], high: tuple[float, ...]) -> None:
    for x, expected in ((-1e6, low), (1e6, high)):
        leaf = Value(x)
        y = function(leaf)
        y.backward()
        assert (y.data, leaf.grad) == expected


# --- the graph ----------------------------------------------------------------------------------


def test_parents_and_op() -> None:
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    y = a * b
    assert (y.op, a.op) == ("*", "")
    assert [p is q for p, q in zip(y.parents, (a, b), strict=True)] == [True, True]
    assert (a.parents, (a * a).parents) == ((), (a, a))
    assert (2 - a).operands == (2, a)
    assert (2 - a).parents == (a,)
    assert scalargrad.sumprod([a, 4], [b, 5]).operands == (a, 4, b, 5)
    assert scalargrad.fsum([a]).parents == (a,)
    assert a.exp().operands == (a,)


@pytest.mark.parametrize("name", ["sumprod", "fsum", "prod", "hypot", "dist", "logsumexp"])
def test_list_functions_are_one_node_whatever_the_length(name: str) -> None:
    leaves = [Value(0.1 * i + 1) for i in range(100)]
    y = FUNCTIONS[name](*leaves)
    assert y.parents == tuple(leaves)
    assert y.op == name


@pytest.mark.parametrize("ops", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_chain_of_many_ops_at_the_default_recursion_limit(ops: int) -> None:
    # In a process of its own, so that a crash of the interpreter is one failed test.
    program = f"""
        import sys
        from scalargrad import Value
        assert sys.getrecursionlimit() == 1000
        x = y = Value(1.0)
        for _ in range({ops} // 2):
            y = (y + 1.0) * 1.0
        y.backward()
        assert x.grad == 1.0, x.grad
        del y
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)


def test_a_wide_and_a_deep_graph_of_list_functions() -> None:
    xs = [Value(1.0) for _ in range(30_000)]
    total = sum(xs)
    scalargrad.fsum([total, *xs]).backward()
    assert all(x.grad == 2.0 for x in xs)
    y = xs[0]
    for _ in range(30_000):
        y = scalargrad.fsum([y])
    y.backward()
    assert xs[0].grad == 3.0
    del y


def test_fifty_doublings_take_fifty_steps() -> None:
    x = y = Value(1)
    for _ in range(50):
        y = y + y
    y.backward()
    assert x.grad == 2**50


def test_topological_order_puts_parents_first() -> None:
    x = Value(2.0)
    square = x * x
    y = (square + x) * square
    order = topological_order([y])
    places = {id(node): n for n, node in enumerate(order)}
    assert order[-1] is y
    assert len(order) == len(places) == 3
    for node in order:
        assert all(places[id(p)] < places[id(node)] for p in node.parents if p.op)
    assert topological_order([x]) == []


@pytest.mark.slow
def test_dropping_the_output_frees_the_graph_without_the_collector() -> None:
    def build() -> None:
        x = Value(1.0)
        y = x
        for _ in range(20):
            y = scalargrad.sumprod([y, x], [x, 2.0]).tanh() + y * y / (y - 5)
        y.backward()

    build()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        for _ in range(1000):
            build()  # until the interpreter's free lists are full
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            build()
        # One graph is more than 10 kB: a thousand leaked would be 10 MB.
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
        assert gc.collect() == 0
    finally:
        tracemalloc.stop()
        gc.enable()


def test_memory_per_binary_op() -> None:
    x = Value(1.5)
    tracemalloc.start()
    try:
        nodes = [x * x for _ in range(10_000)]
        size = tracemalloc.get_traced_memory()[0] - sys.getsizeof(nodes)
    finally:
        tracemalloc.stop()
    assert size / len(nodes) <= 112.5


def test_threads_build_and_differentiate_at_once_on_shared_leaves() -> None:
    shared = Value(2.0)
    square = shared * shared
    rounds, failures = 200, []

    def work(_: int) -> None:
        for _ in range(rounds):
            own = Value(3.0)
            (square * own + own.exp() * shared).backward()
            if own.grad != 4.0 + 2.0 * math.exp(3.0):
                failures.append(own.grad)

    in_threads(work, 8)
    assert failures == []
    assert shared.grad == pytest.approx(8 * rounds * (12.0 + math.exp(3.0)), rel=1e-12)


# --- as a number --------------------------------------------------------------------------------


@given(st.floats(), st.floats())
def test_comparison_compares_the_numbers(a: float, b: float) -> None:
    for x, y in ((Value(a), Value(b)), (Value(a), b), (a, Value(b))):
        results = (x < y, x <= y, x > y, x >= y, x == y, x != y)
        assert results == (a < b, a <= b, a > b, a >= b, a == b, a != b)
        assert all(type(result) is bool for result in results)


def test_a_value_is_not_equal_to_what_is_no_number() -> None:
    assert Value(1.0) != "1.0"
    assert (Value(1.0) == [1.0]) is False
    with pytest.raises(TypeError, match="'<' not supported"):
        Value(1.0) < "a"  # noqa: B015


def test_the_hash_goes_by_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    assert len({a, b, a}) == 2
    assert {a: "a", b: "b"}[b] == "b"


def test_text() -> None:
    x = Value(2.0, label="x")
    assert repr(x) == "Value(data=2.0, grad=0, label='x')"
    assert repr(x * x) == "Value(data=4.0, grad=0, op='*')"
    assert f"{x:.3f}|{x}|{x:>8}" == "2.000|2.0|     2.0"
    assert str(x) == repr(x)


def test_truth_is_the_numbers() -> None:
    assert Value(0.5)
    assert not Value(0.0)


def test_copies_and_pickles_of_leaves() -> None:
    x = Value(2.0, label="x")
    (x * x).backward()
    for twin in (copy.copy(x), copy.deepcopy([x])[0], pickle.loads(pickle.dumps(x))):
        assert twin is not x
        assert (twin.data, twin.grad, twin.label, twin.op) == (2.0, 4.0, "x", "")


@pytest.mark.parametrize("name", [n for n, op in all_ops().items() if len(op.rules) == 1])
def test_functions_of_one_number_are_methods_too(name: str) -> None:
    if not hasattr(scalargrad, name):
        return
    if name not in FUNCTIONS:  # isnan and its kin, which give a bool
        assert getattr(Value(1.0), name)() is getattr(scalargrad, name)(1.0)
        return
    x = FUNCTIONS[name].intervals[0][-1][0]
    method, function = getattr(Value(x), name)(), getattr(scalargrad, name)
    assert method.data == function(x) == function(Value(x)).data
    assert method.op == function(Value(x)).op == name


def test_methods_with_a_parameter() -> None:
    assert Value(-2.0).leaky_relu(0.5).data == scalargrad.leaky_relu(-2.0, 0.5) == -1.0
    assert Value(-2.0).elu(3.0).data == scalargrad.elu(-2.0, 3.0) == 3 * math.expm1(-2.0)


# --- data and grad are checked ------------------------------------------------------------------

NO_NUMBERS: list[tuple[Any, str]] = [
    ("2.5", r"one real number, not '2.5' \(str\): convert it first: Value\(float\('2.5'\)\)"),
    (None, r"not None \(NoneType\): give it an int, a float, a Fraction"),
    (1j, r"not 1j \(complex\): .* real functions: make a Value of its .real and of its .imag"),
    ([1.0], r"not \[1.0\] \(list\): make a Value of each of its elements"),
    ((1.0, 2.0), r"\(tuple\): make a Value of each of its elements"),
    (
        Value(1.0, "w"),
        r"not Value\(data=1.0.* \(Value\): it is one already: .*Value\(v.data\) for a new leaf",
    ),
    ({}, r"not \{\} \(dict\): give it an int"),
    (math.sin, r"builtin_function_or_method\): give it an int"),
]


@pytest.mark.parametrize(("data", "words"), NO_NUMBERS)
def test_data_is_refused_when_it_is_made_and_when_it_is_set(data: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Value(data)
    x = Value(3.0)
    with pytest.raises(TypeError, match=words):
        x.data = data
    assert x.data == 3.0


@pytest.mark.parametrize("number", [1, 2.5, Fraction(1, 3), Decimal("0.1"), True, math.inf])
def test_data_and_grad_are_kept_as_they_are(number: Any) -> None:
    x = Value(3.0)
    x.data = x.grad = number
    assert x.data is number
    assert x.grad is number


def test_grad_takes_numbers_values_and_none() -> None:
    x, slope = Value(3.0), Value(2.0)
    x.grad = slope
    assert x.grad is slope
    x.grad = None
    assert (x.grad, type(x.grad)) == (0, int)
    wrong: Any
    for wrong in ("2", 1j, [1.0], {}):
        with pytest.raises(TypeError, match=r"a gradient is a real number.*set .grad to a number"):
            x.grad = wrong
    assert x.grad == 0
    (x * x).backward()
    assert x.grad == 6.0


def test_copies_of_subclasses_keep_what_they_have() -> None:
    for twin in (copy.copy(NAMED), copy.deepcopy(NAMED), pickle.loads(pickle.dumps(NAMED))):
        assert type(twin) is Named
        assert (twin.data, twin.grad, twin.label, twin.note) == (2.0, 3.0, "w", "kept")
        assert (twin.op, twin.parents) == ("", ())
        assert twin is not NAMED


class Named(Value):
    note = ""


NAMED = Named(2.0, "w")
NAMED.note = "kept"
NAMED.grad = 3.0


def test_a_graph_is_not_copied_nor_pickled_however_deep() -> None:
    x = y = Value(1.0, label="x")
    for _ in range(50_000):
        y = y + x
    slope = Value(1.0)
    (slope * slope).backward(create_graph=True)
    tries: list[Any] = [copy.copy, copy.deepcopy, lambda y: copy.deepcopy({"y": [y]}), pickle.dumps]
    for attempt in tries:
        with pytest.raises(TypeError, match=r"is the result of an op \(\+\), and graphs are not"):
            attempt(y)
    with pytest.raises(TypeError, match="copy the leaves and compute it again"):
        copy.deepcopy(slope)
    assert copy.deepcopy(y.detach()).data == 50_001.0


def test_ints_that_python_does_not_write_out() -> None:
    x = Value(10**5000, label="x")
    assert repr(x) == "Value(data=an int of 16610 bits, grad=0, label='x')"
    with pytest.raises(ZeroDivisionError, match=r"in \(x=an int of 16610 bits\) / 0"):
        x / 0
    with pytest.raises(OverflowError, match=r"in exp\(x=an int of 16610 bits\)"):
        x.exp()
    tries: list[Any] = [
        lambda: Value([x.data]),
        lambda: setattr(x, "grad", [x.data]),
        lambda: x * [x.data],
        lambda: x.backward(gradient=[x.data]),
        lambda: x.backward(inputs=x.data),  # type: ignore[arg-type]
        lambda: copy.copy(x * x),
        lambda: scalargrad.grad(lambda y: [y])(x.data),
        lambda: scalargrad.jvp(abs, (x.data,), ([x.data],)),
    ]
    for refused in tries:
        with pytest.raises(TypeError):
            refused()
    (x * x).backward()
    assert x.grad == 2 * 10**5000
