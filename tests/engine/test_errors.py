"""Every error that a user can provoke: its type, and words that name the cause and the cure."""

from __future__ import annotations

import cmath
import math
import operator
import re
from decimal import Decimal
from typing import Any

import pytest

import scalargrad
from scalargrad import Value, log, sqrt, sumprod
from scalargrad.engine.errors import Shown, describe_call
from scalargrad.functions.methods import all_ops, public_functions
from scalargrad.testing import FUNCTIONS


@pytest.mark.parametrize(
    "convert",
    [
        *(math.sin, math.hypot, math.gamma, math.isnan),
        *(float, int, complex, cmath.sin, operator.index, [0, 1].__getitem__),
    ],
    ids=str,
)
def test_a_conversion_that_would_drop_the_gradient(convert: Any) -> None:
    words = r"lose its gradient: instead of math.sin\(v\) write scalargrad.sin\(v\).* v\.data"
    with pytest.raises(TypeError, match=words):
        convert(Value(1.0))


@pytest.mark.parametrize("divide", [operator.floordiv, divmod])
def test_floor_division(divide: Any) -> None:
    for a, b in ((Value(7.0), 2), (7, Value(2.0)), (Value(7.0), Value(2.0))):
        with pytest.raises(TypeError, match=r"// is zero .* write v.data // 2.* v / 2"):
            divide(a, b)


OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow),
]


@pytest.mark.parametrize("apply", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", ["1", b"1", None, 1j])
def test_operands_that_are_no_real_number(apply: Any, other: Any) -> None:
    for a, b in ((Value(2.0), other), (other, Value(2.0))):
        with pytest.raises(TypeError, match=r"takes Values and real numbers, not .* convert it"):
            apply(a, b)


def test_operands_within_no_grad() -> None:
    with scalargrad.no_grad(), pytest.raises(TypeError, match=r"\* takes Values and real numbers"):
        operator.mul(Value(2.0), "a")


@pytest.mark.parametrize("other", [[1.0], (1.0,), {1.0}, {}], ids=repr)
def test_operands_that_are_collections(other: Any) -> None:
    for a, b in ((Value(2.0), other), (other, Value(2.0))):
        with pytest.raises(TypeError, match=r"\+ takes .* each element, as in \[v \* x for x"):
            operator.add(a, b)


def test_an_operand_that_knows_values_is_asked() -> None:
    class Vector:
        def __radd__(self, other: Any) -> str:
            return "added"

    assert Value(1.0) + Vector() == "added"
    with pytest.raises(TypeError, match="unsupported operand"):
        Value(1.0) * Vector()


@pytest.mark.parametrize(
    ("provoke", "kind", "words"),
    [
        (
            lambda: log(Value(0.0, label="p")),
            ValueError,
            r", in log\(p=0.0\); log takes x > 0",
        ),
        (
            lambda: Value(1.0) / 0,
            ZeroDivisionError,
            r"division by zero, in 1.0 / 0; keep the divisor away from zero",
        ),
        (
            lambda: Value(1.0, label="x") / Value(0, label="n"),
            ZeroDivisionError,
            r"in \(x=1.0\) / \(n=0\)",
        ),
        (
            lambda: Value(-8.0) ** (1 / 3),
            ValueError,
            r"negative number to a fractional power .* in -8.0 \*\* 0.33.* use cbrt",
        ),
        (
            lambda: (-8.0) ** Value(0.5),
            ValueError,
            r"in -8.0 \*\* 0.5",
        ),
        (
            lambda: scalargrad.exp(Value(1000.0)),
            OverflowError,
            r"in exp\(1000.0\); the result is too large for a float: scale the inputs down",
        ),
        (
            lambda: Value(10.0) ** 400,
            OverflowError,
            r"in 10.0 \*\* 400; the result is too large",
        ),
        (
            lambda: scalargrad.acos(Value(2.0)),
            ValueError,
            r"in acos\(2.0\); acos takes -1 <= x <= 1",
        ),
        (
            lambda: scalargrad.gamma(Value(-1.0)),
            ValueError,
            r"in gamma\(-1.0\); it has poles at 0 and the negative integers",
        ),
        (
            lambda: scalargrad.log(Value(2.0), 1),
            ZeroDivisionError,
            r"/ 0.0",
        ),
        (
            lambda: sumprod([Value(1.0)], [1, 2]),
            ValueError,
            r"sumprod takes two equally long sequences, not one of 1 and one of 2",
        ),
        (
            lambda: scalargrad.dist([Value(1.0)], []),
            ValueError,
            r"dist takes two equally long sequences, not one of 1 and one of 0",
        ),
        (
            lambda: scalargrad.logsumexp([]),
            ValueError,
            r"logsumexp needs at least one number, got none",
        ),
        (
            lambda: scalargrad.softmax([]),
            ValueError,
            r"softmax needs at least one number, got none",
        ),
        (
            lambda: sumprod([Value(1.0)], ["1"]),
            TypeError,
            r"in sumprod\(1.0, '1'\)",
        ),
        (
            lambda: sumprod([Value(1.0)] * 600, [1] * 599 + ["1"]),
            TypeError,
            r"in sumprod\(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, \.\.\. 1192 more\)$",
        ),
        (
            lambda: scalargrad.maximum(Value(1.0), "a"),
            TypeError,
            r"in maximum\(1.0, 'a'\)",
        ),
        (
            lambda: scalargrad.where(True, "a", Value(1.0)),
            TypeError,
            r"where\(True, 'a', 1.0\) gave 'a' \(str\), not a real number",
        ),
        (
            lambda: Value(Decimal(1)) * 1.5,
            TypeError,
            r"in Decimal\('1'\) \* 1.5; numbers of these kinds do not mix: convert them",
        ),
        (
            lambda: log(Value(Decimal(2))).backward(),
            TypeError,
            r"in the derivative of log\(Decimal\('2'\)\); numbers of these kinds do not mix",
        ),
        (
            lambda: Value(1.0).backward(gradient="1"),
            TypeError,
            r"gradient must be a real number, got '1' \(str\)",
        ),
        (
            lambda: sqrt(Value(0.0, label="w")).backward(),
            ZeroDivisionError,
            r"in the derivative of sqrt\(w=0.0\); the derivative is not finite there",
        ),
        (
            lambda: (Value(-2.0) ** Value(2.0)).backward(),
            ValueError,
            r"in the derivative of -2.0 \*\* 2.0; a negative base takes a constant whole exponent",
        ),
        (
            lambda: scalargrad.hypot(Value(0.0), 0.0).asinh().sqrt().backward(),
            ZeroDivisionError,
            r"in the derivative of sqrt\(0.0\)",
        ),
        (
            lambda: scalargrad.atan2(Value(0.0, "y"), Value(0.0, "x")).backward(),
            ZeroDivisionError,
            r"in the derivative of atan2\(y=0.0, x=0.0\)",
        ),
    ],
)
def test_errors_name_the_op_its_inputs_and_the_cure(
    provoke: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        provoke()


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.arity == 1])
def test_a_string_is_no_number_to_any_function(name: str) -> None:
    with pytest.raises(TypeError):
        FUNCTIONS[name]("1")


