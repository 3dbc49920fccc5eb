"""Functions that branch on traced numbers: compiled, they do what the eager engine does.

Each is called at points on both sides of its borders and on them, twice: when a path is traced, and
by the program that has it then.
"""

from __future__ import annotations

import math
import pickle
import random
import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest

from scalargrad import (
    TraceError,
    Value,
    acos,
    asin,
    atan2,
    compile,
    cos,
    exp,
    grad,
    hessian,
    hvp,
    jvp,
    log,
    map_grad,
    maximum,
    primitive,
    relu,
    sin,
    sqrt,
    tanh,
    taylor,
    value_and_grad,
    where,
)
from scalargrad.programs.run.c_compiler import COMPILERS
from scalargrad.transforms.nesting import flatten

Function = Callable[..., Any]
Point = tuple[float, ...]


def absolute(x: Any) -> Any:
    return x if x > 0 else -x


def sign_of_three(x: Any) -> Any:
    if x > 0:
        return x * x
    if x < 0:
        return -x * x * x
    return x


def strict_or_not(x: Any, y: Any) -> Any:
    return x * y if x >= y else x - y if x <= -y else x / (1 + y * y)


def equal_or_not(x: Any, y: Any) -> Any:
    if x == y:
        return x * y * 2
    return x * y if x != -y else x + y


def both_conditions(x: Any, y: Any) -> Any:
    return x * y * y if x > 0 and y > 0 else x - y


def either_condition(x: Any, y: Any) -> Any:
    return sin(x) * y if x > 0 or y > 0 else cos(x * y)


def no_condition(x: Any, y: Any) -> Any:
    return x * y if not (x > y) else x / (2 + sin(y))


def chained(x: Any) -> Any:
    return x * x if 0 < x <= 1 < 2 - x / 8 else 3 * x


def in_a_tuple(x: Any) -> Any:
    return x * x if x in (0.0, 1.0, 2.0) else -x


def in_a_list_of_inputs(x: Any, y: Any, z: Any) -> Any:
    return x * y if z in [x, y] else x * z


def not_in_a_list(x: Any) -> Any:
    return x * x * x if x not in [1.0, -1.0] else x


def larger(x: Any, y: Any) -> Any:
    return max(x, y) * x


def smaller_of_a_list(x: Any, y: Any, z: Any) -> Any:
    return min([x * x, y, z * y])


def largest_by_key(x: Any, y: Any, z: Any) -> Any:
    return max([x, y, z], key=lambda v: v * v) * y


def in_order(x: Any, y: Any, z: Any) -> Any:
    low, middle, high = sorted([x, y, z])
    return low + 2 * middle * middle + 3 * high * low


def in_order_of_keys(x: Any, y: Any, z: Any) -> Any:
    first, *_, last = sorted([x, y, z], key=sin, reverse=True)
    return first * first + 5 * last


def sorted_in_place(x: Any, y: Any, z: Any) -> Any:
    xs = [x * y, y, z]
    xs.sort(key=lambda v: -v)
    return xs[0] + 2 * xs[1] + 3 * xs[2] * xs[2]


def any_of_them(x: Any, y: Any) -> Any:
    return x * y if any(v > 1 for v in (x, y)) else x + y * y


def all_of_them(x: Any, y: Any) -> Any:
    return x * y * y if all(v > 1 for v in (x, y)) else x - y * x


def how_many(x: Any, y: Any, z: Any) -> Any:
    return x * y * sum(1 for v in (x, y, z) if v > 0) + z


def only_the_positive(x: Any, y: Any, z: Any) -> Any:
    return sum([v * v for v in (x, y, z) if v > 0], 0.0 * x)


def truth_of_a_number(x: Any, y: Any) -> Any:
    return y / x if x else y * y


def not_a_number(x: Any, y: Any) -> Any:
    return y * 3 if not x else y * x


def this_or_that(x: Any, y: Any) -> Any:
    return (x or y) * 2 + (x and y) * y


def filtered(x: Any, y: Any, z: Any) -> Any:
    return reduce(lambda a, b: a * b, filter(None, [x, y, z]), 1.0 + 0 * x)


def matched(x: Any) -> Any:
    match x:
        case 0.0:
            return x + 1
        case _ if x > 2:
            return x * x
        case _:
            return sin(x)


def matched_pair(x: Any, y: Any) -> Any:
    match (x, y):
        case (0.0, _):
            return y * y
        case (_, 0.0):
            return x * x * x
        case (a, b) if a > b:
            return a / b
    return x * y


def early_exit(x: Any) -> Any:
    for k in range(5):
        x = x * x - 1.2
        if x > 3:
            return x * (k + 1)
    return x


def loop_until(x: Any) -> Any:
    n = 0
    while x * x < 100 and n < 30:
        x, n = x * 1.5 + 0.1, n + 1
    return x * n


def loop_with_break(x: Any, y: Any) -> Any:
    total = 0.0
    while True:
        total = total + x * y
        x = x / 2
        if x < 0.3:
            break
        if total > 9:
            continue
        total = total + y
    return total


def loop_with_else(x: Any) -> Any:
    for k in range(4):
        if x > k:
            x = x * 0.8
        else:
            break
    else:
        return x * x
    return x - k


