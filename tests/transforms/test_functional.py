"""Gradients of gradients, and `grad` and its kin, against references that know nothing of them."""

from __future__ import annotations

import gc
import math
import random
import re
import sys
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Value,
    complex_step_gradient,
    copysign,
    cos,
    exp,
    fsum,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    lgamma,
    no_grad,
    numerical_gradient,
    sin,
    sumprod,
    tanh,
    value_and_grad,
    vjp,
)
from scalargrad.engine.graph import topological_order
from scalargrad.functions.methods import all_ops
from scalargrad.testing import FUNCTIONS, Operation, edge_numbers, expressions, fractions, points
from tests.jets import Jet, coefficients, jet_engine
from tests.nests import Point, nests
from tests.sampled import by_differences
from tests.threads import in_threads

# The rule of tanh leads through a function that has no complex form.
ANALYTIC = [f for f in FUNCTIONS.values() if f.analytic and f.name != "tanh"]
differences = by_differences(f.name for f in ANALYTIC)
# Without those whose rule halves: half of an int 0 is a float, which is not exact.
exact = [f for f in FUNCTIONS.values() if f.exact and f.name not in ("maximum", "minimum")]
EPSILON = sys.float_info.epsilon
TRANSFORMS = {
    "grad": lambda f: grad(f)(1.0),
    "value_and_grad": lambda f: value_and_grad(f)(1.0),
    "jacobian": lambda f: jacobian(f)(1.0),
    "hessian": lambda f: hessian(f)(1.0),
    "jvp": lambda f: jvp(f, (1.0,), (1.0,)),
    "vjp": lambda f: vjp(f, 1.0),
    "hvp": lambda f: hvp(f, (1.0,), (1.0,)),
}
transforms = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)


def by_all(inputs: Sequence[Any]) -> tuple[int, ...]:
    return tuple(range(len(inputs)))


def backward_gradient(f: Any, inputs: Sequence[Any]) -> list[Any]:
    leaves = [Value(x) for x in inputs]
    y = f(*leaves)
    if isinstance(y, Value):
        y.backward()
    return [leaf.grad for leaf in leaves]


def nth_derivative(f: Any, n: int) -> Any:
    for _ in range(n):
        f = grad(f)
    return f


def dot(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    return sum(x * y for x, y in zip(xs, ys, strict=True))


def directions(count: int) -> list[float]:
    """Return numbers with no pattern in them: the parts of a sum with these cannot cancel."""
    rng = random.Random(count)
    return [rng.uniform(0.5, 1.5) * rng.choice((-1, 1)) for _ in range(count)]


def along_paths(y: Any, leaves: dict[Value, float]) -> float:
    """Return the sum over all paths from `leaves` to `y` of the size of each path's product.

    That, times a few units in the last place for each of the steps, is how far apart two ways
    of adding up the same products can come: nothing is left of it where they cancel.
    """
    if not isinstance(y, Value):
        return 0.0
    reach = dict(leaves)
    for node in topological_order([y], set(leaves)):
        inputs = [x.data if isinstance(x, Value) else x for x in node.operands]
        op = node._op
        assert op is not None
        partials = op.derivatives([1.0] * len(inputs), node.data, inputs)
        reach[node] = sum(
            abs(slope) * reach.get(x, 0.0)
            for slope, x in zip(partials, node.operands, strict=True)
            if isinstance(x, Value) and slope is not None
        )
    return reach.get(y, 0.0)


# --- every rule, differentiated again -----------------------------------------------------------


def smooth_points(function: Operation) -> st.SearchStrategy[list[float]]:
    tame = points(function, most=2)
    # Where the two points of dist coincide there is a kink, with a first derivative but no second.
    return tame.filter(lambda xs: abs(xs[0] - xs[1]) > 0.05) if function.name == "dist" else tame


@differences
@given(data=st.data())
@settings(max_examples=6)
def test_second_derivatives_agree_with_differences_of_gradients(
    function: Operation, data: st.DataObject
) -> None:
    inputs = data.draw(smooth_points(function))
    u = directions(len(inputs))
    slope = grad(function, by_all(inputs))
    estimates = numerical_gradient(
        lambda *xs: dot(u, slope(*xs)), inputs, noise=noise(inputs, slope)
    )
    found = hessian(function, by_all(inputs))(*inputs)
    for j, (reference, error) in enumerate(estimates):
        column = dot(u, [row[j] for row in found])
        assert abs(column - reference) <= error
        assert error <= 1e-3 * max(1.0, abs(reference)), "too uncertain to judge by"


@differences
@given(data=st.data())
@settings(max_examples=6)
@pytest.mark.slow
def test_third_derivatives_agree_with_differences_of_second_ones(
    function: Operation, data: st.DataObject
) -> None:
    inputs = data.draw(smooth_points(function))
    u = directions(len(inputs))

    def curvature(*xs: Any) -> Any:
        """Return u H u, for the Hessian H at xs."""
        moved = hvp(function, xs, u)
        return dot(u, moved if len(u) > 1 else [moved])

    estimates = numerical_gradient(curvature, inputs, noise=noise(inputs, curvature))
    found = grad(curvature, by_all(inputs))(*inputs)
    for slope, (reference, error) in zip(found, estimates, strict=True):
        assert abs(slope - reference) <= error
        assert error <= 1e-2 * max(1.0, abs(reference)), "too uncertain to judge by"


def noise(inputs: Sequence[float], f: Any) -> Any:
    """Return what cancelling inside of a derivative leaves, of terms as large as the inputs."""
    y = f(*inputs)
    parts = y if isinstance(y, tuple) else (y,)
    return 8 * EPSILON * max(1.0, *map(abs, inputs), *map(abs, parts))


@pytest.mark.parametrize("function", ANALYTIC, ids=lambda f: f.name)
@given(data=st.data())
@settings(max_examples=6)
def test_second_derivatives_agree_with_complex_steps_through_the_rule(
    function: Operation, data: st.DataObject
) -> None:
    inputs = data.draw(smooth_points(function))
    found = hessian(function, by_all(inputs))(*inputs)
    ones = [1.0] * len(inputs)
    for i, row in enumerate(found):

        def slope(*xs: Any, i: int = i) -> Any:
            found = all_ops()[function.name].derivatives(ones, function(*xs), xs)[i]
            return 0.0 if found is None else found

        for second, reference in zip(row, complex_step_gradient(slope, inputs), strict=True):
            # As for first derivatives; and logarithms and powers of up to 30 come in.
            assert second == pytest.approx(reference, rel=1e-11, abs=1e-12)


@given(st.floats(-3, 3), st.integers(1, 10))
@example(0.7, 10)
def test_derivatives_of_a_product_to_tenth_order(x: float, n: int) -> None:
    # The derivative of order n is 2**(n/2) exp(x) sin(x + n pi/4).
    found = nth_derivative(lambda x: exp(x) * sin(x), n)(x)
    phase = math.sin(x + n * math.pi / 4)
    assume(abs(phase) > 0.01)  # where it vanishes, a relative error says nothing
    assert found == pytest.approx(2 ** (n / 2) * math.exp(x) * phase, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "reference"),
    # polygamma(9, x), computed with 40 digits by mpmath.
    [
        (-2.3, 61466921303.20306),
        (-0.5, 743184572.3850974),
        (0.05, 3.715891200000221e18),
        (0.3, 61454073052.03477),
        (1.0, 363240.91142238263),
        (1.5, 6332.385097427224),
        (2.5, 39.49072156988489),
        (4.0, 0.39101771870362473),
        (7.25, 0.0012807364438968145),
        (12.5, 7.616055883914427e-06),
        (30.0, 2.372767494543248e-09),
    ],
)
def test_the_tenth_derivative_of_lgamma(x: float, reference: float) -> None:
    assert nth_derivative(lgamma, 10)(x) == pytest.approx(reference, rel=1e-9)


