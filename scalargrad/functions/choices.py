"""Choices: comparisons, `where`, and the larger and smaller of two numbers.

A comparison has derivative 0, and `where` passes the derivative to what it chose, so that the
rules can choose without branching.
"""

import operator
from collections.abc import Callable
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.engine.primitive import named, primitive
from scalargrad.engine.real import in_kind
from scalargrad.engine.tracer import Tracer

__all__ = ["maximum", "minimum", "where"]


def constant(g: Any, y: Any, *inputs: Any) -> int:
    """Return 0: the rule of an input on which an op does not depend smoothly."""
    return 0


def _constant(name: str, symbol: str, forward: Callable[..., Any], inputs: int = 2) -> Any:
    return named(name, __name__, Op(symbol, forward, [constant] * inputs))


greater = _constant("greater", ">", operator.gt)
less = _constant("less", "<", operator.lt)
at_least = _constant("at_least", ">=", operator.ge)
at_most = _constant("at_most", "<=", operator.le)
equal = _constant("equal", "==", operator.eq)
unequal = _constant("unequal", "!=", operator.ne)
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


@primitive(
    constant,
    lambda g, y, condition, a, b: choose(condition, g, 0),
    lambda g, y, condition, a, b: choose(condition, 0, g),
)
def where(condition: Any, a: Any, b: Any) -> Any:
    """Return a if the condition holds, else b; the gradient goes to the one returned.

    The condition is a bool or a number, as of an `if`. Both a and b have been evaluated: guard a
    branch that may fail with a `where` on its input.

    >>> where(3 > 2, 1.0, -1.0)
    1.0
    """
    return a if condition else b


def choose(condition: Any, a: Any, b: Any) -> Any:
    """Return `where` of these, but a or b at once where the condition is plain: for the rules.

    A rule's own plain 0 becomes one of the other's kind.

    >>> from scalargrad import Value
    >>> choose(True, Value(1.0), 0)
    Value(data=1.0, grad=0)
    """
    if isinstance(condition, Tracer):
        if type(a) is type(b) is int and a == b:
            return a
        a = like(a, b) if type(a) is int and isinstance(b, Tracer) else a
        b = like(b, a) if type(b) is int and isinstance(a, Tracer) else b
        return where(condition, a, b)
    return a if condition else b


def _shared(g: Any, chosen: Any, other: Any) -> Any:
    return choose(chosen, g, choose(other, 0, g / 2))


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
