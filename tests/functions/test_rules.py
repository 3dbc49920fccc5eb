"""Each rule of the table against references that know nothing of it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import scalargrad
from scalargrad import Value, complex_step_gradient, numerical_gradient
from scalargrad.engine.fast import unrolled
from scalargrad.engine.op import Op
from scalargrad.engine.tracer import Tracer
from scalargrad.functions.elementary import power_log
from scalargrad.functions.many import flat_sumprod
from scalargrad.functions.methods import all_ops, public_functions
from scalargrad.testing import FUNCTIONS, Operation, expressions, fractions, points
from tests.jets import Jet, coefficients, jet_engine
from tests.sampled import by_differences

WITH_COMPLEX_FORMS = [
    *(f for f in FUNCTIONS.values() if f.analytic),
    *(FUNCTIONS[name] for name in ("%", "fmod", "copysign", "leaky_relu", "elu")),
]
exact = [f for f in FUNCTIONS.values() if f.exact]


def gradient(function: Any, inputs: list[Any]) -> list[Any]:
    leaves = [Value(x) for x in inputs]
    function(*leaves).backward()
    return [leaf.grad for leaf in leaves]


@by_differences(f.name for f in WITH_COMPLEX_FORMS)
@settings(max_examples=8)
@given(data=st.data())
def test_gradient_agrees_with_finite_differences(function: Operation, data: st.DataObject) -> None:
    inputs = data.draw(points(function))
    if function.name == "dist":  # closer to its kink than differences can see
        assume(function(*inputs) > 0.01)
    # What may cancel are sums of up to three products of numbers up to 30.
    noise = 3 * math.ulp(30.0 * 30.0)
    estimates = numerical_gradient(function, inputs, noise=noise)
    for found, (slope, error) in zip(gradient(function, inputs), estimates, strict=True):
        assert abs(found - slope) <= error
        assert error <= 1e-3 * max(1.0, abs(slope)), "too uncertain to judge by"


@pytest.mark.parametrize("function", WITH_COMPLEX_FORMS, ids=lambda f: f.name)
@settings(max_examples=8)
@given(data=st.data())
def test_gradient_agrees_with_complex_steps(function: Operation, data: st.DataObject) -> None:
    # Both sides round a few times; and where terms cancel (silu, 1 + tan**2 near a pole) or an
    # exponential multiplies the error of its argument, by at most 30 here, that grows.
    inputs = data.draw(points(function))
    slopes = gradient(function, inputs)
    steps = complex_step_gradient(function, inputs)
    for found, slope in zip(slopes, steps, strict=True):
        assert found == pytest.approx(slope, rel=1e-12, abs=1e-14)
    # And the complex form's value besides: through a product with itself.
    y = function(*inputs)
    square = [pytest.approx(2 * y * float(slope), rel=1e-11, abs=1e-11) for slope in slopes]
    assert complex_step_gradient(lambda *xs: function(*xs) * function(*xs), inputs) == square


@given(drawn=expressions(exact, numbers=fractions(), largest=10**9))
def test_gradient_of_fractions_is_exact(drawn: Any) -> None:
    expression, inputs = drawn
    leaves = [Value(x) for x in inputs]
    y = expression(*leaves)
    y.backward()
    for i, leaf in enumerate(leaves):
        jets = [Jet(x, int(i == j)) for j, x in enumerate(inputs)]
        found: Any = [y.data, leaf.grad]
        assert found == coefficients(expression(*jets, engine=jet_engine), 2)
        assert isinstance(leaf.grad, Fraction | int)


OPS = all_ops()


class Recorder(Tracer):
    """It carries no number: whatever asks for one fails."""

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        return Recorder()

    def _no_number(self, *others: Any) -> Any:
        raise AssertionError("a rule asked a recorder for its number")

    __bool__ = __float__ = __int__ = __index__ = __hash__ = _no_number
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _no_number


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_rule_works_on_numbers_that_are_not_known(op: Op) -> None:
    widths = {"sumprod": [2, 4], "dist": [2, 4]}.get(op.name, [1, 2, 5])
    for width in [len(op.rules)] if op.rules else widths:
        inputs: list[Any] = [Recorder() for _ in range(width)]
        if op.name == "power_log":
            inputs[2] = 1  # always a plain whole number
        slopes = op.derivatives([Recorder()] * width, Recorder(), inputs)
        assert len(slopes) == width
        assert all(isinstance(slope, Recorder | int | None) for slope in slopes)


def test_the_recorder_catches_a_rule_that_branches_on_a_number() -> None:
    bad = Op("bad", abs, [lambda g, y, a: g if a > 0 else -g])
    with pytest.raises(AssertionError, match="asked a recorder"):
        bad.derivatives([Recorder()], Recorder(), [Recorder()])


def test_every_function_is_in_the_tests_table() -> None:
    # These have a list of results, a condition, a bool as result or an order among their inputs:
    # they have tests of their own; log has its two-argument form besides.
    others = {"softmax", "log_softmax", "where", "isnan", "isinf", "isfinite", "isclose"}
    others |= {"frexp", "ldexp", "logsigmoid", "modf"}
    assert set(public_functions()) - {*others, "polygamma"} - set(FUNCTIONS) == set()


# --- what the table's tame points leave out -----------------------------------------------------


@given(st.floats(0.05, 30), st.floats(1.2, 30))
def test_log_to_a_base(x: float, base: float) -> None:
    by_x, by_base = gradient(scalargrad.log, [x, base])
    assert by_x == pytest.approx(1 / (x * math.log(base)))
    # Change of base: log(x, b) = 1 / log(b, x), differentiated by b.
    assert by_base == pytest.approx(-math.log(x) / (base * math.log(base) ** 2))


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=6))
@example([1e6, -1e6])
@example([1e6, 1e6, 1e6])
def test_softmax_is_the_gradient_of_logsumexp(xs: list[float]) -> None:
    leaves = [Value(x) for x in xs]
    scalargrad.logsumexp(leaves).backward()
    parts = [math.exp(x - max(xs)) for x in xs]
    for leaf, p, part in zip(leaves, scalargrad.softmax(xs), parts, strict=True):
        assert leaf.grad == pytest.approx(part / math.fsum(parts), rel=1e-14)
        assert p == leaf.grad


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=5), st.data())
def test_gradient_of_softmax_is_the_known_jacobian(xs: list[float], data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(xs) - 1))
    leaves = [Value(x) for x in xs]
    outputs = scalargrad.softmax(leaves)
    outputs[i].backward()
    for j, leaf in enumerate(leaves):
        p_i, p_j = outputs[i].data, outputs[j].data
        # Terms of size p_i each round: the error is in proportion to it.
        assert leaf.grad == pytest.approx(p_i * ((i == j) - p_j), rel=1e-12, abs=1e-15 * p_i)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_where_passes_the_gradient_to_the_branch_it_takes(a: float, b: float) -> None:
    x, y = Value(a), Value(b)
    z = scalargrad.where(x > y, 3 * x, 5 * y)
    z.backward(gradient=2)
    assert (z.data, x.grad, y.grad) == ((3 * a, 6, 0) if a > b else (5 * b, 0, 10))


@given(st.floats(-0.9, 30), st.floats(0.1, 3))
def test_leaky_relu_and_elu_have_gradients_in_their_parameter(x: float, parameter: float) -> None:
    for function in (scalargrad.leaky_relu, scalargrad.elu):
        [_, (slope, error)] = numerical_gradient(function, [x, parameter])
        assert abs(gradient(function, [x, parameter])[1] - slope) <= error


@given(st.floats(0.1, 10), st.integers(-6, 6))
def test_a_whole_constant_exponent_needs_no_logarithm(x: float, n: int) -> None:
    for base in (x, -x):
        leaf = Value(base)
        (leaf**n).backward()
        assert leaf.grad == pytest.approx(n * base ** (n - 1), rel=1e-13)


@given(st.lists(st.floats(-9, 9), min_size=3, max_size=7).filter(lambda xs: len(xs) % 2 == 1))
def test_sumprod_of_an_odd_number_of_inputs_adds_the_last(xs: list[float]) -> None:
    n = len(xs) // 2
    leaves = [Value(x) for x in xs]
    y = OPS["sumprod"].function(*leaves)
    y.backward()
    assert y.data == pytest.approx(
        math.fsum(p * q for p, q in zip(xs[:n], xs[n:-1], strict=True)) + xs[-1],
        abs=1e-15 * 81 * n,
    )
    assert [leaf.grad for leaf in leaves] == [*xs[n:-1], *xs[:n], 1.0]


def test_digamma_of_every_order_is_reached_by_the_rules() -> None:
    # The rule of polygamma(n) is polygamma(n + 1): trigamma(1) = pi**2 / 6.
    x = Value(1.0)
    scalargrad.digamma(x).backward()
    assert x.grad == pytest.approx(math.pi**2 / 6, rel=1e-15)
    assert OPS["polygamma"].derivatives([None, 1.0], math.pi**2 / 6, [1, 1.0])[1] == pytest.approx(
        -2 * 1.2020569031595942,
        rel=1e-15,  # -2 zeta(3), OEIS A002117
    )


IDENTITIES: dict[str, Any] = {
    "sin^2 + cos^2 = 1": lambda x: scalargrad.sin(x) ** 2 + scalargrad.cos(x) ** 2,
    "cosh^2 - sinh^2 = 1": lambda x: (
        (scalargrad.cosh(x) - scalargrad.sinh(x)) * (scalargrad.cosh(x) + scalargrad.sinh(x))
    ),
    "erf + erfc = 1": lambda x: scalargrad.erf(x) + scalargrad.erfc(x),
    "sigmoid(x) + sigmoid(-x) = 1": lambda x: scalargrad.sigmoid(x) + scalargrad.sigmoid(-x),
    "gamma(x + 1) / (x gamma(x)) = 1": lambda x: (
        scalargrad.gamma(abs(x) + 1.5) / ((abs(x) + 0.5) * scalargrad.gamma(abs(x) + 0.5))
    ),
    "atan(x) + atan(1/x) is constant": lambda x: (
        scalargrad.atan(abs(x) + 0.1) + scalargrad.atan(1 / (abs(x) + 0.1))
    ),
    "asin + acos = pi/2": lambda x: scalargrad.asin(x / 4) + scalargrad.acos(x / 4),
    "log2 / log10 is constant": lambda x: (
        scalargrad.log2(abs(x) + 1.5) / scalargrad.log10(abs(x) + 1.5)
    ),
    "exp2(x) = exp(x log 2)": lambda x: scalargrad.exp2(x) / scalargrad.exp(x * math.log(2)),
}


@pytest.mark.parametrize("name", IDENTITIES)
@given(x=st.floats(-3, 3))
def test_what_is_constant_has_no_derivative(name: str, x: float) -> None:
    leaf = Value(x)
    IDENTITIES[name](leaf).backward()
    # The terms that must cancel are at most e**3 squared.
    assert abs(leaf.grad) <= 1e-15 * math.exp(6)


INVERSES = [
    ("exp", "log"),
    ("expm1", "log1p"),
    ("sinh", "asinh"),
    ("tanh", "atanh"),
    ("sin", "asin"),
    ("tan", "atan"),
    ("exp2", "log2"),
    ("degrees", "radians"),
]


@pytest.mark.parametrize(("forward", "inverse"), INVERSES)
@given(x=st.floats(-1.4, 1.4))
def test_inverse_functions_have_inverse_derivatives(forward: str, inverse: str, x: float) -> None:
    leaf = Value(x)
    getattr(getattr(leaf, forward)(), inverse)().backward()
    # asin loses half the digits of sin(x) as that nears 1: at 1.4, a factor of 1 / cos(1.4)**2.
    assert leaf.grad == pytest.approx(1.0, rel=1e-13)


small = st.fractions(min_value=-4, max_value=4, max_denominator=8)


@given(st.lists(small, min_size=1, max_size=5), st.lists(small, max_size=5), small, st.booleans())
def test_unrolled_gradients_of_sumprod_are_those_of_its_rule(
    p: list[Fraction], q: list[Fraction], g: Fraction, with_bias: bool
) -> None:
    q = (q + p)[: len(p)]
    # The first is used twice, and so gets the sum of both.
    leaves = [Value(x) for x in (*p, *q)]
    inputs = [leaves[0], *leaves[1:], *([leaves[0]] if with_bias else [])]
    y = flat_sumprod(*inputs)
    y.backward(g)
    assert flat_sumprod.op in unrolled
    joint = flat_sumprod.op.joint
    assert joint is not None
    slopes = joint(g, y.data, *[x.data for x in inputs])
    for leaf in leaves:
        shares = [slope for x, slope in zip(inputs, slopes, strict=True) if x is leaf]
        assert leaf.grad == sum(shares)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_derivative_of_a_power_of_0_by_a_negative_exponent_is_an_error(n: int) -> None:
    assert power_log(0.0, 2.0, n) == 0.0
    for exponent in (0.0, -1.0, -0.5):
        with pytest.raises(ValueError, match="no finite value at b <= 0"):
            power_log(0.0, exponent, n)