@given(st.floats(-3, 3))
def test_derivatives_of_sin_and_tanh_to_sixth_order(x: float) -> None:
    for n in range(7):
        assert nth_derivative(sin, n)(x) == pytest.approx(math.sin(x + n * math.pi / 2), abs=1e-14)
    # tanh' = 1 - y**2 turns each derivative into a polynomial in y = tanh x.
    polynomial, y = [0, 1], math.tanh(x)
    for n in range(7):
        expected = math.fsum(c * y**k for k, c in enumerate(polynomial))
        # The coefficients add up to 2**n n!, and cancel.
        error = 4 * EPSILON * sum(map(abs, polynomial))
        assert nth_derivative(tanh, n)(x) == pytest.approx(expected, abs=error)
        slopes = [k * c for k, c in enumerate(polynomial)][1:]
        polynomial = [a - b for a, b in zip([*slopes, 0, 0], [0, 0, *slopes], strict=True)]


# --- create_graph -------------------------------------------------------------------------------


@given(drawn=expressions(max_ops=5), order=st.integers(2, 4))
def test_create_graph_again_and_again_is_grad_of_grad(drawn: Any, order: int) -> None:
    expression, inputs = drawn
    leaf, others = Value(inputs[0]), inputs[1:]
    y: Any = expression(leaf, *others)
    for n in range(1, order + 1):
        leaf.grad = 0
        try:
            if isinstance(y, Value):
                y.backward(create_graph=True)
        except ZeroDivisionError:
            # dist of a point to itself has no second derivative.
            with pytest.raises(ZeroDivisionError):
                nth_derivative(expression, n)(inputs[0], *others)
            return
        y = leaf.grad
        assert y == nth_derivative(expression, n)(inputs[0], *others)


@given(drawn=expressions())
def test_create_graph_gives_the_gradients_that_backward_gives(drawn: Any) -> None:
    expression, inputs = drawn
    leaves = [Value(x) for x in inputs]
    y = expression(*leaves)
    y.backward(create_graph=True)
    assert all(type(x.grad) is Value or x.grad == 0 for x in leaves)
    assert [x.grad for x in leaves] == backward_gradient(expression, inputs)
    interior = [node.grad.data for node in topological_order([y])]
    y.backward()
    assert interior == [node.grad for node in topological_order([y])]


def test_a_gradient_of_a_gradient_by_hand() -> None:
    # y = x**2, z = (dy/dx)**3 + y: dz/dx = 3 (2x)**2 2 + 2x.
    x = Value(2.0)
    y = x**2
    y.backward(create_graph=True)
    slope = x.grad
    x.grad = 0
    (slope**3 + y).backward()
    assert x.grad == 100.0


def test_create_graph_accumulates_in_leaves_on_plain_gradients_and_on_graphs() -> None:
    x = Value(3.0)
    (x * 2).backward()
    (x * x).backward(create_graph=True)
    (x * x * x).backward(create_graph=True)
    assert x.grad.data == 2 + 6 + 27
    slope = x.grad
    x.grad = 0
    slope.backward()
    assert x.grad == 0 + 2 + 18


def test_the_seed_of_create_graph_may_be_a_value() -> None:
    x, seed = Value(3.0), Value(5.0)
    y = x * x
    y.backward(gradient=seed, create_graph=True)
    assert x.grad.data == 30.0
    x.grad.backward()
    assert seed.grad == 6.0
    with pytest.raises(TypeError, match="a Value goes with create_graph=True"):
        y.backward(gradient=seed)


