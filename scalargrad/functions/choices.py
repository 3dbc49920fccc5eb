"""Choices: comparisons, `where`, and the larger and smaller of two numbers.

A comparison has derivative 0, and `where` passes the derivative to what it chose, so that the
rules can choose without branching.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, overload

from scalargrad.engine import operators
from scalargrad.engine.context import here, tracing
from scalargrad.engine.errors import refuse_plain
from scalargrad.engine.op import Op
from scalargrad.engine.operators import constant
from scalargrad.engine.primitive import named, primitive, record, spelling_of
from scalargrad.engine.real import in_kind
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value

__all__ = ["clip", "isclose", "isfinite", "isinf", "isnan", "maximum", "minimum", "where"]


def _constant(name: str, symbol: str, forward: Callable[..., Any], inputs: int = 2) -> Any:
    return named(name, __name__, Op(symbol, forward, [constant] * inputs))


greater = named("greater", __name__, operators.greater)
less = named("less", __name__, operators.less)
at_least = named("at_least", __name__, operators.at_least)
at_most = named("at_most", __name__, operators.at_most)
equal = named("equal", __name__, operators.equal)
unequal = named("unequal", __name__, operators.unequal)
# Of conditions, as symbols have them: `&`, `|`, `^` and `~`.
both = _constant("both", "&", operator.and_)
either = _constant("either", "|", operator.or_)
one_of = _constant("one_of", "^", operator.xor)
inverse = _constant("inverse", "~", operator.inv, 1)
# What gives a plain bool for Values, so that nothing depends on it smoothly.
CONDITIONS = {
    *(greater.op, less.op, at_least.op, at_most.op, equal.op, unequal.op),
    *(both.op, either.op, one_of.op, inverse.op),
}
# A whole number in the kind of another number: 1 to start derivatives with, and 0.
like = _constant("like", "like", in_kind)


@overload
def where(condition: Any, a: Value, b: Any) -> Value: ...
@overload
def where(condition: Any, a: Any, b: Value) -> Value: ...
@overload
def where(condition: Any, a: float, b: float) -> float: ...
@overload
def where(condition: Any, a: Any, b: Any) -> Any: ...
@primitive(
    constant,
    lambda g, y, condition, a, b: choose(condition, g, None),
    lambda g, y, condition, a, b: choose(condition, None, g),
)
def where(condition: Any, a: Any, b: Any) -> Any:
    """Return a if the condition holds, else b; the gradient goes to the one returned.

    The condition is a bool or a number, as of an `if`. Python evaluates both a and b before the
    call; a compiled function does not compute a side that may fail and is not chosen. Functions of
    no arguments may stand in their place: then only the one that is chosen is called.

    >>> where(3 > 2, 1.0, -1.0)
    1.0
    >>> x = 0.0
    >>> where(x > 0, lambda: 1 / x, lambda: x)
    0.0
    """
    if isinstance(condition, list | tuple):
        raise TypeError("where takes one condition")
    return _lazily(condition, a, b) if callable(a) or callable(b) else a if condition else b


def _lazily(condition: Any, a: Any, b: Any) -> Any:
    """Return what the side that is chosen gives; of a traced condition, a choice of both."""
    if isinstance(condition, Tracer) and not isinstance(condition, Value):
        return where(condition, *[x() if callable(x) else x for x in (a, b)])
    chosen = a if condition else b
    return chosen() if callable(chosen) else chosen


where.op.lazily = _lazily  # type: ignore[attr-defined]


def choose(condition: Any, a: Any, b: Any) -> Any:
    """Return `where` of these, but a or b at once where the condition is plain: for the rules.

    None means no path. It stays None where the side is known. Where the side is not known, as for a
    traced number, or where a graph is to hold on both sides, it becomes 0. A plain 0 of a rule
    becomes a 0 of the other side's kind.

    >>> from scalargrad import Value
    >>> choose(True, Value(1.0), 0)
    Value(data=1.0, grad=0)
    """
    if isinstance(condition, Tracer):
        number = getattr(condition, "_data", None)
        untaken = here().both_sides
        if a is None or b is None:
            if number is not None and untaken is None:
                return a if number else b
            if a is b:
                return None
        if type(a) is type(b) is int and a == b:
            return a
        yes, no = 0 if a is None else a, 0 if b is None else b
        yes = like(yes, no) if type(yes) is int and type(no) is not int else yes
        no = like(no, yes) if type(no) is int and type(yes) is not int else no
        chosen = where(condition, yes, no)
        if untaken is not None and number is not None:
            taken = a if number else b
            if taken is None or taken in untaken:
                untaken.add(chosen)
        elif (trace := tracing()) is not None:
            trace.chose(chosen, condition, a, b)
        return chosen
    return a if condition else b


def choose_positive(x: Any, a: Any, b: Any) -> Any:
    """Return `choose(greater(x, 0), a, b)`, in half of the time where x is plain.

    >>> choose_positive(-2.0, 1.0, 0)
    0
    """
    if isinstance(x, Tracer):
        return choose(greater(x, 0), a, b)
    return a if x > 0 else b


def _shared(g: Any, chosen: Any, other: Any) -> Any:
    return choose(other, None, choose(chosen, g, g / 2))


@primitive(
    lambda g, y, a, b: _shared(g, greater(a, b), greater(b, a)),
    lambda g, y, a, b: _shared(g, greater(b, a), greater(a, b)),
)
def maximum(a: Any, b: Any) -> Any:
    """Return the larger of a and b; where they tie, each gets half of the gradient.

    A nan on either side gives nan.

    >>> maximum(2, 5)
    5
    """
    return b if b > a or b != b else a


@primitive(
    lambda g, y, a, b: _shared(g, greater(b, a), greater(a, b)),
    lambda g, y, a, b: _shared(g, greater(a, b), greater(b, a)),
)
def minimum(a: Any, b: Any) -> Any:
    """Return the smaller of a and b; where they tie, each gets half of the gradient.

    A nan on either side gives nan.

    >>> minimum(2, 5)
    2
    """
    return b if b < a or b != b else a


def _by_bounds(g: Any, x: Any, low: Any, high: Any) -> Any:
    return choose(less(x, low), None, choose(greater(x, high), None, g))


@overload
def clip(x: Value, low: Any, high: Any) -> Value: ...
@overload
def clip(x: float, low: float, high: float) -> float: ...
@overload
def clip(x: Any, low: Any, high: Any) -> Any: ...
@primitive(
    lambda g, y, x, low, high: _by_bounds(g, x, low, high),
    lambda g, y, x, low, high: choose(less(x, low), choose(less(high, low), None, g), None),
    lambda g, y, x, low, high: choose(greater(x, high), g, choose(less(high, low), g, None)),
    hint="clip takes both bounds; for one alone write maximum(x, low) or minimum(x, high)",
)
def clip(x: Any, low: Any, high: Any) -> Any:
    """Return x, but low where x is below it, and high where x is above it.

    The derivative by x is 1 within the bounds and at them, 0 outside, as of `torch.clamp`. If low
    is above high, the result is high. nan gives nan.

    >>> clip(0.5, 0.0, 1.0), clip(7, 0, 1)
    (0.5, 1)
    """
    if x < low or low != low:
        x = low
    return high if x > high or high != high else x


def _test(name: str, forward: Callable[..., bool], inputs: int = 1) -> Callable[..., Any]:
    """Return a function that says whether something holds of numbers.

    Of Values it gives a plain bool, as a comparison does, and of traced numbers a condition.
    """
    op: Op = _constant(name, name, forward, inputs).op
    CONDITIONS.add(op)

    def test(*xs: Any) -> Any:
        if not any(isinstance(x, Tracer) for x in xs):
            try:
                return forward(*xs)
            except TypeError as error:
                refuse_plain(op, xs, error)
        if all(isinstance(x, Value) or not isinstance(x, Tracer) for x in xs) and not (
            tracing() is not None
        ):
            return forward(*[x._data if isinstance(x, Value) else x for x in xs])
        return record(op, xs)

    test.op = op  # type: ignore[attr-defined]
    test.__name__ = test.__qualname__ = f"_{name}"
    op.function = test
    return test


_isnan = _test("isnan", math.isnan)
_isinf = _test("isinf", math.isinf)
_isfinite = _test("isfinite", math.isfinite)
_isclose = _test(
    "isclose",
    lambda a, b, rel_tol, abs_tol: math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol),
    inputs=4,
)


@spelling_of(_isnan)
def isnan(x: Any, /) -> bool:
    """Return whether x is nan: a bool, also for a Value; in a traced function a condition.

    >>> isnan(float("nan")), isnan(1.0)
    (True, False)
    """
    return _isnan(x)  # type: ignore[no-any-return] # in a trace it is a symbol


@spelling_of(_isinf)
def isinf(x: Any, /) -> bool:
    """Return whether x is infinite: a bool, also for a Value; in a traced function a condition.

    >>> isinf(float("-inf")), isinf(1.0)
    (True, False)
    """
    return _isinf(x)  # type: ignore[no-any-return] # in a trace it is a symbol


@spelling_of(_isfinite)
def isfinite(x: Any, /) -> bool:
    """Return whether x is neither infinite nor nan: a bool; in a traced function a condition.

    >>> isfinite(1.0), isfinite(float("nan"))
    (True, False)
    """
    return _isfinite(x)  # type: ignore[no-any-return] # in a trace it is a symbol


@spelling_of(_isclose)
def isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> bool:
    """Return whether a and b are close, as `math.isclose`: a bool; in a trace a condition.

    That is where |a - b| <= max(rel_tol * max(|a|, |b|), abs_tol). Raises ValueError for a
    negative tolerance.

    >>> isclose(0.1 + 0.2, 0.3)
    True
    """
    return _isclose(a, b, rel_tol, abs_tol)  # type: ignore[no-any-return]