def newton(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def bisection(c: Any) -> Any:
    low, high = 0.0 * c, 1.0 + 0.0 * c
    for _ in range(12):
        middle = (low + high) / 2
        if middle**3 + middle < c:
            low = middle
        else:
            high = middle
    return middle - (middle**3 + middle - c) / (3 * middle**2 + 1)


def golden_section(c: Any) -> Any:
    low, high = c * 0 - 1.0, c * 0 + 2.0
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(8):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if (a - c) ** 2 < (b - c) ** 2:
            high = b
        else:
            low = a
    return (low + high) * c


def collatz(x: Any) -> Any:
    steps = 0
    while x > 1 and steps < 20:
        x = x / 2 if x % 2 < 1 else 3 * x + 1
        steps += 1
    return x * (1 + steps)


def euclid(a: Any, b: Any) -> Any:
    while b > 1e-6:
        a, b = b, a % b
    return a * a


def factorial(x: Any) -> Any:
    return x * factorial(x - 1) if x > 1 else 1.0 + 0 * x


def power_by_squaring(x: Any, n: Any) -> Any:
    if n < 1:
        return 1.0 + 0 * x
    half = power_by_squaring(x, (n - n % 2) / 2)
    return half * half * x if n % 2 >= 1 else half * half


def quicksort(*xs: Any) -> Any:
    def ordered(items: list[Any]) -> list[Any]:
        if len(items) < 2:
            return items
        pivot, *rest = items
        return [
            *ordered([x for x in rest if x < pivot]),
            pivot,
            *ordered([x for x in rest if not x < pivot]),
        ]

    return sum(k * x * x for k, x in enumerate(ordered([*xs]), 1))


def median(*xs: Any) -> Any:
    ordered = sorted(xs)
    return ordered[len(ordered) // 2] ** 2


def second_largest(*xs: Any) -> Any:
    best, other = xs[0], xs[1]
    if other > best:
        best, other = other, best
    for x in xs[2:]:
        if x > best:
            best, other = x, best
        elif x > other:
            other = x
    return best * other


def pivoted_elimination(a: Any, b: Any, c: Any, d: Any) -> Any:
    first, second = [a, b, 1.0], [c, d, 2.0]
    if abs(first[0]) < abs(second[0]):
        first, second = second, first
    factor = second[0] / first[0]
    y = (second[2] - factor * first[2]) / (second[1] - factor * first[1])
    return (first[2] - first[1] * y) / first[0] + y


def adaptive_simpson(c: Any) -> Any:
    def f(t: Any) -> Any:
        return exp(-c * t * t)

    def area(a: float, b: float, whole: Any, depth: int) -> Any:
        middle = (a + b) / 2
        left, right = simpson(a, middle), simpson(middle, b)
        if depth == 0 or abs(left + right - whole) < 1e-4:
            return left + right
        return area(a, middle, left, depth - 1) + area(middle, b, right, depth - 1)

    def simpson(a: float, b: float) -> Any:
        return (b - a) / 6 * (f(a) + 4 * f((a + b) / 2) + f(b))

    return area(0.0, 2.0, simpson(0.0, 2.0), 3)


def adaptive_steps(rate: Any) -> Any:
    t, y, h = 0.0 * rate, 1.0 + 0.0 * rate, 0.4
    for _ in range(12):
        if t > 1:
            break
        slow = y - h * rate * y
        half = y - h / 2 * rate * y
        fast = half - h / 2 * rate * half
        if abs(fast - slow) > 0.05:
            h = h / 2
            continue
        t, y, h = t + h, fast, h * 1.2
    return y


def huber(x: Any) -> Any:
    return 0.5 * x * x if abs(x) <= 1 else abs(x) - 0.5


def piecewise_of_a_table(x: Any) -> Any:
    knots = [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]
    for (a, u), (b, v) in pairwise(knots):
        if a <= x < b:
            return u + (v - u) * (x - a) / (b - a) * x
    return 2.0 * x


def norm(x: Any, y: Any) -> Any:
    square = x * x + y * y
    return sqrt(square) if square > 0 else square


def x_log_x(x: Any) -> Any:
    return x * log(x) if x > 0 else 0.0 * x


def sinc(x: Any) -> Any:
    return sin(x) / x if x != 0 else 1 - x * x / 6


def angle(x: Any, y: Any) -> Any:
    if x == 0 and y == 0:
        return 0.0 * x
    return atan2(y, x)


def within_the_domain(x: Any) -> Any:
    return acos(x) if -1 < x < 1 else x * 0.5


def error_of_its_own(x: Any) -> Any:
    if x < 0:
        raise ValueError(f"{x.data if False else 'negative'}")
    return sqrt(x + 1)


def error_that_is_caught(x: Any) -> Any:
    try:
        y = log(x)
    except ValueError:
        return x * x
    return y * x


def error_of_what_is_not_needed(x: Any) -> Any:
    try:
        log(x)
        return x * 2
    except ValueError:
        return x * 3


def division_that_is_caught(x: Any, y: Any) -> Any:
    try:
        z = x / y
    except ZeroDivisionError:
        z = x * 0
    if z > 1:
        z = z * z
    return z + y


def own_error_that_is_caught(x: Any) -> Any:
    try:
        return error_of_its_own(x) * 2
    except ValueError:
        return -x
    finally:
        pass


def assertion(x: Any) -> Any:
    assert x < 5, "too large"
    return x * x


def choice_within_a_branch(x: Any, y: Any) -> Any:
    if x > y:
        return where(x > 1, x * x, y) + maximum(x, y * y)
    return relu(x) * y + where(y > 2, y, x)


def branch_within_a_branch(x: Any, y: Any) -> Any:
    if x > 0:
        if y > 0:
            return x * y if x > y else x / y
        return exp(x * y)
    if y > x:
        return tanh(x) * y
    return x - y


def same_condition_again(x: Any) -> Any:
    y = x * 2 if x > 1 else x * 3
    z = y * y if x > 1 else y
    return z + (1.0 if x > 1 else x)


def different_shares(x: Any, y: Any) -> Any:
    common, own = exp(x) * y, sin(y) / (1 + x * x)
    if x > 1:
        return common + own
    if y > 1:
        return common * 2
    return own * common


def value_made_within(x: Any) -> Any:
    scale = Value(2.0) if x > 0 else Value(3.0)
    offset = Value(0.5)
    return x * scale * x + offset if x * offset > 0.5 else scale - x


def state_of_a_list(x: Any, y: Any) -> Any:
    kept: list[Any] = []
    for v in (x, y, x * y):
        if not kept or v > kept[-1]:
            kept.append(v)
    return sum(kept) * len(kept)


def keys_by_branch(x: Any, y: Any) -> Any:
    table = {"positive": x * y, "negative": x - y}
    return table["positive" if x > 0 else "negative"] ** 2


def zero_derivative_on_one_side(x: Any) -> Any:
    return 7.0 if x > 1 else x * x


def clamped(x: Any) -> Any:
    return min(max(x, -1.0), 1.0) * x


def kink_of_abs(x: Any, y: Any) -> Any:
    return abs(x) * y if abs(x) > abs(y) else abs(y - x)


def comparison_as_a_number(x: Any, y: Any) -> Any:
    return x * y + (3.0 if (x > 0) == (y > 0) else 1.0) * x


def generator(x: Any) -> Any:
    def steps(v: Any) -> Iterable[Any]:
        while v > 1:
            yield v
            v = v / 2

    return sum(v * v for v in steps(x)) + x


def walrus(x: Any) -> Any:
    return y * y if (y := x * 2 - 1) > 0 else y


def conditional_function(x: Any) -> Any:
    f = sin if x > 0 else exp
    return f(x) * x


def walk(*xs: Any) -> Any:
    position, best = 0.0 * xs[0], 0.0 * xs[0]
    for x in xs:
        position = position + x
        best = max(best, position)
    return best * position


def zero_or_error(x: Any, y: Any) -> Any:
    return x / y if x > 0 else sqrt(y)


ONE: list[Point] = [(0.5,), (-0.5,), (0.0,), (1.0,), (2.0,), (3.5,), (-1.0,), (-2.0,)]
TWO: list[Point] = [
    *[(1.5, 2.0), (2.0, 1.5), (-1.0, 0.5), (0.5, -1.0), (-2.0, -1.5), (0.0, 0.0), (1.0, 1.0)],
    *[(2.0, -2.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (3.0, 2.0)],
]
THREE: list[Point] = [
    *[(1.0, 2.0, 3.0), (3.0, 2.0, 1.0), (2.0, 3.0, -1.0), (-1.0, -2.0, 0.5), (0.0, 0.0, 0.0)],
    *[(1.0, 1.0, 2.0), (2.0, 1.0, 1.0), (0.0, -1.0, 1.0)],
]
FOUR: list[Point] = [
    *[(4.0, 1.0, 3.0, 2.0), (1.0, 2.0, 3.0, 4.5), (2.0, 2.0, 1.0, 1.0), (-1.0, 3.0, -2.0, 0.5)],
    *[(0.0, 1.0, 0.0, 2.0), (3.0, 1.0, 1.0, 2.0)],
]
POSITIVE: list[Point] = [(0.3,), (0.5,), (1.0,), (1.2,), (2.0,), (4.0,)]
PAIRS: list[Point] = [(6.0, 4.0), (1.5, 3.0), (7.0, 2.0), (1.0, 1.0), (2.0, 0.0), (1.2, 5.0)]

FUNCTIONS: list[tuple[Function, list[Point]]] = [
    *[
        (f, ONE)
        for f in (
            *(absolute, sign_of_three, chained, in_a_tuple, not_in_a_list, matched, early_exit),
            *(loop_until, loop_with_else, factorial, huber, piecewise_of_a_table, x_log_x, sinc),
            *(within_the_domain, error_of_its_own, error_that_is_caught, own_error_that_is_caught),
            error_of_what_is_not_needed,
            *(assertion, same_condition_again, value_made_within, zero_derivative_on_one_side),
            *(clamped, generator, walrus, conditional_function),
        )
    ],
    *[
        (f, TWO)
        for f in (
            *(strict_or_not, equal_or_not, both_conditions, either_condition, no_condition, larger),
            *(any_of_them, all_of_them, truth_of_a_number, not_a_number, this_or_that),
            *(matched_pair, norm, angle, division_that_is_caught, choice_within_a_branch),
            *(branch_within_a_branch, different_shares, state_of_a_list, keys_by_branch),
            *(kink_of_abs, comparison_as_a_number, zero_or_error, loop_with_break),
        )
    ],
    *[
        (f, THREE)
        for f in (
            *(in_a_list_of_inputs, smaller_of_a_list, largest_by_key, in_order, in_order_of_keys),
            *(sorted_in_place, how_many, only_the_positive, filtered, walk, median),
        )
    ],
    *[(f, FOUR) for f in (quicksort, second_largest, pivoted_elimination)],
    *[
        (f, POSITIVE)
        for f in (newton, bisection, golden_section, collatz, adaptive_simpson, adaptive_steps)
    ],
    *[(f, PAIRS) for f in (euclid, power_by_squaring)],
]


def by_all(transform: Function) -> Callable[[Function], Function]:
    """Return the transform by all arguments of a function."""
    return lambda f: lambda *xs: transform(f, tuple(range(len(xs))))(*xs)


def along(f: Function) -> Function:
    return lambda *xs: jvp(f, xs, tuple(1.0 + k for k in range(len(xs))))


def hessian_along(f: Function) -> Function:
    return lambda *xs: hvp(f, xs, tuple(1.0 + k for k in range(len(xs))))


def series(f: Function) -> Function:
    return lambda *xs: taylor(lambda t: f(t, *xs[1:]), xs[0], 3)


def itself(f: Function) -> Function:
    return f


WAYS: dict[str, Callable[[Function], Function]] = {
    "value": itself,
    "grad": by_all(grad),
    "value_and_grad": by_all(value_and_grad),
    "jvp": along,
    "hessian": by_all(hessian),
    "hvp": hessian_along,
    "taylor": series,
}


def outcome(f: Function, point: Point) -> Any:
    """Return the numbers that a call gives and their nesting, or the class of its error."""
    try:
        result = f(*point)
    except (ArithmeticError, ValueError, AssertionError) as error:
        return type(error)
    numbers, structure = flatten(result)
    return [x.data if isinstance(x, Value) else x for x in numbers], structure


def eager(f: Function, way: str) -> Function:
    """Return f without a program, of Values where it is not differentiated."""
    made = WAYS[way](f)
    return (lambda *xs: made(*map(Value, xs))) if way == "value" else made


def is_same(a: Any, b: Any) -> bool:
    if isinstance(a, type) or isinstance(b, type):
        return bool(a is b)
    (xs, nesting), (ys, other) = a, b
    return nesting == other and all(
        x == y or math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) or (x != x and y != y)
        for x, y in zip(xs, ys, strict=True)
    )


def test_there_are_functions_of_many_kinds() -> None:
    assert len(FUNCTIONS) >= 60


CATCHES = {
    error_of_what_is_not_needed,
    error_that_is_caught,
    own_error_that_is_caught,
    division_that_is_caught,
}


def refused(*args: Any) -> Any:
    raise AssertionError("it ran without a program")


def every_way() -> Iterator[Any]:
    """Give each function in each way: its value, its gradient and one more are in the suite."""
    for n, (f, points) in enumerate(FUNCTIONS):
        more = [way for way in WAYS if way not in ("value", "grad")]
        for way in WAYS:
            slow = way in more and way != more[n % len(more)]
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(f, points, way, id=f"{f.__name__}-{way}", marks=marks)


@pytest.mark.parametrize(("f", "points", "way"), [*every_way()])
def test_a_program_does_what_the_eager_engine_does(
    f: Function, points: list[Point], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, reference = compile(WAYS[way](f)), eager(f, way)
    expected = {point: outcome(reference, point) for point in points}
    for point in [*points, *reversed(points)]:
        found = outcome(program, point)
        assert is_same(expected[point], found), (point, expected[point], found)
    if way not in ("value", "grad"):
        return
    for point in points * len(points):  # until the text has all paths
        outcome(program, point)
    assert "if " in program.source or f in CATCHES
    # A path that was traced runs as a program.
    monkeypatch.setattr(type(program), "_eagerly", refused)
    for point, right in expected.items():
        if not (isinstance(right, type) or f in CATCHES):
            assert is_same(outcome(program, point), right), point


# --- the text ------------------------------------------------------------------------------------


def text_of(f: Function, *points: Point) -> str:
    program = compile(f)
    for point in points:
        program(*point)
    return str(program.source)


def test_the_text_reads_like_the_function() -> None:
    assert text_of(absolute, (1.0,), (-1.0,)) == (
        "def absolute(x):\n    if x > 0:\n        return x\n    return -x\n"
    )


def test_what_both_sides_need_is_computed_before_and_what_one_needs_within() -> None:
    def f(x: Any, y: Any) -> Any:
        common, own, other = exp(x) * y, sin(y), cos(y)
        return common * own * own if x > 1 else common + other + common

    assert text_of(f, (2.0, 1.0), (0.0, 1.0)) == (
        "def f(x, y):\n"
        "    t1 = exp(x) * y\n"
        "    if x > 1:\n"
        "        t2 = sin(y)\n"
        "        return t1 * t2 * t2\n"
        "    return t1 + cos(y) + t1\n"
    )


def test_a_side_that_was_not_traced_says_so() -> None:
    assert text_of(absolute, (1.0,)) == (
        "def absolute(x):\n    if not x > 0:\n        raise Untraced\n    return x\n"
    )


def test_many_paths_are_not_nested_deep() -> None:
    def f(x: Any) -> Any:
        for k in range(40):
            if x < k:
                return x * k
        return x

    program = compile(f)
    for k in range(40):
        assert program(k - 0.5) == (k - 0.5) * k
    assert max(len(line) - len(line.lstrip()) for line in program.source.splitlines()) <= 8


def test_a_loop_that_runs_long_is_a_text_as_long() -> None:
    @compile
    def f(x: Any) -> Any:
        while x < 1000:
            x = x + 1
        return x * x

    assert [f(0.0), f(500.0), f(0.0)] == [1e6] * 3
    assert len(f.source.splitlines()) < 5000


# --- what a function captures and calls ----------------------------------------------------------


def test_backward_adds_to_the_values_that_a_path_has() -> None:
    w, b = Value(2.0, label="w"), Value(1.0, label="b")

    def loss(x: float) -> Any:
        y = w * x
        return y * y + b if y > 1 else y * 3 if y > -1 else b * b

    points = [1.0, 0.25, -2.0, 0.5, 3.0, -0.5]
    program = compile(loss)
    for point in [*points, *points]:
        w.grad = b.grad = 0
        y = loss(point)
        y.backward()
        expected = y.data, w.grad, b.grad
        w.grad = b.grad = 0
        assert (program.backward(point), w.grad, b.grad) == expected
    assert "if " in program.source


def test_what_a_transform_differentiates_by_is_followed_on_each_path() -> None:
    def f(w: Any) -> Any:
        program = compile(lambda x: w * w * x if x > 0 else w * x)
        return program(2.0) + program(-1.0) + program(3.0)

    assert grad(f)(3.0) == 6 * 2 - 1 + 6 * 3


def test_captured_values_are_read_at_each_call() -> None:
    w = Value(2.0)
    program = compile(lambda x: w * x if x > w else w - x)
    assert [program(3.0), program(1.0)] == [6.0, 1.0]
    w.data = 0.5
    assert [program(3.0), program(1.0), program(0.25)] == [1.5, 0.5, 0.25]
    assert compile(lambda: 1.0 if w else 2.0)() == 1.0


def test_a_value_that_a_function_makes_once_and_keeps_is_captured() -> None:
    kept: dict[str, Value] = {}

    @compile
    def f(x: Any) -> Any:
        if "w" not in kept:
            kept["w"] = Value(2.0)
        return kept["w"] * x if x > 0 else x

    assert f(1.0) == 2.0
    kept["w"].data = 5.0
    assert [f(1.0), f(-1.0), f(1.0)] == [5.0, -1.0, 5.0]


def test_nested_arguments_and_results_that_differ_by_path() -> None:
    def f(p: Any) -> Any:
        if p["x"] > 0:
            return {"big": [p["x"] * v for v in p["ys"]]}
        return p["x"], None

    program = compile(f)
    for _ in range(2):
        assert program({"x": 2.0, "ys": [1.0, 3.0]}) == {"big": [2.0, 6.0]}
        assert program({"x": -2.0, "ys": [1.0, 3.0]}) == (-2.0, None)
    slope = compile(grad(lambda p: p["ys"][0] * p["x"] if p["x"] > 0 else p["x"]))
    for _ in range(2):
        assert slope({"x": 2.0, "ys": [3.0]}) == {"x": 3.0, "ys": [2.0]}
        assert slope({"x": -2.0, "ys": [3.0]}) == {"x": 1.0, "ys": [0.0]}


@pytest.mark.parametrize("numbers", [(2, -3), (Fraction(1, 2), Fraction(-1, 3)), (Decimal(2),)])
def test_every_kind_of_number(numbers: Iterable[Any]) -> None:
    program = compile(value_and_grad(lambda x: x * x * x if x > 0 else 1 - x * x))
    reference = value_and_grad(lambda x: x * x * x if x > 0 else 1 - x * x)
    for x in [*numbers, *numbers]:
        assert program(x) == reference(x)
        assert type(program(x)[0]) is type(reference(x)[0])


def test_a_compiled_function_that_branches_is_written_into_its_caller() -> None:
    inner = compile(lambda x, y: x * y if x > y else y - x)

    def f(x: Any, y: Any) -> Any:
        return inner(x, y) * inner(y, x) + inner(x * y, 1.0)

    def plain(x: Any, y: Any) -> Any:
        def g(x: Any, y: Any) -> Any:
            return x * y if x > y else y - x

        return g(x, y) * g(y, x) + g(x * y, 1.0)

    for transform in (itself, by_all(grad), by_all(hessian)):
        program, reference = compile(transform(f)), transform(plain)
        for point in [*TWO, *TWO]:
            assert outcome(program, point) == outcome(reference, point), point


def test_a_compiled_function_without_branches_stays_one_where_its_caller_branches() -> None:
    inner = compile(lambda v: sin(v[0]) * v[1] + v[0])

    def f(x: Any, y: Any) -> Any:
        z = inner([x, y])
        return inner([z, x]) if z > 1 else z * inner([y, y])

    def plain(x: Any, y: Any) -> Any:
        def g(v: Any) -> Any:
            return sin(v[0]) * v[1] + v[0]

        z = g([x, y])
        return g([z, x]) if z > 1 else z * g([y, y])

    for transform in (itself, by_all(grad), by_all(hessian)):
        program, reference = compile(transform(f)), eager(plain, "value")
        reference = reference if transform is itself else transform(plain)
        for point in [*TWO, *TWO]:
            assert is_same(outcome(program, point), outcome(reference, point)), point
        assert program.source.count("def ") > 1


# --- limits ---------------------------------------------------------------------------------------


def steps(x: Any) -> Any:
    """Take another path for each whole number."""
    k = 0
    while x > k:
        k += 1
    return x * k


def test_there_are_so_many_paths_and_then_it_runs_without_a_program() -> None:
    program = compile(steps)
    program.maxpaths = 5
    for x in range(5):
        assert program(x - 0.5) == (x - 0.5) * x
    message = r"steps takes more than 5 paths.*, at line \d+ of .*test_branches.py:\n(.|\n)*where"
    with pytest.warns(RuntimeWarning, match=message):
        assert program(7.5) == 60.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # there is one warning
        assert [program(7.5), program(9.5), program(2.5)] == [60.0, 95.0, 7.5]


def test_a_function_that_is_not_the_same_again_runs_without_a_program() -> None:
    numbers = iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])

    @compile
    def f(x: Any) -> Any:
        return x if x > next(numbers) else -x

    assert f(1.5) == 1.5
    with pytest.warns(RuntimeWarning, match=r"f did other things(.|\n)*x > next\(numbers\)"):
        f(-1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [f(100.0), f(-100.0), f(100.0)] == [100.0, 100.0, 100.0]


def test_what_needs_the_number_itself_still_raises() -> None:
    for f in (
        lambda x: x.data if x > 0 else x,
        lambda x: int(x) if x > 0 else x,
        lambda x: [1.0, 2.0][x] if x > 0 else x,
        lambda x: x in {1.0} if x > 0 else x,
        lambda x: {1.0: 2.0}[x] if x > 0 else x,
        lambda x: math.sin(x) if x > 0 else x,
        lambda x: x * len(f"{x}") if x > 0 else x,
    ):
        program = compile(f)
        with pytest.raises(TraceError, match="at line"):
            program(1.0)
        assert program(-1.0) == -1.0
        with pytest.raises(TraceError, match="at line"):
            program(1.0)


def test_an_error_of_its_own_has_its_numbers() -> None:
    @compile
    def f(x: Any) -> Any:
        if x < 0:
            raise ValueError(f"{x:.2f} is too small" if x > -2 else "far too small")
        return x * 2

    for _ in range(2):
        assert f(2.0) == 4.0
        with pytest.raises(ValueError, match="far too small"):
            f(-3.0)


def test_an_error_that_is_raised_in_place_of_another_is_its_own() -> None:
    @compile
    def f(x: Any) -> Any:
        try:
            return 1 / x
        except ZeroDivisionError:
            raise ValueError("x is zero") from None

    assert f(2.0) == 0.5
    with pytest.raises(ValueError, match="x is zero"):
        f(0.0)


def test_the_numbers_of_another_thread_do_not_matter() -> None:
    program = compile(value_and_grad(steps))
    program.maxpaths = 1000
    points = [k % 37 - 0.5 for k in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(program, points))
    assert found == [value_and_grad(steps)(x) for x in points]


def test_new_paths_are_written_by_and_by() -> None:
    """Not the whole text for each: a quarter of the paths at a time."""
    program = compile(steps)
    program.maxpaths = 1000
    texts = set()
    for k in range(100):
        assert program(k - 0.5) == (k - 0.5) * k
        texts.add(program.source)
    assert len(texts) < 30


# --- pickles --------------------------------------------------------------------------------------


def test_a_pickle_has_the_paths_that_were_traced() -> None:
    program = compile(lambda x: steps(x))
    for k in range(30):
        program.prepare(k - 0.5)
    again = pickle.loads(pickle.dumps(program))
    assert [again(k - 0.5) for k in range(30)] == [(k - 0.5) * k for k in range(30)]
    with pytest.raises(TypeError, match=r"<lambda> came from a pickle(.|\n)*prepare"):
        again(40.0)


SCALE = Value(1.0)


@compile
def scaled_steps(x: Any) -> Any:
    return steps(x) * SCALE


@pytest.mark.parametrize("target", ["python", "c"])
def test_a_path_that_a_pickle_lacks_is_traced_if_its_function_can_be_found(target: str) -> None:
    program = compile(steps, target=target) if target == "python" else in_c(steps)
    program.prepare(0.5)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(program))))
    for _ in range(2):
        assert [again(k + 0.5) for k in range(5)] == [(k + 0.5) * (k + 1) for k in range(5)]