def test_create_graph_within_no_grad_gives_numbers_without_a_graph() -> None:
    x = Value(3.0)
    y = x * x
    with no_grad():
        y.backward(create_graph=True)
    assert (x.grad.data, x.grad.parents) == (6.0, ())


# --- random expressions -------------------------------------------------------------------------


@given(drawn=expressions(), data=st.data())
def test_grad_is_backward_exactly(drawn: Any, data: st.DataObject) -> None:
    expression, tame = drawn
    anywhere = [data.draw(edge_numbers()) for _ in tame]
    for inputs in (tame, anywhere):
        try:
            expected = backward_gradient(expression, inputs)
            value = expression(*inputs)
        except (ArithmeticError, ValueError, TypeError) as error:
            with pytest.raises(type(error), match=re.escape(str(error))):
                grad(expression, by_all(inputs))(*inputs)
        else:
            y, found = value_and_grad(expression, by_all(inputs))(*inputs)
            assert found == pytest.approx(tuple(expected), rel=0, abs=0, nan_ok=True)
            assert y == pytest.approx(value, rel=0, abs=0, nan_ok=True)
            assert grad(expression)(*inputs) == pytest.approx(found[0], rel=0, abs=0, nan_ok=True)


@given(drawn=expressions([f for f in FUNCTIONS.values() if f.name != "dist"], max_ops=6))
def test_hessians_are_symmetric_and_agree_with_differences_of_gradients(drawn: Any) -> None:
    expression, inputs = drawn
    found = hessian(expression, by_all(inputs))(*inputs)
    leaves = [Value(x) for x in inputs]
    slopes = grad(expression, by_all(inputs))(*leaves)
    for i, row in enumerate(found):
        for j, second in enumerate(row):
            sizes = [along_paths(slopes[a], {leaves[b]: 1.0}) for a, b in ((i, j), (j, i))]
            assert abs(second - found[j][i]) <= 100 * EPSILON * sum(sizes)
    u = directions(len(inputs))

    def along(*xs: float) -> Any:
        return dot(u, grad(expression, by_all(xs))(*xs))

    largest = max((abs(x.data) for y in slopes for x in topological_order([y])), default=0.0)
    estimates = numerical_gradient(along, inputs, noise=16 * EPSILON * max(largest, 30.0))
    for j, (reference, error) in enumerate(estimates):
        assert abs(dot(u, [row[j] for row in found]) - reference) <= error


@pytest.mark.slow
@given(drawn=expressions([f for f in FUNCTIONS.values() if f.name != "dist"]))  # it has a kink
def test_second_derivatives_agree_with_fifty_digits(drawn: Any) -> None:
    mpmath = pytest.importorskip("mpmath")
    expression, inputs = drawn
    slope = grad(expression)(Value(inputs[0]), *inputs[1:])
    sizes = [abs(node.data) for node in topological_order([slope])]
    assume(max(sizes, default=0.0) < 1e3)  # well conditioned: nothing large cancels
    found = grad(grad(expression))(*inputs)
    with mpmath.workdps(50):
        engine = of_many_digits(mpmath)
        fixed = [mpmath.mpf(x) for x in inputs]
        reference = mpmath.diff(lambda x: expression(x, *fixed[1:], engine=engine), fixed[0], 2)
    assert found == pytest.approx(float(reference), rel=1e-9, abs=1e-9)


def of_many_digits(mpmath: Any) -> Any:
    """Return the functions, by math's names, on mpmath's numbers."""

    class engine:
        pass

    for name in dir(mpmath):
        if name in FUNCTIONS:
            setattr(engine, name, staticmethod(getattr(mpmath, name)))
    for name, function in {
        "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
        "exp2": lambda x: mpmath.mpf(2) ** x,
        "log2": lambda x: mpmath.log(x, 2),
        "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
        "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "silu": lambda x: x / (1 + mpmath.exp(-x)),
        "gelu": lambda x: x * mpmath.ncdf(x),
        "elu": lambda x: x if x > 0 else mpmath.expm1(x),
        "relu": lambda x: x if x > 0 else mpmath.mpf(0),
        "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
        "pow": lambda x, y: mpmath.mpf(x) ** y,
        "maximum": max,
        "minimum": min,
        "fma": lambda x, y, z: x * y + z,
        "fabs": abs,
        "fmod": lambda x, y: x - y * mpmath.floor(x / y),
        "remainder": lambda x, y: x - y * mpmath.nint(x / y),
        "copysign": lambda x, y: abs(x) if y > 0 else -abs(x),
        "hypot": lambda *xs: mpmath.sqrt(sum(x * x for x in xs)),
        "logsumexp": lambda xs: mpmath.log(sum(mpmath.exp(x) for x in xs)),
        "prod": mpmath.fprod,
        "sumprod": lambda p, q: sum(a * b for a, b in zip(p, q, strict=True)),
    }.items():
        setattr(engine, name, staticmethod(function))
    others = {
        "sinc": mpmath.sincpi,
        "logit": lambda a: mpmath.log(a / (1 - a)),
        "trunc": lambda a: mpmath.sign(a) * mpmath.floor(abs(a)),
        "clip": lambda a, low, high: min(max(a, low), high),
        **{name: getattr(mpmath, name) for name in ("floor", "ceil", "sign", "erfinv")},
    }
    for name, function in others.items():
        setattr(engine, name, staticmethod(function))
    return engine


