"""The ops of Python's operators: arithmetic, comparisons. They need no Value.

The rules of `%`, `abs` and `**` take functions, and stand where these are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from scalargrad.engine.op import Op


def constant(g: Any, y: Any, *inputs: Any) -> None:
    """Return None, no path: the rule of an input on which an op does not depend smoothly."""
    return None


def _real_power(a: Any, b: Any) -> Any:
    y = a**b
    if isinstance(y, complex):
        raise ValueError("a negative number to a fractional power is not a real number")
    return y


add = Op("+", operator.add, [lambda g, y, a, b: g, lambda g, y, a, b: g])
sub = Op("-", operator.sub, [lambda g, y, a, b: g, lambda g, y, a, b: -g])
mul = Op("*", operator.mul, [lambda g, y, a, b: g * b, lambda g, y, a, b: g * a])
div = Op("/", operator.truediv, [lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b])
neg = Op("neg", operator.neg, [lambda g, y, a: -g], written="-{0}")
pos = Op("pos", operator.pos, [lambda g, y, a: g], written="+{0}")
mod = Op("%", operator.mod)
absolute = Op("abs", operator.abs)
power = Op(
    "**",
    _real_power,
    hint="a negative base takes a constant whole exponent; for a real cube root use cbrt",
)
# Ops whose derivatives, of all orders, are sums and products, which cannot fail.
SUMS_AND_PRODUCTS = {add, sub, mul, neg}
# The same number, as a constant.
detach = Op("detach", lambda a: a, [constant])


def _comparison(symbol: str, forward: Callable[..., Any]) -> Op:
    return Op(symbol, forward, [constant, constant])


greater, less = _comparison(">", operator.gt), _comparison("<", operator.lt)
at_least, at_most = _comparison(">=", operator.ge), _comparison("<=", operator.le)
equal, unequal = _comparison("==", operator.eq), _comparison("!=", operator.ne)
