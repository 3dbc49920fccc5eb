"""Functions of many numbers: sums, products and lengths, one node each, whatever the length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from scalargrad.engine import fast, operators, passes
from scalargrad.engine.errors import shown
from scalargrad.engine.op import Op
from scalargrad.engine.operators import constant
from scalargrad.engine.primitive import made, op_of, primitive, spelling_of
from scalargrad.engine.real import in_kind
from scalargrad.engine.value import Value
from scalargrad.functions import numerics
from scalargrad.functions.arithmetic import absolute, over, sqrt, steep
from scalargrad.functions.choices import choose, equal, greater

if TYPE_CHECKING:
    from scalargrad.engine.signatures import Variadic

__all__ = ["dist", "fsum", "hypot", "prod", "sumprod"]


def many(joint: Callable[..., Any], name: str = "") -> Callable[[Callable[..., Any]], Variadic]:
    """Make a differentiable function of any number of inputs of a plain one: a decorator.

    `joint(g, y, *inputs)` returns the list of the derivatives by all of them.
    """

    def decorate(forward: Callable[..., Any]) -> Any:
        op = Op(name or forward.__name__.strip("_"), forward, joint=joint)
        return made(op, forward)

    return decorate


def numbers_of(name: str, xs: Iterable[Any]) -> tuple[Any, ...]:
    """Return xs as a tuple. Raises TypeError for a number alone."""
    if not isinstance(xs, Iterable):
        raise TypeError(
            f"{name} takes a list of numbers, not {shown(xs)} ({type(xs).__name__}): put the "
            f"numbers into brackets, as in {name}([a, b])"
        )
    return tuple(xs)


def paired(name: str, p: Iterable[Any], q: Iterable[Any]) -> tuple[Any, ...]:
    """Return all of p and then all of q. Raises ValueError unless they are equally long."""
    if not isinstance(p, Iterable) or not isinstance(q, Iterable):
        raise TypeError(
            f"{name} takes two lists of numbers, as in {name}([a, b], [c, d]), not {shown(p)} and "
            f"{shown(q)}"
        )
    p, q = tuple(p), tuple(q)
    if len(p) != len(q):
        raise ValueError(
            f"{name} takes two equally long sequences, not one of {len(p)} and one of {len(q)}"
        )
    return p + q


# --- what is far larger than the others ----------------------------------------------------------

# Softmax and its kin subtract the largest number, and lengths divide by it, which changes nothing
# but overflow. A number that is the largest alone is then a constant, 0 or 1 or -1: it acts on the
# others only. So 1 - p and 1 - u*u are never computed, which would cancel near 1.


# Of equal ones each gets all of the derivative: it is for what does not depend on it as a whole.
@many(lambda g, y, *xs: [choose(equal(x, y), g, None) for x in xs])
def largest(*xs: Any) -> Any:
    """Return the largest of xs; nan, if there is one."""
    return next((x for x in xs if x != x), max(xs))


@many(lambda g, y, *xs: [None] * len(xs))
def second_largest(*xs: Any) -> Any:
    """Return the second largest of xs, as a constant; -inf, if there is one number only."""
    rest = list(xs)
    rest.remove(max(xs))
    return max(rest, default=-math.inf)


def _unless_alone(g: Any, x: Any, second: Any) -> Any:
    return choose(greater(x, second), None, g)


@primitive(
    lambda g, y, x, m, second: _unless_alone(g, x, second),
    lambda g, y, x, m, second: _unless_alone(-g, x, second),
    constant,
)
def below(x: Any, m: Any, second: Any) -> Any:
    """Return x - m, but the constant 0 where x is above the second largest number; -inf stays."""
    if x > second:
        return in_kind(0, x)
    return x - m if x > -math.inf else x


@primitive(
    lambda g, y, x, m, second: _unless_alone(steep(g, m), absolute(x), second),
    lambda g, y, x, m, second: _unless_alone(-steep(g * y, m), absolute(x), second),
    constant,
)
def relative(x: Any, m: Any, second: Any) -> Any:
    """Return x / m, but the constant 1 or -1 where its size is above the second; 0 where m is 0."""
    if abs(x) > second and x:
        return in_kind(1 if x > 0 else -1, x)
    return x / m if m else 0 * x


op_of(largest).written = "max({0}, ...)"
op_of(second_largest).written = "max({0}, ...)"
op_of(below).written = "{0} - {1}"
op_of(relative).written = "{0} / {1}"


def all_below(xs: Sequence[Any]) -> list[Any]:
    """Return xs less the largest of them.

    >>> all_below([1.0, 3.0, 2.0])
    [-2.0, 0.0, -1.0]
    """
    m, second = largest(*xs), second_largest(*xs)
    return [below(x, m, second) for x in xs]


def directions(xs: Sequence[Any]) -> list[Any]:
    """Return xs divided by their length; 0 at the origin.

    >>> directions([3.0, 4.0])
    [0.6, 0.8]
    """
    sizes = [absolute(x) for x in xs]
    m, second = largest(*sizes), second_largest(*sizes)
    ratios = [relative(x, m, second) for x in xs]
    length = sqrt(added(*[r * r for r in ratios]))
    return [over(ratio, length) for ratio in ratios]


# --- sums, products, lengths ---------------------------------------------------------------------

added = made(passes.total, passes.added)
added.__module__ = __name__


@many(lambda g, y, *xs: [g] * len(xs))
def _fsum(*xs: Any) -> Any:
    return math.fsum(xs)


@overload
def fsum(xs: Iterable[Value]) -> Value: ...
@overload
def fsum(xs: Iterable[float]) -> float: ...
@overload
def fsum(xs: Iterable[Any]) -> Any: ...
@spelling_of(_fsum)
def fsum(xs: Iterable[Any]) -> Any:
    """Return the sum of xs as a float, without rounding on the way. One node, whatever the length.

    >>> fsum([0.1] * 10)
    1.0
    """
    return _fsum(*numbers_of("fsum", xs))


def _products_of_others(xs: Sequence[Any]) -> list[Any]:
    if all(isinstance(x, float) for x in xs):
        return numerics.products_of_others(xs)
    before, after = [1], [1]
    for x in xs[:-1]:
        before.append(before[-1] * x)
    for x in xs[:0:-1]:
        after.append(after[-1] * x)
    return [b * a for b, a in zip(before, reversed(after), strict=True)]


@many(lambda g, y, *xs: [g * others for others in _products_of_others(xs)])
def _prod(*xs: Any) -> Any:
    return math.prod(xs)


@overload
def prod(xs: Iterable[Value], *, start: Any = ...) -> Value: ...
@overload
def prod(xs: Iterable[float], *, start: float = ...) -> float: ...
@overload
def prod(xs: Iterable[Any], *, start: Any = ...) -> Any: ...
@spelling_of(_prod)
def prod(xs: Iterable[Any], *, start: Any = 1) -> Any:
    """Return the product of start and all of xs: one node, whatever the length.

    >>> prod([2, 3, 4])
    24
    """
    first = () if type(start) is int and start == 1 else (start,)
    return _prod(*first, *numbers_of("prod", xs))


def _sumprod_rule(g: Any, y: Any, *inputs: Any) -> list[Any]:
    n = len(inputs) // 2
    slopes = [g * x for x in inputs[n : 2 * n] + inputs[:n]]
    return slopes if len(inputs) == 2 * n else [*slopes, g]


# Inputs: all of p, then all of q, as for dist; and one more, where there is one, to be added: the
# bias of a neuron.
@many(_sumprod_rule, name="sumprod")
def flat_sumprod(*inputs: Any) -> Any:
    n = len(inputs) // 2
    y = numerics.sumprod(inputs[:n], inputs[n : 2 * n])
    return y if len(inputs) == 2 * n else y + inputs[-1]


def _add_sumprod_gradients(g: Any, inputs: Sequence[Any]) -> None:
    k = len(inputs) // 2
    for p in inputs[:k]:
        q = inputs[k]
        p._grad += g * q._data
        q._grad += g * p._data
        k += 1
    if k < len(inputs):
        inputs[k]._grad += g


# Networks spend most of their time in this rule. Unrolled, it takes half of that.
fast.unrolled[flat_sumprod.op] = _add_sumprod_gradients
operators.SUMS_AND_PRODUCTS.add(flat_sumprod.op)


@overload
def sumprod(p: Iterable[Value], q: Iterable[Any]) -> Value: ...
@overload
def sumprod(p: Iterable[Any], q: Iterable[Value]) -> Value: ...
@overload
def sumprod(p: Iterable[float], q: Iterable[float]) -> float: ...
@overload
def sumprod(p: Iterable[Any], q: Iterable[Any]) -> Any: ...
@spelling_of(flat_sumprod)
def sumprod(p: Iterable[Any], q: Iterable[Any]) -> Any:
    """Return the sum of the products p[i] * q[i]: one node, whatever the length.

    Raises ValueError unless p and q are equally long.

    >>> sumprod([1, 2, 3], [10, 20, 30])
    140
    """
    return flat_sumprod(*paired("sumprod", p, q))


def _dist_rule(g: Any, y: Any, *inputs: Any) -> list[Any]:
    n = len(inputs) // 2
    by_p = [g * u for u in directions([p - q for p, q in zip(inputs[:n], inputs[n:], strict=True)])]
    return by_p + [-d for d in by_p]


@many(_dist_rule)
def _dist(*inputs: Any) -> Any:
    n = len(inputs) // 2
    return math.dist(inputs[:n], inputs[n:])


@overload
def dist(p: Iterable[Value], q: Iterable[Any]) -> Value: ...
@overload
def dist(p: Iterable[Any], q: Iterable[Value]) -> Value: ...
@overload
def dist(p: Iterable[float], q: Iterable[float]) -> float: ...
@overload
def dist(p: Iterable[Any], q: Iterable[Any]) -> Any: ...
@spelling_of(_dist)
def dist(p: Iterable[Any], q: Iterable[Any]) -> Any:
    """Return the Euclidean distance of the points p and q: one node, whatever the dimension.

    The derivative where they coincide is 0, and the second derivative there does not exist: it
    raises ZeroDivisionError. Raises ValueError unless p and q are equally long.

    >>> dist([0.0, 0.0], [3.0, 4.0])
    5.0
    """
    return _dist(*paired("dist", p, q))


@many(lambda g, y, *xs: [g * u for u in directions(xs)])
def hypot(*coordinates: Any) -> Any:
    """Return the Euclidean length of a vector: one node, whatever the dimension.

    The derivative at the origin is 0, and the second derivative there does not exist: it raises
    ZeroDivisionError.

    >>> hypot(3.0, 4.0)
    5.0
    """
    return math.hypot(*coordinates)