@given(drawn=expressions(inputs=4), data=st.data())
def test_jvp_and_vjp_agree_to_the_last_digits(drawn: Any, data: st.DataObject) -> None:
    expression, inputs = drawn
    count = data.draw(st.integers(1, 3))

    def f(*xs: Any) -> list[Any]:
        """Return the last few results of the expression, for one."""
        results = list(xs)
        for step in expression.steps:
            results.append(step(results))
        return results[-count:]

    numbers = st.floats(-3, 3, allow_subnormal=False)
    outputs = f(*inputs)
    u = [data.draw(numbers) for _ in inputs]
    v = [data.draw(numbers) for _ in outputs]
    y, moved = jvp(f, inputs, u)
    z, pull = vjp(f, *inputs)
    assert y == z == outputs
    leaves = [Value(x) for x in inputs]
    reach = dict(zip(leaves, map(abs, u), strict=True))
    sizes = [abs(w) * along_paths(y, reach) for w, y in zip(v, f(*leaves), strict=True)]
    # A path has at most 8 steps, and the two ways round differently in each.
    assert abs(dot(v, moved) - dot(u, pull(v))) <= 100 * EPSILON * sum(sizes) + 1e-300


@given(drawn=expressions([f for f in FUNCTIONS.values() if f.name != "dist"]))  # it has a kink
def test_hvp_is_the_hessian_times_the_vector(drawn: Any) -> None:
    expression, inputs = drawn
    u = directions(len(inputs))
    rows = hessian(expression, by_all(inputs))(*inputs)
    leaves = [Value(x) for x in inputs]
    slopes = grad(expression, by_all(inputs))(*leaves)
    found = hvp(expression, inputs, u)
    for row, y, moved in zip(rows, slopes, found if len(u) > 1 else [found], strict=True):
        size = along_paths(y, dict(zip(leaves, map(abs, u), strict=True)))
        assert abs(moved - dot(row, u)) <= 100 * EPSILON * size


@given(
    drawn=expressions(exact, numbers=fractions(), largest=10**6, condition=math.inf), data=st.data()
)
def test_derivatives_of_fractions_are_exact_to_third_order(drawn: Any, data: Any) -> None:
    expression, inputs = drawn
    u = [data.draw(fractions()) for _ in inputs]

    def along(t: Any) -> Any:
        return expression(*(x + t * slope for x, slope in zip(inputs, u, strict=True)))

    jets = [Jet(x, d, 0, 0) for x, d in zip(inputs, u, strict=True)]
    series = coefficients(expression(*jets, engine=jet_engine), 4)
    assert along(Fraction(0)) == series[0]
    for n in (1, 2, 3):
        derivative = nth_derivative(along, n)(Fraction(0))
        assert derivative == math.factorial(n) * series[n]
        assert isinstance(derivative, Fraction | int)
    argnums = by_all(inputs)
    assert dot(grad(expression, argnums)(*inputs), u) == series[1]
    assert jvp(expression, inputs, u) == (series[0], series[1])
    rows = hessian(expression, argnums)(*inputs)
    assert dot([dot(row, u) for row in rows], u) == 2 * series[2]
    assert [list(row) for row in rows] == [list(column) for column in zip(*rows, strict=True)]
    products = hvp(expression, inputs, u)
    products = products if len(inputs) > 1 else (products,)
    assert list(products) == [dot(row, u) for row in rows]


@given(
    first=expressions(exact, numbers=fractions(), largest=10**6, condition=math.inf, inputs=1),
    other=expressions(exact, numbers=fractions(), largest=10**6, condition=math.inf, inputs=1),
    a=fractions(),
    b=fractions(),
)
def test_the_transforms_are_linear(first: Any, other: Any, a: Any, b: Any) -> None:
    f, [x] = first
    g = other[0]
    try:
        g(x)
        slopes = [(grad(h)(x), hessian(h)(x), hvp(h, (x,), (a,))) for h in (f, g)]
    except ZeroDivisionError:
        assume(False)

    def h(x: Any) -> Any:
        return a * f(x) + b * g(x)

    found = (grad(h)(x), hessian(h)(x), hvp(h, (x,), (a,)))
    assert found == tuple(a * p + b * q for p, q in zip(*slopes, strict=True))
    assert jvp(f, (x,), (a + b,))[1] == jvp(f, (x,), (a,))[1] + jvp(f, (x,), (b,))[1]
    pull = vjp(f, x)[1]
    assert pull(a + b)[0] == pull(a)[0] + pull(b)[0]


# --- compositions -------------------------------------------------------------------------------


def test_transforms_compose_freely() -> None:
    def f(x: Any) -> Any:
        return exp(x) * sin(x)

    x = 0.7
    first, second = math.exp(x) * (math.sin(x) + math.cos(x)), 2 * math.exp(x) * math.cos(x)
    third = 2 * math.exp(x) * (math.cos(x) - math.sin(x))
    for value, expected in {
        grad(grad(f))(x): second,
        grad(grad(grad(f)))(x): third,
        hessian(grad(f))(x): third,
        jacobian(hessian(f))(x): third,
        grad(lambda x: value_and_grad(f)(x)[0])(x): first,
        grad(lambda x: jvp(f, (x,), (1.0,))[1])(x): second,
        grad(lambda t: jvp(f, (x,), (t,))[1])(2.0): first,
        grad(lambda x: vjp(f, x)[1](1.0)[0])(x): second,
        grad(lambda v: vjp(f, x)[1](v)[0])(2.0): first,
        grad(lambda x: hvp(f, (x,), (1.0,)))(x): third,
        jvp(lambda x: hvp(f, (x,), (1.0,)), (x,), (1.0,))[0]: second,
        jvp(lambda x: jvp(f, (x,), (1.0,))[1], (x,), (1.0,))[1]: second,
        vjp(grad(f), x)[1](1.0)[0]: second,
    }.items():
        assert type(value) is float
        assert value == pytest.approx(expected, rel=1e-13)