def test_a_value_is_not_iterable() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(Value(1.0))  # type: ignore[call-overload]


def test_of_many_operands_eight_are_shown() -> None:
    def shown(count: int) -> str:
        return describe_call(all_ops()["prod"], tuple(range(count)))

    assert shown(8) == "prod(0, 1, 2, 3, 4, 5, 6, 7)"
    assert shown(9) == "prod(0, 1, 2, 3, 4, 5, 6, 7, ... 1 more)"
    assert shown(30).endswith("7, ... 22 more)")


# --- ops of which a user has no name ------------------------------------------------------------

# They give what they are given, and fail on no number.
NEVER_FAIL = {"same", "detach", "like"}


def test_errors_name_no_op_that_no_user_has_written() -> None:
    named = {*public_functions(), "abs", "sum", *NEVER_FAIL}
    for name, op in all_ops().items():
        text = describe_call(op, (Shown(2.5, "x"), Shown(3, ""), 1))
        words = set(re.findall(r"[a-z_]\w*", text)) - {"x"}
        assert words <= {*named, "max", "derivative", "of"}, f"{name}: {text}"


@pytest.mark.parametrize(
    ("f", "x", "words"),
    [
        (lambda x: scalargrad.hypot(x, 0.0), 0.0, r"in the derivative of \(?0.0\)? / \(?0.0\)?"),
        (lambda x: (x * x) ** x, 0.0, r"in the derivative of 0.0 / 0.0"),
        (lambda x: scalargrad.cosh(x), 800.0, r"in cosh\(800.0\)"),
    ],
)
def test_errors_of_second_derivatives(f: Any, x: float, words: str) -> None:
    with pytest.raises((ArithmeticError, ValueError), match=words):
        scalargrad.grad(scalargrad.grad(f))(x)