def test_what_only_has_the_name_of_a_function_is_not_taken_for_it() -> None:
    by_its_name = compile(value_and_grad(steps))  # its name is that of steps
    captures = scaled_steps  # the pickle has copies of Values: those in the module are others
    for program in (by_its_name, captures):
        program.prepare(0.5)
        again = pickle.loads(pickle.dumps(program))
        assert again(0.5) == program(0.5)
        with pytest.raises(TypeError, match=r"came from a pickle(.|\n)*prepare"):
            again(40.0)


def test_a_batch_in_other_processes_has_the_paths_that_it_takes() -> None:
    program = compile(value_and_grad(steps))
    batch = [(k - 0.5,) for k in range(6)]
    with ProcessPoolExecutor(2) as pool:
        found = map_grad(program, batch, pool)
    assert found == map_grad(compile(value_and_grad(steps)), batch)


# --- choices: what is not taken counts for nothing ------------------------------------------------


def masked_softmax(x: Any, y: Any) -> Any:
    scores = [where(v > 0, exp(v), 0.0) for v in (x, y)]
    total = scores[0] + scores[1]
    return where(total > 0, scores[0] / total, 0.0)


def masked_softmax_by_if(x: Any, y: Any) -> Any:
    scores = [exp(v) if v > 0 else 0.0 for v in (x, y)]
    total = scores[0] + scores[1]
    return scores[0] / total if total > 0 else 0.0 * x