def test_perturbations_are_not_confused() -> None:
    # d/dx of x * d/dy(x + y) at y = 1 is 1: a tag-less dual number says 2.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1])(1.0) == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1] == 6.0
    # x**3 y inside, its derivative by y taken at y = x: d/dx x**3 is 3 x**2.
    assert grad(lambda x: grad(lambda y: x**3 * y)(x))(2.0) == 12.0
    # d/dy (x y)**2 at y = x is 2 x**3; its derivative is 6 x**2, of which the inner x has 4 x**2.
    assert grad(lambda x: grad(lambda y: (x * y) ** 2)(x))(2.0) == 24.0
    # The inner function's own variable has the outer one's name, and shadows it.
    assert grad(lambda x: x * grad(lambda x: x**2)(x))(3.0) == 12.0
    # Three deep, each variable used at every depth: x**2 y z, by z, y and x.
    assert grad(lambda x: grad(lambda y: grad(lambda z: x**2 * y * z)(y))(x))(3.0) == 6.0


def test_a_pullback_made_outside_can_be_differentiated_inside() -> None:
    _, pull = vjp(lambda x: x * x, 3.0)
    assert grad(lambda v: pull(v)[0] ** 2)(2.0) == 144.0
    assert pull(2.0) == (12.0,)


def test_results_that_are_one_value_share_its_gradient() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return [y, y, x, x]

    assert vjp(f, 3.0)[1]([1.0, 2.0, 10.0, 20.0]) == (3 * 6.0 + 30.0,)
    assert jvp(f, (3.0,), (1.0,))[1] == jacobian(f)(3.0) == [6.0, 6.0, 1.0, 1.0]


def test_backward_with_a_graph_inside_of_a_transform() -> None:
    def slope(x: Any) -> Any:
        leaf = x * 1
        (leaf**3).backward(create_graph=True)
        return leaf.grad

    assert (slope(Value(2.0)).data, grad(slope)(2.0)) == (12.0, 12.0)


def test_captured_values_are_left_as_they_are() -> None:
    w = Value(3.0)
    doubled = w * 2
    w.grad, doubled.grad = 7.0, 8.0

    def f(x: Any) -> Any:
        return x * doubled + w**2

    assert value_and_grad(f)(5.0) == (39.0, 6.0)
    assert hessian(f)(5.0) == hvp(f, (5.0,), (1.0,)) == 0.0
    assert jvp(f, (5.0,), (1.0,)) == (39.0, 6.0)
    assert vjp(f, 5.0)[1](2.0) == (12.0,)
    assert jacobian(lambda x: [f(x), w])(5.0) == [6.0, 0.0]
    assert (w.data, w.grad, doubled.grad) == (3.0, 7.0, 8.0)


def test_values_that_go_in_come_out_as_values_in_the_same_graph() -> None:
    x, t = Value(2.0), Value(5.0)

    def cube(x: Any) -> Any:
        return x**3

    results = [
        *value_and_grad(cube)(x),
        grad(lambda x, y: y)(x, 4.0),
        grad(lambda s: copysign(2.0, s))(x),
        jacobian(lambda x: [cube(x), 7.0])(x)[1],
        *jvp(cube, (x,), (1.0,)),
        *jvp(lambda x: 3.0, (x,), (1.0,)),
        vjp(cube, x)[1](1.0)[0],
        hvp(cube, (x,), (1.0,)),
        hessian(cube)(x),
        jvp(cube, (2.0,), (t,))[1],
        vjp(cube, 2.0)[1](t)[0],
    ]
    assert all(type(y) is Value for y in results)
    assert results == [8, 12, 0, 0, 0, 8, 12, 3, 0, 12, 12, 12, 60, 60]
    grad(cube)(x).backward()
    assert x.grad == 12.0
    results[-2].backward()
    results[-1].backward()
    assert t.grad == 24.0


def test_numbers_that_go_in_come_out_as_numbers() -> None:
    for x in (2.0, 3, Fraction(1, 3)):
        y, slope = value_and_grad(lambda x: x * x * x)(x)
        assert [type(y), type(slope)] == [type(x)] * 2
        assert type(hessian(lambda x: x * x * x)(x)) is type(x)
        assert type(grad(lambda x: 5)(x)) is type(x)
        assert jvp(lambda x: x / 3, (Fraction(1),), (1,)) == (Fraction(1, 3), Fraction(1, 3))
        assert [type(z) for z in jvp(lambda x: x / 3, (Fraction(1),), (1,))] == [Fraction] * 2


def test_transforms_within_no_grad() -> None:
    x = Value(2.0)
    with no_grad():
        assert grad(grad(lambda x: x**3))(2.0) == 12.0
        assert hvp(lambda x: x**3, (2.0,), (1.0,)) == 12.0
        outside = grad(lambda x: x**3)(x)
        assert (x * x).parents == ()
    # What is done outside of the transform's own function is not recorded.
    assert (outside.data, outside.parents) == (12.0, ())

    def with_a_constant(x: Any) -> Any:
        with no_grad():
            constant = grad(lambda x: x**3)(x)
        return constant * x

    assert grad(with_a_constant)(2.0) == 12.0


@transforms
def test_an_error_inside_leaves_the_thread_as_it_was(transform: Any) -> None:
    class Oops(Exception):
        pass

    def fails(x: Any) -> Any:
        raise Oops

    for fail in (fails, lambda x: grad(fails)(x), lambda x: scalargrad.log(x - 2)):
        with pytest.raises((Oops, ValueError)), no_grad():
            transform(fail)
    assert type(grad(lambda x: x * x)(3.0)) is float, "not inside of a transform"
    x = Value(3.0)
    assert (x * x).parents == (x, x), "nor within no_grad"


