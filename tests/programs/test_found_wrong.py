"""Programs that once gave a wrong result in silence, or failed with a wrong error."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import threading
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any

import pytest

import scalargrad as sg
from scalargrad import (
    Value,
    compile,
    grad,
    hvp,
    maximum,
    minimum,
    primitive,
    prod,
    relu,
    value_and_grad,
    where,
)
from scalargrad.functions.methods import all_ops
from scalargrad.programs.code import Code, Equation
from scalargrad.programs.passes.simplify import sees_signs
from tests.own_functions import Multiply

THIRD = Fraction(1, 3)
LARGE = 2**53 + 1
Pair = namedtuple("Pair", ["a", "b"])


@dataclass(frozen=True)
class Setting:
    rate: Any


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)


# --- comparisons of comparisons -------------------------------------------------------------------

COMPARISONS: dict[str, Callable[..., Any]] = {
    "equal": lambda x, y, z: where((x > 0) == (y > 0), 1.0, -1.0),
    "unequal": lambda x, y, z: where((x < y) != (y < z), 1.0, -1.0),
    "to one": lambda x, y, z: where((x > y) == 1, 1.0, -1.0),
    "less": lambda x, y, z: where((x < y) < z, 1.0, -1.0),
    "on the right": lambda x, y, z: where(z >= (x < y), 1.0, -1.0),
    "both sides": lambda x, y, z: where((x <= y) > (y >= z), 1.0, -1.0),
    "and": lambda x, y, z: where((x > 0) & (x < 2), 1.0, -1.0),
    "or": lambda x, y, z: where((x > 0) | (y > 0), 1.0, -1.0),
    "one of": lambda x, y, z: where((x > 0) ^ (y > 0), 1.0, -1.0),
    "and or": lambda x, y, z: where(((x > 0) | (y > 0)) & (z > 0), 1.0, -1.0),
    "of connectives": lambda x, y, z: where(((x > 0) & (y > 0)) == (z > 0), 1.0, -1.0),
    "with a bool": lambda x, y, z: where((x > 0) & True | (y > z), 1.0, -1.0),
    "bool first": lambda x, y, z: where(False | (x > 0), 1.0, -1.0),
    "as numbers": lambda x, y, z: (x > y) + (y > z) * 2.0,
    "negative": lambda x, y, z: -(x > y) - ((y > z) == (x > z)),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_of_comparisons(name: str) -> None:
    f = COMPARISONS[name]
    program = compile(f)
    for x in (-1.0, 0.5, 1.0, 3.0):
        for y in (-1.0, 1.0, 2.0):
            for z in (-0.5, 0.5, 2.0):
                eager = f(Value(x), Value(y), Value(z))
                assert program(x, y, z) == (eager.data if isinstance(eager, Value) else eager)


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
def test_the_inverse_of_a_condition_is_python_s() -> None:
    f = compile(lambda x: where(~(x > 0), 1.0, -1.0) + ~(x > 0))
    assert (f(1.0), f(-1.0)) == (1.0 + ~True, 1.0 + ~False)


# --- names of arguments ---------------------------------------------------------------------------


def test_an_argument_called_underscore_is_not_overwritten() -> None:
    assert compile(lambda _, pair: _ + pair[1])(1.0, [2.0, 3.0]) == 4.0
    assert compile(lambda pair, _, _2: _ + _2 + pair["b"])({"a": 1.0, "b": 2.0}, 10.0, 20.0) == 32.0
    assert compile(lambda a, _: a[1][0] - _[1])((1.0, [2.0, 3.0]), (4.0, 5.0)) == -3.0


# --- kinds of number ------------------------------------------------------------------------------

KINDS: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "gradient of x / 3": (grad(lambda x: x / 3), Fraction(1), THIRD),
    "of a Decimal": (grad(lambda x: x / 3), Decimal(1), Decimal(1) / 3),
    "gradient of 3 / x": (grad(lambda x: 3 / x), Fraction(2), Fraction(-3, 4)),
    "no dependence": (grad(lambda x: 5.0), Fraction(2), Fraction(0)),
    "value and gradient": (value_and_grad(lambda x: x * x), THIRD, (THIRD**2, 2 * THIRD)),
    "second derivative": (grad(grad(lambda x: x**3 / 7)), THIRD, Fraction(2, 7)),
    "relu": (relu, Fraction(-1), Fraction(0)),
    "relu of a Decimal": (relu, Decimal(-1), Decimal(0)),
    "relu of an int": (relu, -1, 0),
    "int / 1": (lambda x: x / 1, LARGE, float(2**53)),
    "int / 1.0": (lambda x: x / 1.0, 3, 3.0),
    "int * 1.0": (lambda x: x * 1.0, 3, 3.0),
    "1.0 * int": (lambda x: 1.0 * x, LARGE, float(2**53)),
    "int + 0.0": (lambda x: x + 0.0, LARGE, float(2**53)),
    "int - 0.0": (lambda x: x - 0.0, 3, 3.0),
    "int ** 1.0": (lambda x: x**1.0, 3, 3.0),
    "int ** 0": (lambda x: x**0, 3, 1),
    "Fraction * 1": (lambda x: x * 1, THIRD, THIRD),
    "Fraction * 1.0": (lambda x: x * 1.0, THIRD, 1 / 3),
    "Fraction + 0.0": (lambda x: 0.0 + x, THIRD, 1 / 3),
    "Fraction ** 1.0": (lambda x: x**1.0, THIRD, 1 / 3),
    "Fraction ** 0": (lambda x: x**0, THIRD, Fraction(1)),
    "Decimal ** 0": (lambda x: x**0, Decimal(3), Decimal(1)),
    "float ** 0": (lambda x: x**0, 3.0, 1.0),
    "gradient of an int": (grad(lambda x: x * x), LARGE, 2 * LARGE),
    "of an int times 1.0": (grad(lambda x: x * 1.0 * x), 3, 6.0),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_and_value_of_a_result_are_the_eager_ones(name: str) -> None:
    f, x, y = KINDS[name]
    program = compile(f)
    assert same(f(x), y)
    assert same(program(x), y)
    program(0.5)  # another program, for floats, changes nothing
    assert same(program(x), y)


def test_a_decimal_plus_a_float_is_an_error() -> None:
    program = compile(lambda x: x + 0.0)
    assert program(1.0) == 1.0
    with pytest.raises(
        TypeError, match=r"'decimal.Decimal' and 'float', in \(x=Decimal\('1'\)\) \+"
    ):
        program(Decimal(1))


# --- static arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        *((0.0, -0.0), (1, True), (1, 1.0), (Fraction(1), 1), (Decimal("1.0"), Decimal("1.00"))),
        *(((2,), (2.0,)), ((0.0, (1,)), (-0.0, (1,))), ((1, (2, (3,))), (1, (2, (3.0,))))),
        *((Pair(1, 2), Pair(1.0, 2)), (Pair(1, 2), (1, 2)), (frozenset([1]), frozenset([1.0]))),
        *((Setting(1), Setting(1.0)), (Setting((0.0,)), Setting((-0.0,))), (0j, -0j)),
    ],
)
def test_static_arguments_that_only_compare_equal_have_programs_of_their_own(
    a: Any, b: Any
) -> None:
    seen: list[Any] = []

    def f(x: Any, setting: Any) -> Any:
        seen.append(setting)
        return x * len(seen)

    program = compile(f, static_argnums=1)
    assert [program(1.0, a), program(1.0, b), program(1.0, copy.copy(a))] == [1.0, 2.0, 1.0]
    assert list(map(repr, seen)) == [repr(a), repr(b)]


def test_a_static_nan_is_traced_once() -> None:
    program = compile(lambda x, setting: x, static_argnums=1)
    for setting in (math.nan, float("nan"), -float("nan")):
        program(1.0, setting)
        program(1.0, (setting, 1))
    assert program.cache_info()[:2] == (4, 2)


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        *(lambda w: sum([w]), lambda w: 0 + w, lambda w: w * 1, lambda w: +w, lambda w: w**1),
        lambda w: 0 - (0 - w),
    ],
)
def test_labelling_a_result_does_not_rename_what_it_is_simplified_to(
    made: Callable[[Any], Any],
) -> None:
    w = Value(2.0, label="w")

    def f(x: Any) -> Any:
        for number in (w, x):
            total = made(number)
            total.label = "total"
        return total * made(w)

    program = compile(f)
    assert program(3.0) == 6.0
    assert w.label == "w"
    assert "def f(x, " in program.source


# --- wrong errors ---------------------------------------------------------------------------------


def test_a_captured_result_of_a_function() -> None:
    w = Value(2.0)
    square = Multiply.apply(w, w)
    program = compile(lambda x: square * x)
    assert program(3.0) == 12.0
    assert program.backward(3.0) == 12.0
    assert w.grad == 12.0
    w.data = 3.0
    assert program(3.0) == 27.0


@pytest.mark.parametrize("base", [-2.0, -2, 0.0, 3.0, Fraction(-2), Decimal(-2)])
def test_a_slope_that_is_not_needed_is_no_error(base: Any) -> None:
    def f(x: Any) -> Any:
        return base ** where(x > 0, 2, 3) * x

    expected = [grad(f)(x) for x in (1, -1)]
    assert [compile(grad(f))(x) for x in (1, -1)] == expected
    assert expected == [base**2, base**3]


def test_a_slope_that_is_needed_is_the_error_of_the_eager_pass() -> None:
    def f(x: Any) -> Any:
        return (-2.0) ** x

    for gradient in (grad(f), compile(grad(f))):
        with pytest.raises(ValueError, match=r"math domain error|expected a positive input"):
            gradient(2)


def test_a_deep_copy_keeps_what_a_program_captures() -> None:
    w = Value(2.0)
    result = w * w
    with pytest.raises(TypeError, match="is the result of an op"):
        copy.deepcopy(result)
    leaf = copy.deepcopy(w)
    program = compile(lambda x: leaf * x)
    assert program.backward(3.0) == 6.0
    assert (leaf.grad, w.grad) == (3.0, 0)


def with_a_lock(x: Any, lock: Any = threading.Lock()) -> Any:  # noqa: B008
    return x * x


def test_a_default_that_cannot_be_pickled_stays_behind() -> None:
    program = compile(with_a_lock)
    assert program(3.0) == 9.0
    assert pickle.loads(pickle.dumps(program))(3.0) == 9.0


def test_deeply_nested_arguments_and_results() -> None:
    def nest(x: Any) -> Any:
        return reduce(lambda inner, _: [inner], range(200), x)

    def core(x: Any) -> Any:
        return reduce(lambda outer, _: outer[0], range(200), x)

    program = compile(lambda x: nest(core(x) * 2))
    assert core(program(nest(3.0))) == 6.0
    assert "(" * 50 not in program.source.replace("[", "(")


def test_classes_of_dicts_are_kept() -> None:
    ordered = OrderedDict([("b", 1.0), ("a", 2.0)])
    result = compile(lambda x: OrderedDict((key, y * 2) for key, y in x.items()))(ordered)
    assert type(result) is OrderedDict
    assert list(result.items()) == [("b", 2.0), ("a", 4.0)]
    nest: defaultdict[str, Any] = defaultdict(list, a=1.0)
    default = compile(lambda x: x)(nest)
    assert type(default) is defaultdict
    assert (default["a"], default["new"]) == (1.0, [])
    slopes = compile(grad(lambda x: x["a"] * x["b"]))(ordered)
    assert slopes == OrderedDict([("b", 2.0), ("a", 1.0)])
    assert type(slopes) is OrderedDict


def test_work_to_compile_calls_of_functions_is_linear() -> None:
    def calls(count: int) -> int:
        def chain(x: Any) -> Any:
            for _ in range(count):
                x = Multiply.apply(x, 0.999)
            return x

        seen = 0

        def counted(frame: Any, event: str, argument: Any) -> None:
            nonlocal seen
            seen += event == "call"

        program = compile(grad(chain))
        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            program(1.0)
        finally:
            sys.setprofile(before)
        return seen

    few, many = calls(30), calls(120)
    assert many < 5 * few


@pytest.mark.parametrize("xs", [[None, None, 1.0, None], [1.0, None], [None, 1, None]])
def test_a_product_of_ints_with_the_float_1_is_a_float(xs: list[Any]) -> None:
    def f(x: Any) -> Any:
        return prod([x if one is None else one for one in xs])

    for x in (2, -4, 0, 2.0):
        assert repr(compile(f)(x)) == repr(f(x))


@pytest.mark.parametrize("extreme", [maximum, minimum])
def test_second_derivatives_of_extremes_are_zeros_of_their_kind(extreme: Any) -> None:
    def f(x: Any) -> Any:
        return where(x, extreme(2.0, x), x)

    for x in (-0.0, 0.0, 1.5, 3.0, Fraction(5, 2), Fraction(0)):
        second = hvp(f, (x,), (x,))
        found = compile(lambda x: hvp(f, (x,), (x,)))(x)
        assert repr(found) == repr(second)
        assert type(second) in (type(x), float)


def test_a_tuple_whose_numbers_do_not_move_forward() -> None:
    def of(called: bool) -> Any:
        def part(x: Any, v: Any, w: Any) -> Any:
            return where(x, v[0], w)

        piece: Any = compile(part) if called else part

        def whole(a: Any, b: Any) -> Any:
            v = 1.0 % b
            return where(a, b, v + b) / piece(-0.0, [v], b + 2.5) + piece(a, [v], b) / 2.0

        return whole

    for tangents in ((1.0, 1.0), (1.0, 0.0)):
        eager = hvp(of(called=False), (2.0, -0.625), tangents)
        found = compile(lambda a, b, tangents=tangents: hvp(of(called=True), (a, b), tangents))
        assert found(2.0, -0.625) == pytest.approx(eager, rel=1e-13)


# --- the sign of a zero, where something sees it --------------------------------------------------

MAKES_ZEROS: dict[str, Callable[[Any], Any]] = {
    "0.0 - y": lambda y: 0.0 - y,
    "0 - y": lambda y: 0 - y,
    "y + 0.0": lambda y: y + 0.0,
    "y - -0.0": lambda y: y - -0.0,
    "-0.0 + y": lambda y: -0.0 + y,
    "sum([y])": lambda y: sum([y]),
    "sumprod([y], [1])": lambda y: sg.sumprod([y], [1]),
    "sumprod([y, y], [1.0, 2]) + y": lambda y: sg.sumprod([y, y], [1.0, 2]) + y,
    "-y * 2.0": lambda y: -y * 2.0,
    "-y / 2": lambda y: -y / 2,
    "y + -(y * 0)": lambda y: y + -(y * 0),
    "y - -(0 * y)": lambda y: y - -(0 * y),
    "a call": compile(lambda y: 0.0 - y),
}


def _of_sign(x: float) -> float:
    return math.copysign(1.0, x)


own_sign = primitive(lambda g, y, x: 0.0)(_of_sign)
SEE_SIGNS: dict[str, Callable[[Any], Any]] = {
    "atan2": lambda x: sg.atan2(x, -1.0),
    "copysign": lambda x: sg.copysign(2.0, x),
    "own": own_sign,
}


@pytest.mark.parametrize(
    ("target", "sees"),
    [*product(["python"], SEE_SIGNS), ("c", "atan2"), ("c", "copysign")],
)
@pytest.mark.parametrize("makes", MAKES_ZEROS)
def test_the_sign_of_a_zero_is_kept_where_something_sees_it(
    makes: str, sees: str, target: str
) -> None:
    zero, see = MAKES_ZEROS[makes], SEE_SIGNS[sees]
    compiled = compile(lambda y: see(zero(y)), target=target)
    for y in (0.0, -0.0, 0, 1.5, -2):
        plain = zero(y) if makes != "a call" else 0.0 - y
        assert repr(compiled(y)) == repr(see(plain)), y


def test_no_other_function_sees_the_sign_of_a_zero() -> None:
    def outcome(op: Any, xs: Any) -> Any:
        try:
            return op.forward(*xs)
        except (ArithmeticError, ValueError, TypeError) as error:
            return type(error)

    others = (0.0, -0.0, 1.0, -1.5, 2, 0, -3)
    seeing = set()
    for name, op in all_ops().items():
        for count in [len(op.rules)] if op.rules else [1, 2, 3, 4]:
            for k in range(count):
                for rest in product(others, repeat=count - 1):
                    a, b = (outcome(op, (*rest[:k], zero, *rest[k:])) for zero in (0.0, -0.0))
                    if not (a == b or (a != a and b != b)):
                        seeing.add(name)
        code = Code(4, [Equation(op, (0, 1, 2, 3)[: len(op.rules) or 2])], [4])
        assert sees_signs(code) == (name in ("atan2", "copysign"))
    assert seeing == {"atan2", "copysign"}


# --- errors of an unpickled program ---------------------------------------------------------------


def test_an_unpickled_program_names_the_op_that_fails() -> None:
    inner = compile(lambda a, b: (a % b, a / b))

    def f(x: Any, y: Any) -> Any:
        first, second = inner(x, y)
        return [second, first, sg.log(y)]

    f.__qualname__ = "f"
    compiled = compile(f)
    compiled(1.0, 2.0)
    loaded = pickle.loads(pickle.dumps(compiled))
    for x, y in ((7.0, 0.0), (Decimal(7), Decimal(0)), (1.0, -1.0)):
        found = []
        for one in (compiled, loaded):
            with pytest.raises((ArithmeticError, ValueError)) as error:
                one(x, y)
            found.append(repr(error.value))
        assert found[0] == found[1]
        assert ", in " in found[0]