def nested(x: Any) -> Any:
    return where(x > 0, where(x > 1, sqrt(x - 1), log(x)), 1 / (x - 1))


def nested_by_if(x: Any) -> Any:
    if x > 0:
        return sqrt(x - 1) if x > 1 else log(x)
    return 1 / (x - 1)


def product_of_choices(x: Any) -> Any:
    return where(x > 0, sqrt(x), 0.0) * where(x < 1, log(1 - x), x)


def product_of_choices_by_if(x: Any) -> Any:
    return (sqrt(x) if x > 0 else 0.0) * (log(1 - x) if x < 1 else x)


# A function, the same with `if`, and points where the side that is not chosen, or its derivatives,
# would fail.
HALF: list[Point] = [(4.0,), (0.0,), (-1.0,)]
DOUBLE_WHERE: dict[str, tuple[Function, Function, list[Point]]] = {
    "sqrt": (
        lambda x: where(x > 0, sqrt(x), 0.0),
        lambda x: sqrt(x) if x > 0 else 0.0,
        HALF,
    ),
    "sqrt of relu": (lambda x: sqrt(relu(x)), lambda x: sqrt(x) if x > 0 else 0.0, HALF),
    "log": (lambda x: where(x > 0, log(x), 0.0), lambda x: log(x) if x > 0 else 0.0, HALF),
    "power": (lambda x: where(x > 0, x**-1.5, x), lambda x: x**-1.5 if x > 0 else x, HALF),
    "one over": (lambda x: where(x != 0, 1 / x, x), lambda x: 1 / x if x != 0 else x, HALF),
    "sinc": (
        lambda x: where(x == 0, 1.0, sin(x) / x),
        lambda x: 1.0 if x == 0 else sin(x) / x,
        HALF,
    ),
    "x log x": (
        lambda x: where(x > 0, x * log(x), 0.0),
        lambda x: x * log(x) if x > 0 else 0.0,
        HALF,
    ),
    "bump": (
        lambda x: where(x > 0, exp(-1 / x), 0.0),
        lambda x: exp(-1 / x) if x > 0 else 0.0,
        HALF,
    ),
    "asin": (
        lambda x: where(abs(x) < 1, asin(x) * acos(x), x),
        lambda x: asin(x) * acos(x) if abs(x) < 1 else x,
        [(0.5,), (1.0,), (-1.0,), (2.0,)],
    ),
    "overflow": (
        lambda x: where(x < 100, exp(x), 0.0),
        lambda x: exp(x) if x < 100 else 0.0,
        [(1.0,), (1000.0,)],
    ),
    "circle": (
        lambda x: where(x < 1, sqrt(1 - x * x), 0.0),
        lambda x: sqrt(1 - x * x) if x < 1 else 0.0,
        [(0.5,), (1.0,), (2.0,)],
    ),
    "norm": (
        lambda x, y: where(x * x + y * y > 0, sqrt(x * x + y * y), 0.0),
        lambda x, y: sqrt(x * x + y * y) if x * x + y * y > 0 else 0.0,
        [(3.0, 4.0), (0.0, 0.0)],
    ),
    "division": (
        lambda x, y: where(y != 0, x / y, 0.0) * y,
        lambda x, y: (x / y if y != 0 else 0.0) * y,
        [(3.0, 4.0), (3.0, 0.0)],
    ),
    "both": (
        lambda x, y: where((x > 0) & (y > 0), log(x * y) * sqrt(y), y),
        lambda x, y: log(x * y) * sqrt(y) if x > 0 and y > 0 else y,
        [(3.0, 4.0), (-3.0, 0.0)],
    ),
    "smaller": (
        lambda x, y: maximum(where(x > 0, sqrt(x), 0.0), y) * x,
        lambda x, y: max(sqrt(x) if x > 0 else 0.0 * x, y) * x,
        [(4.0, 1.0), (0.0, 1.0), (4.0, 3.0)],
    ),
    "softmax": (
        masked_softmax,
        masked_softmax_by_if,
        [(1.0, 2.0), (-1.0, 2.0), (1.0, -2.0), (-1.0, -1.0)],
    ),
    "nested": (nested, nested_by_if, [(2.0,), (0.5,), (0.0,), (1.5,), (-1.0,)]),
    "product": (product_of_choices, product_of_choices_by_if, [(0.5,), (0.0,), (3.0,), (1.0,)]),
}