def test_threads_do_not_meet() -> None:
    failures = []
    inside, done = threading.Event(), threading.Event()

    def slow(x: Any) -> Any:
        inside.set()
        assert done.wait(10)
        return x**3

    def work() -> None:
        if grad(slow)(2.0) != 12.0:
            failures.append("slow")

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    # The other thread is inside of a transform; this one is not.
    assert type(grad(lambda x: x * x)(3.0)) is float
    done.set()
    thread.join()

    shared = Value(2.0)

    def many(_: int) -> None:
        for x in range(100):
            if hessian(lambda x: shared * x**3)(x) != 12 * x or shared.grad != 0:
                failures.append("many")

    in_threads(many, 4)
    assert failures == []


def test_memory_is_freed_without_the_collector() -> None:
    def f(v: Any) -> Any:
        return fsum(x * exp(x * y) for x, y in zip(v["a"], v["b"], strict=True))

    v = {"a": [1.0, 2.0], "b": (0.5, 0.25)}
    gc.collect()
    gc.disable()
    try:
        for run in (
            lambda: value_and_grad(f)(v),
            lambda: hessian(f)(v),
            lambda: hvp(f, (v,), (v,)),
            lambda: vjp(lambda v: [f(v), v["a"][0]], v)[1]([1.0, 2.0]),
            lambda: jvp(f, (v,), (v,)),
        ):
            run()
            assert gc.collect() == 0
    finally:
        gc.enable()


# --- arguments ----------------------------------------------------------------------------------

NESTS = nests(fractions() | st.integers(-9, 9), max_leaves=8)


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """Return a nest like this one, with `function` of each number."""
    if isinstance(nest, Point):
        return Point(*(mapped(function, item) for item in nest))
    if isinstance(nest, dict):
        return {key: mapped(function, item) for key, item in nest.items()}
    if isinstance(nest, list | tuple):
        return type(nest)(mapped(function, item) for item in nest)
    return function(nest)


def numbers_in(nest: Any) -> list[Any]:
    numbers: list[Any] = []
    mapped(numbers.append, nest)
    return numbers


def same(a: Any, b: Any) -> bool:
    """Return whether a and b are equal, in numbers and in the kinds that hold them."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@given(nest=NESTS, other=NESTS)
def test_results_have_the_nesting_of_the_arguments(nest: Any, other: Any) -> None:
    def squares(nest: Any, other: Any) -> Any:
        return sum(x * x for x in numbers_in(nest)) + sum(3 * x for x in numbers_in(other))

    by_nest, by_other = mapped(lambda x: 2 * x, nest), mapped(lambda x: 3, other)
    assert same(grad(squares)(nest, other), by_nest)
    assert same(grad(squares, 1)(nest, other), by_other)
    assert grad(squares, -1)(nest, other) == by_other
    assert grad(squares, (1, 0))(nest, other) == (by_other, by_nest)
    value, pull = vjp(squares, nest, other)
    assert value == squares(nest, other)
    assert pull(2) == mapped(lambda x: 2 * x, (by_nest, by_other))
    assert hvp(lambda nest: squares(nest, other), (nest,), (nest,)) == by_nest
    assert jvp(squares, (nest, other), (nest, other))[1] == (
        sum(2 * x * x for x in numbers_in(nest)) + sum(3 * x for x in numbers_in(other))
    )


@given(nest=NESTS)
def test_jacobians_have_the_nesting_of_the_result_with_that_of_the_argument_inside(
    nest: Any,
) -> None:
    def double(nest: Any) -> Any:
        return mapped(lambda x: 2 * x, nest)

    count = len(numbers_in(nest))
    places = iter(range(count))

    def row(_: Any) -> Any:
        place, i = next(places), iter(range(count))
        return mapped(lambda x: 2 * (next(i) == place), nest)

    assert same(mapped(lambda x: 2 * x, nest), jvp(double, (nest,), (nest,))[0])
    assert jacobian(double)(nest) == mapped(row, nest)
    assert jvp(double, (nest,), (nest,)) == (double(nest), double(nest))
    assert vjp(double, nest)[1](nest) == (double(nest),)


def test_hessians_have_the_nesting_twice_over() -> None:
    found = hessian(lambda p: p["a"] ** 2 * p["b"][0])({"a": 3.0, "b": [5.0]})
    assert found == {"a": {"a": 10.0, "b": [6.0]}, "b": [{"a": 6.0, "b": [0.0]}]}
    by_both = hessian(lambda x, y: x**2 * y, argnums=(0, 1))(3.0, 5.0)
    assert by_both == ((10.0, 6.0), (6.0, 0.0))


def test_other_arguments_of_any_kind_go_through() -> None:
    def f(x: Any, mode: str, *rest: Any, scale: float = 1.0, **options: Any) -> Any:
        assert (mode, rest, options) == ("cube", (None, [object]), {"extra": {1}})
        return scale * x**3

    arguments = (2.0, "cube", None, [object])
    assert grad(f)(*arguments, scale=2.0, extra={1}) == 24.0
    assert value_and_grad(f)(*arguments, extra={1}) == (8.0, 12.0)
    assert jacobian(f)(*arguments, extra={1}) == hessian(f)(*arguments, extra={1}) == 12.0


def test_a_function_keeps_its_name_and_doc() -> None:
    def rosenbrock(x: Any) -> Any:
        """Return the banana."""
        return x

    for transform in (grad, value_and_grad, jacobian, hessian):
        assert (transform(rosenbrock).__name__, transform(rosenbrock).__doc__) == (
            "rosenbrock",
            "Return the banana.",
        )


def test_what_the_result_does_not_depend_on_has_derivative_zero() -> None:
    nest = {"used": 2.0, "unused": [1, Fraction(1, 2)]}
    zeros = {"used": 0.0, "unused": [0, Fraction(0)]}
    for constant in (7, 2.5, Value(3.0)):
        assert same(grad(lambda n, c=constant: c)(nest), zeros)
        assert jacobian(lambda n, c=constant: [c])(nest) == [zeros]
        assert jvp(lambda n, c=constant: c, (nest,), (nest,)) == (constant, 0)
        assert vjp(lambda n, c=constant: c, nest)[1](1.0) == (zeros,)
        assert hvp(lambda n, c=constant: c, (nest,), (nest,)) == zeros
    assert same(grad(lambda n: n["used"] ** 2)(nest), {**zeros, "used": 4.0})
    assert hessian(lambda n: n["used"])(nest)["used"] == zeros
    assert grad(lambda x: x)(2.0) == 1.0
    assert jacobian(lambda v: v)([1.0, 2.0]) == [[1.0, 0.0], [0.0, 1.0]]
    assert grad(lambda v: 3.0)([]) == []


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [[1.0], (1.0, 2.0), {"a": 1.0}])
@pytest.mark.parametrize("transform", [grad, value_and_grad])
def test_grad_wants_one_number(transform: Any, result: Any) -> None:
    with pytest.raises(TypeError, match=r"returns one number; this one returned .*: use jacobian"):
        transform(lambda x: result)(1.0)
    with pytest.raises(TypeError, match="use jacobian"):
        hvp(lambda x: result, (1.0,), (1.0,))


@transforms
@pytest.mark.parametrize("result", [None, "a", 1j, {1.0}])
def test_results_that_are_no_numbers(transform: Any, result: Any) -> None:
    with pytest.raises(TypeError, match=r"the function's result must be a number, or lists, tup"):
        transform(lambda x: result)


@pytest.mark.parametrize("bad", ["1.0", 1j, {1.0}, object()])
def test_arguments_that_are_no_numbers(bad: Any) -> None:
    kind = type(bad).__name__
    for call in (
        lambda: grad(lambda a, b: 1.0, argnums=1)(1.0, {"w": [2.0, bad]}),
        lambda: jacobian(lambda a, b: 1.0, argnums=(0, 1))(1.0, {"w": [2.0, bad]}),
        lambda: vjp(lambda a, b: 1.0, 1.0, {"w": [2.0, bad]}),
    ):
        with pytest.raises(TypeError, match=rf"argument 1\['w'\]\[1\] must be .*\({kind}\)"):
            call()
    with pytest.raises(TypeError, match=rf"primals\[0\] must be a number.*\({kind}\)"):
        jvp(lambda x: x, (bad,), (1.0,))
    with pytest.raises(TypeError, match=rf"tangents\[0\] must be a number.*\({kind}\)"):
        jvp(lambda x: x, (1.0,), (bad,))
    with pytest.raises(TypeError, match=rf"cotangents must be a number.*\({kind}\)"):
        vjp(lambda x: x, 1.0)[1](bad)


def test_argnums_that_fit_no_argument() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y

    for argnums in (2, -3, (0, 2)):
        with pytest.raises(TypeError, match=r"argnums is .*, but there are 2 positional argum"):
            grad(f, argnums)(1.0, 2.0)
    with pytest.raises(TypeError, match="are 0 positional arguments: give by position"):
        grad(f)(x=1.0, y=2.0)
    for argnums in ((0, 0), (1, -1)):
        with pytest.raises(TypeError, match="names an argument twice"):
            jacobian(f, argnums)(1.0, 2.0)
    for other in (1.5, "0", (0, "1"), None):
        with pytest.raises(TypeError, match="argnums must be an int or a sequence of ints, got"):
            grad(f, other)(1.0, 2.0)  # type: ignore[arg-type]


def test_directions_that_do_not_fit() -> None:
    for primals, tangents, words in (
        ((1.0,), (1.0, 2.0), r"tangents must be a tuple of 1, not \(1.0, 2.0\)"),
        (([1.0, 2.0],), ([1.0],), r"tangents\[0\] must be a list of 2, not \[1.0\]"),
        (([1.0],), ((1.0,),), r"tangents\[0\] must be a list of 1, not \(1.0,\)"),
        (([1.0],), ([[1.0]],), r"tangents\[0\]\[0\] must be a number, not \[1.0\]"),
        (([1.0],), (["1"],), r"tangents\[0\]\[0\] must be a number, .*not '1' \(str\)"),
        (({"a": 1.0},), ({"b": 1.0},), r"tangents\[0\] must be a dict with the keys \['a'\], not"),
        (({"a": 1.0},), (1.0,), r"tangents\[0\] must be a dict with the keys \['a'\], not 1.0"),
    ):
        for transform in (jvp, hvp):
            with pytest.raises(TypeError, match=words):
                transform(lambda x: 1.0, primals, tangents)
    for transform in (jvp, hvp):
        with pytest.raises(TypeError, match=r"primals must be a sequence .*\(3.0,\), not 2.5 \(fl"):
            transform(lambda x: x, 2.5, (1.0,))  # type: ignore[arg-type, call-overload]
        with pytest.raises(TypeError, match=r"tangents must be a sequence .*not 1.0 \(float\)"):
            transform(lambda x: x, (2.5,), 1.0)  # type: ignore[arg-type, call-overload]
    with pytest.raises(TypeError, match=r"cotangents must be a list of 2, not \[1.0\]"):
        vjp(lambda x: [x, x], 1.0)[1]([1.0])


def test_directions_may_have_their_keys_in_another_order() -> None:
    def f(d: Any) -> Any:
        return {"p": d["x"] * d["x"] * d["y"], "q": d["y"]}

    point = {"x": 3.0, "y": 5.0}
    assert jvp(f, (point,), ({"y": 10.0, "x": 1.0},)) == (
        {"p": 45.0, "q": 5.0},
        {"p": 120.0, "q": 10.0},
    )
    assert hvp(lambda d: f(d)["p"], (point,), ({"y": 1.0, "x": 0.0},)) == {"x": 6.0, "y": 0.0}
    assert vjp(f, point)[1]({"q": 1.0, "p": 0.0}) == ({"x": 0.0, "y": 1.0},)


def test_errors_of_the_arithmetic_name_the_op() -> None:
    with pytest.raises(ZeroDivisionError, match=r"the derivative of sqrt\(0.0\).*not finite"):
        grad(scalargrad.sqrt)(0.0)
    # The derivative of y * y at 0 is 0 * 1 / 0 by the chain rule.
    with pytest.raises(ZeroDivisionError, match=r"the derivative of sqrt\(0.0\)"):
        hessian(lambda x: scalargrad.sqrt(x) ** 2)(0.0)
    with pytest.raises(ZeroDivisionError, match=r"the derivative of sqrt\(0.0\)"):
        jvp(scalargrad.sqrt, (0.0,), (1.0,))
    with pytest.raises(ValueError, match=r"log\(-1.0\); log takes x > 0"):
        jacobian(scalargrad.log)(-1.0)


# --- at work ------------------------------------------------------------------------------------


def rosenbrock(v: Sequence[Any]) -> Any:
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(v))


def test_the_hessian_of_rosenbrocks_function() -> None:
    assert hessian(rosenbrock)([-1.2, 1.0]) == [
        pytest.approx([1330.0, 480.0], abs=1e-9),
        pytest.approx([480.0, 200.0], abs=1e-9),
    ]


def solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return the x with matrix x = right: Gaussian elimination with partial pivoting."""
    rows = [[*row, y] for row, y in zip(matrix, right, strict=True)]
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, n):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - dot(rows[i][i + 1 : n], x[i + 1 :])) / rows[i][i]
    return x