@pytest.mark.parametrize("target", ["python", pytest.param("c", marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["value", "grad", "value_and_grad", "jvp", "hessian", "hvp"])
@pytest.mark.parametrize("name", DOUBLE_WHERE)
def test_what_is_not_chosen_counts_for_nothing(
    name: str, way: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    f, by_if, points = DOUBLE_WHERE[name]
    program = compile(WAYS[way](f)) if target == "python" else in_c(WAYS[way](f))
    reference = eager(by_if, way)
    monkeypatch.setattr(type(program), "_eagerly", refused)
    for point in [*points, *reversed(points)]:
        expected = outcome(reference, point)
        assert is_same(outcome(program, point), expected), point
        if target == "c" and not isinstance(expected, type):
            assert runs_in_c(program, point), point


@pytest.mark.parametrize("target", ["python", "c"])
def test_a_condition_that_another_one_chose_is_asked_after_it(target: str) -> None:
    """Also below a branch, where both were computed before."""

    def f(x: Any, y: Any) -> Any:
        inner, outer = y < 1, x < 0
        r = sqrt(2 - y)
        z = where(outer, where(inner, r * exp(r), 1 / (3 + y)), x)
        if z > 1:
            return z * z
        return where(outer, where(inner, sqrt(r + 1) * sqrt(r + 1), y), x) * z

    program = in_c(f) if target == "c" else compile(f)
    points = [(-1.0, 0.0), (-1.0, 2.0), (2.0, 0.5), (0.5, 0.5), (-1.0, 0.5)]
    for point in [*points, *points, *points]:
        assert program(*point) == f(*point)


def test_a_zero_tangent_counts_for_nothing_where_a_slope_is_infinite() -> None:
    def f(x: Any, y: Any) -> Any:
        return where(x > 0, x, 3.0) * exp(y)

    for point in ((-1.0, math.inf), (1.0, 2.0)):
        assert compile(along(f))(*point) == along(f)(*point)


def test_the_text_does_not_depend_on_where_objects_lie_in_memory() -> None:
    def f(*xs: Any) -> Any:
        return reduce(lambda chosen, flag: where(flag, chosen, 0.0), xs[1:], log(xs[0]) * xs[0])

    texts, order = set(), random.Random(1)
    for _ in range(5):
        shuffled = [Value(0.0) for _ in range(300)]
        order.shuffle(shuffled)
        shuffled.clear()  # what is made next lies where these were
        program = compile(grad(f))
        assert program(2.0, 1.0, 1.0, 1.0, 1.0) == math.log(2.0) + 1
        texts.add(program.source)
    assert len(texts) == 1


def test_a_choice_whose_sides_are_cheap_and_cannot_fail_is_as_it_was() -> None:
    f = grad(lambda x: where(x > 0, x * x, -x) + tanh(where(x > 1, x, -x)))
    assert text_of(f, (1.0,)) == (
        "def f(x):\n"
        "    t1 = x > 0\n"
        "    t2 = x > 1\n"
        "    t3 = (1.0 if t1 else 0.0) * x\n"
        "    t4 = sech((x if t2 else -x)) ** 2\n"
        "    return t3 + t3 - (0.0 if t1 else 1.0) + (t4 if t2 else 0.0) - (0.0 if t2 else t4)\n"
    )


# --- C -------------------------------------------------------------------------------------------


def in_c(f: Function) -> Any:
    if not any(map(shutil.which, COMPILERS)):
        pytest.skip("no C compiler is here")
    return compile(f, target="c")


def runs_in_c(program: Any, point: Point) -> bool:
    """Return whether C gives the result of the program that was called last, for these floats."""
    machine = max(program._programs.values(), key=lambda one: one.used).machines[()]
    if machine is None:
        return False
    in_python: list[Any] = []
    machine.otherwise = in_python.append
    machine.run(list(point))
    return not in_python


EVERY = [(f, points, way) for f, points in FUNCTIONS for way in WAYS]


@pytest.mark.parametrize(
    ("f", "points", "way"),
    [pytest.param(*one, marks=[pytest.mark.slow] * (k % 61 > 0)) for k, one in enumerate(EVERY)],
    ids=[f"{f.__name__}, {way}" for f, _, way in EVERY],
)
def test_c_does_what_python_and_the_eager_engine_do(
    f: Function, points: list[Point], way: str
) -> None:
    program, in_python, reference = in_c(WAYS[way](f)), compile(WAYS[way](f)), eager(f, way)
    for point in [*points, *reversed(points)]:
        found, expected = outcome(program, point), outcome(in_python, point)
        assert repr(found) == repr(expected), point
        assert is_same(outcome(reference, point), found), point
    for _ in range(2 + len(points)):  # until the text has all paths
        results = {point: outcome(program, point) for point in points}
    for point, found in results.items():
        if not isinstance(found, type) and f not in CATCHES:
            # In a series a zero may be an int on one side of a choice: C keeps no such kinds.
            assert runs_in_c(program, point) or way == "taylor", point


def test_the_text_in_c_has_the_blocks_of_the_paths() -> None:
    program = in_c(lambda x, y: x * sin(y) if x > y else sqrt(-x) if y > 2 else y)
    assert [program(2.0, 1.0), program(-4.0, 3.0), program(0.0, 1.0)] == [2 * math.sin(1), 2, 1]
    assert (
        "{\n"
        "    (void)work;\n"
        "    if (in[0] > in[1]) {\n"
        "        out[0] = in[0] * sin(in[1]);\n"
        "        return 1;\n"
        "    }\n"
        "    if (in[1] > 2.0) {\n"
        "        out[0] = sqrt(-in[0]);\n"
        "        return 1;\n"
        "    }\n"
        "    out[0] = in[1];\n"
        "    return 0;\n"
        "}\n"
    ) in program.source


def test_a_side_that_c_has_not_is_traced_when_it_is_needed() -> None:
    program = in_c(value_and_grad(steps))
    for k in [*range(12), *range(12)]:
        assert program(k - 0.5) == ((k - 0.5) * k, float(k))
        assert "int steps(" in program.source
    assert all(runs_in_c(program, (k - 0.5,)) for k in range(12))


def test_results_in_c_that_differ_by_path() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return {"big": [x * 2, 1], "small": x}
        return (x, None) if x < -1 else 0

    program = in_c(f)
    for _ in range(2):
        assert repr(program(2.0)) == "{'big': [4.0, 1], 'small': 2.0}"
        assert repr(program(-2.0)) == "(-2.0, None)"
        assert repr(program(-0.5)) == "0"
    assert all(runs_in_c(program, (x,)) for x in (2.0, -2.0, -0.5))
    for x in (2, -2):  # ints have a program of their own
        assert repr(program(x)) == repr(f(x))


def test_backward_in_c_adds_to_the_values_that_a_path_has() -> None:
    w, b = Value(2.0, label="w"), Value(1.0, label="b")

    def loss(x: float) -> Any:
        y = w * x
        return y * y + b if y > 1 else sqrt(y) * 3 if y > 0 else b * b

    program, in_python = in_c(loss), compile(loss)
    for point in (1.0, 0.25, -2.0, 0.25, 1.0, 0.0, 0.125):
        found = []
        for one in (in_python, program):
            w.grad = b.grad = 0
            found.append((one.backward(point), w.grad, b.grad))
        assert repr(found[0]) == repr(found[1])
    assert runs_in_c(program, (0.125, 2.0, 1.0))


def test_a_batch_of_what_branches_is_one_call_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    f = value_and_grad(lambda x, y: x * y if x > y else where(y > 0, sqrt(y), -y) * x, (0, 1))
    program = in_c(f)
    batch = [(k * 0.75 - 3, 1.5 - k % 5) for k in range(40)]
    expected = map_grad(compile(f), batch)
    assert map_grad(program, batch) == expected  # it traces the paths

    calls: list[Any] = []
    call = type(program).__call__

    def counted(self: Any, *args: Any) -> Any:
        calls.append(args)
        return call(self, *args)

    monkeypatch.setattr(type(program), "__call__", counted)
    assert map_grad(program, batch) == expected
    assert len(calls) <= 1  # the first one's


def test_long_sides_are_functions_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalargrad.programs.spell.c.text.PIECE", 40)

    def f(*xs: Any) -> Any:
        total = xs[0]
        for k, x in enumerate(xs):
            total = sin(total * x) + cos(x + k) / 3
        if total > 0.1:
            for x in xs[::-1]:
                total = total * x - sin(total + where(x > 0, log(x), x))
                if x > 2.5:
                    return total
        else:
            for k, x in enumerate(xs):
                total = cos(total / (2 + x * x)) * k + (exp(x) if x < 1 else x)
        return total * total

    program, in_python = in_c(f), compile(f)
    points = [[(3 * k * j) % 7 - 2.75 for k in range(20)] for j in range(1, 6)]
    for point in [*points, *points]:
        assert repr(program(*point)) == repr(in_python(*point))
    assert all(runs_in_c(program, tuple(point)) for point in points)
    bodies = program.source.split("\nSG_APART")[1:]
    assert max(len(re.findall(r"\w\[", body)) for body in bodies) < 150


def test_turns_that_branch_alike_are_a_loop_in_c() -> None:
    def f(*xs: Any) -> Any:
        total = 0.0
        for x in xs:
            total = total + where(x > 0, sqrt(x) * log(x), x)
        return total

    program, in_python = in_c(value_and_grad(f)), compile(value_and_grad(f))
    point = [k / 7 - 3 for k in range(60)]
    assert repr(program(*point)) == repr(in_python(*point))
    assert runs_in_c(program, tuple(point))
    assert len(program.source.split("SG_APART static")[1].splitlines()) < 300


def test_in_c_a_function_of_a_users_own_runs_in_python() -> None:
    @primitive(lambda g, y, x: g * 2)
    def doubled(x: Any) -> Any:
        return x + x

    program = in_c(lambda x: doubled(x) if x > 0 else -x)
    assert [program(1.0), program(-1.0), program(1.0)] == [2.0, 1.0, 2.0]
    assert "def f(" in program.source
    assert "int f(" not in program.source


LAZY: list[tuple[Any, Any, list[tuple[float, ...]]]] = [
    (
        lambda x: where(x > 0, lambda: x * log(x), lambda: x * x),
        lambda x: x * log(x) if x > 0 else x * x,
        [(2.0,), (0.0,), (-3.0,)],
    ),
    (
        lambda x, y: where(y != 0, lambda: x / y, 5 * x),
        lambda x, y: x / y if y != 0 else 5 * x,
        [(2.0, 4.0), (2.0, 0.0)],
    ),
    (
        lambda x: where(x < 1, lambda: asin(x), lambda: where(x < 3, sqrt(x), lambda: log(x - 3))),
        lambda x: asin(x) if x < 1 else sqrt(x) if x < 3 else log(x - 3),
        [(0.5,), (1.0,), (2.0,), (3.5,)],
    ),
]


@pytest.mark.parametrize("target", ["python", "c"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_where_of_functions_calls_the_one_that_is_chosen(order: int, target: str) -> None:
    for lazy, branching, points in LAZY:
        for _ in range(order):
            lazy, branching = grad(lazy), grad(branching)
        program = in_c(lazy) if target == "c" else compile(lazy)
        for point in [*points, *points]:
            right = branching(*point)
            assert lazy(*point) == pytest.approx(right, rel=1e-14)
            assert program(*point) == pytest.approx(right, rel=1e-14)