def test_newtons_method_on_ten_parameters() -> None:
    x = [0.9 + 0.02 * i for i in range(10)]
    steps = 0
    while (length := math.hypot(*grad(rosenbrock)(x))) > 1e-10:
        assert steps < 12, f"the gradient is still {length}"
        step = solved(hessian(rosenbrock)(x), grad(rosenbrock)(x))
        x = [a - b for a, b in zip(x, step, strict=True)]
        steps += 1
    assert x == pytest.approx([1.0] * 10, abs=1e-12)
    assert steps >= 3, "it began too close to show anything"


def test_a_network_trained_with_a_gradient_penalty() -> None:
    rng = random.Random(1)
    parameters: dict[str, Any] = {
        "hidden": [[rng.uniform(-1, 1) for _ in range(3)] for _ in range(4)],
        "output": [rng.uniform(-1, 1) for _ in range(5)],
    }
    points = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(8)]

    def network(point: Any, parameters: Any) -> Any:
        hidden = [tanh(sumprod(row, [*point, 1.0])) for row in parameters["hidden"]]
        return sumprod(parameters["output"], [*hidden, 1.0])

    def losses(parameters: Any) -> tuple[Any, Any]:
        error = penalty = 0.0
        for x, y in points:
            value, slopes = value_and_grad(network)([x, y], parameters)
            error += (value - x * y) ** 2
            # Wanted is the length 1, as in a Wasserstein critic: W. Gulrajani et al., 2017.
            penalty += (scalargrad.hypot(*slopes) - 1) ** 2
        return error / len(points), penalty / len(points)

    def loss(parameters: Any) -> Any:
        error, penalty = losses(parameters)
        return 0.1 * error + penalty

    u = directions(17)
    rows, output = parameters["hidden"], parameters["output"]
    slopes = grad(loss)(parameters)
    flat = [x for row in (*slopes["hidden"], slopes["output"]) for x in row]

    def along(t: float) -> Any:
        d = iter(u)
        moved = {"hidden": [[x + t * next(d) for x in row] for row in rows]}
        return loss({**moved, "output": [x + t * next(d) for x in output]})

    [(reference, error)] = numerical_gradient(along, [0.0])
    assert abs(dot(flat, u) - reference) <= error
    before = losses(parameters)[1]
    for _ in range(25):
        slopes = grad(loss)(parameters)
        parameters = {
            "hidden": [
                [x - 0.2 * d for x, d in zip(row, by_row, strict=True)]
                for row, by_row in zip(parameters["hidden"], slopes["hidden"], strict=True)
            ],
            "output": [
                x - 0.2 * d for x, d in zip(parameters["output"], slopes["output"], strict=True)
            ],
        }
    assert losses(parameters)[1] < 0.2 * before


def test_a_chain_of_many_ops_needs_no_recursion() -> None:
    assert sys.getrecursionlimit() <= 10_000
    length = 11_000

    def chain(x: Any) -> Any:
        y = x
        for _ in range(length):
            y = y * 0.9999 + 0.0001 * cos(x)
        return y

    first, second = grad(chain)(1.0), grad(grad(chain))(1.0)
    decay = 0.9999**length
    assert first == pytest.approx(decay - math.sin(1.0) * (1 - decay), rel=1e-9)
    assert second == pytest.approx(-math.cos(1.0) * (1 - decay), rel=1e-9)
    assert hvp(chain, (1.0,), (1.0,)) == pytest.approx(second, rel=1e-9)
