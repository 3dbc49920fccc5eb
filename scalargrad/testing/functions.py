"""The table that every test walks: each function, how many inputs it takes, and where it is tame.

Tame means: smooth, finite and well conditioned, so that finite differences can judge a derivative
there. Beyond it lie the domain edges, poles, kinks and overflows, which have tests of their own.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import scalargrad

Interval = tuple[float, float]

SYMBOLS = ("+", "-", "*", "/", "**", "%")
"""Operators of two operands."""

LISTS = ("fsum", "logsumexp", "prod")
"""Functions of one list."""

PAIRS = ("dist", "sumprod")
"""Functions of two lists of the same length."""


@dataclass(frozen=True)
class Operation:
    """A function or operator, the number of its inputs, and for each where it is tame.

    `arity` 0 stands for any number of inputs, all with the same intervals. `analytic` says that
    complex steps can judge its derivative, `exact` that Fractions stay Fractions. A function of
    your own is given as `function`, and can be used by its name once it is in the table:

    >>> FUNCTIONS["cube"] = Operation("cube", 1, (((-3.0, 3.0),),), function=lambda x: x * x * x)
    >>> FUNCTIONS["cube"](2), FUNCTIONS.pop("cube").name
    (8, 'cube')
    """

    name: str
    arity: int
    intervals: tuple[tuple[Interval, ...], ...]
    analytic: bool = True
    exact: bool = False
    function: Callable[..., Any] | None = None

    def __call__(self, *inputs: Any, engine: ModuleType = scalargrad) -> Any:
        """Return the function of `inputs`; `engine` has the functions, by math's names.

        >>> FUNCTIONS["+"](1, 2), FUNCTIONS["sumprod"](1, 2, 10, 20)
        (3, 50)
        """
        if self.function is not None:
            return self.function(*inputs)
        if self.name in _OPERATORS:
            return _OPERATORS[self.name](*inputs)
        function = getattr(engine, self.name)
        if self.name in PAIRS:
            n = len(inputs) // 2
            return function(inputs[:n], inputs[n:])
        return function(inputs) if self.name in LISTS else function(*inputs)

    def is_tame(self, inputs: Sequence[float]) -> bool:
        """Return whether all of `inputs` lie in the function's tame intervals.

        >>> FUNCTIONS["log"].is_tame([0.5]), FUNCTIONS["log"].is_tame([-0.5])
        (True, False)
        """
        return all(
            any(low <= x <= high for low, high in intervals)
            for x, intervals in zip(inputs, self.columns(len(inputs)), strict=True)
        )

    @property
    def operands(self) -> int:
        """Return how many inputs to test it with: three if it takes any number, or two pairs."""
        return self.arity or (4 if self.name in PAIRS else 3)

    def columns(self, count: int) -> tuple[tuple[Interval, ...], ...]:
        """Return the tame intervals of each of so many inputs."""
        return self.intervals if self.arity else self.intervals * count


def _real_power(a: Any, b: Any) -> Any:
    y = a**b
    if isinstance(y, complex):
        raise ValueError("a negative number to a fractional power is not a real number")
    return y


_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": _real_power,
    "%": operator.mod,
    "neg": operator.neg,
    "abs": operator.abs,
}

_ALL = ((-30.0, 30.0),)
_NOT_ZERO = ((-30.0, -0.05), (0.05, 30.0))
_POSITIVE = ((0.05, 30.0),)
_UNIT = ((-0.95, 0.95),)
# Two inputs, either of which may be the larger, by 5 at least.
_APART = (((-30.0, -10.0), (5.0, 10.0)), ((-5.0, 0.0), (15.0, 30.0)))
_BETWEEN_WHOLES = ((-2.7, -2.3), (-0.7, -0.3), (0.3, 0.7), (7.3, 7.7))
# The first below, within and above the bounds.
_IN_OR_OUT = (((-30.0, -10.0), (0.0, 1.0), (10.0, 30.0)), ((-5.0, -1.0),), ((2.0, 5.0),))
_BETWEEN_POLES = ((-2.8, -2.2), (-1.8, -1.2), (-0.8, -0.2), (0.2, 12.0))


def _table(*functions: Operation) -> dict[str, Operation]:
    return {function.name: function for function in functions}


FUNCTIONS = _table(
    Operation("+", 2, (_ALL, _ALL), exact=True),
    Operation("-", 2, (_ALL, _ALL), exact=True),
    Operation("*", 2, (_ALL, _ALL), exact=True),
    Operation("/", 2, (_ALL, _NOT_ZERO), exact=True),
    Operation("**", 2, (_POSITIVE, ((-5.0, 5.0),))),
    Operation("%", 2, (((10.2, 11.3),), ((4.6, 4.95),)), analytic=False, exact=True),
    Operation("neg", 1, (_ALL,), exact=True),
    Operation("abs", 1, (_NOT_ZERO,), exact=True),
    Operation("acos", 1, (_UNIT,)),
    Operation("acosh", 1, (((1.05, 30.0),),)),
    Operation("asin", 1, (_UNIT,)),
    Operation("asinh", 1, (_ALL,)),
    Operation("atan", 1, (_ALL,)),
    Operation("atanh", 1, (_UNIT,)),
    Operation("cbrt", 1, (_NOT_ZERO,)),
    Operation("ceil", 1, (_BETWEEN_WHOLES,), analytic=False),
    Operation("cos", 1, (_ALL,)),
    Operation("cosh", 1, (_ALL,)),
    Operation("degrees", 1, (_ALL,)),
    Operation("digamma", 1, (_BETWEEN_POLES,), analytic=False),
    Operation("elu", 1, (_NOT_ZERO,), analytic=False),
    Operation("erf", 1, (((-3.0, 3.0),),), analytic=False),
    Operation("erfc", 1, (((-3.0, 3.0),),), analytic=False),
    Operation("erfinv", 1, (((-0.9, 0.9),),), analytic=False),
    Operation("exp", 1, (_ALL,)),
    Operation("exp2", 1, (_ALL,)),
    Operation("expm1", 1, (_ALL,)),
    Operation("fabs", 1, (_NOT_ZERO,)),
    Operation("floor", 1, (_BETWEEN_WHOLES,), analytic=False),
    Operation("gamma", 1, (_BETWEEN_POLES,), analytic=False),
    Operation("gelu", 1, (((-4.0, 4.0),),), analytic=False),
    Operation("leaky_relu", 1, (_NOT_ZERO,), analytic=False),
    Operation("lgamma", 1, (_BETWEEN_POLES,), analytic=False),
    Operation("log", 1, (_POSITIVE,)),
    Operation("log10", 1, (_POSITIVE,)),
    Operation("log1p", 1, (((-0.95, 30.0),),)),
    Operation("log2", 1, (_POSITIVE,)),
    Operation("logit", 1, (((0.05, 0.95),),), analytic=False),
    Operation("radians", 1, (_ALL,)),
    Operation("relu", 1, (_NOT_ZERO,), exact=True),
    Operation("sigmoid", 1, (((-15.0, 15.0),),)),
    Operation("sign", 1, (_NOT_ZERO,), analytic=False),
    Operation("silu", 1, (((-15.0, 15.0),),)),
    Operation("sin", 1, (_ALL,)),
    Operation("sinc", 1, (((-8.0, 8.0),),), analytic=False),
    Operation("sinh", 1, (_ALL,)),
    Operation("softplus", 1, (((-15.0, 15.0),),)),
    Operation("sqrt", 1, (_POSITIVE,)),
    Operation("tan", 1, (((-1.5, 1.5),),)),
    Operation("tanh", 1, (((-8.0, 8.0),),)),
    Operation("trunc", 1, (_BETWEEN_WHOLES,), analytic=False),
    Operation("atan2", 2, (_NOT_ZERO, _NOT_ZERO)),
    Operation("copysign", 2, (_NOT_ZERO, _NOT_ZERO), analytic=False),
    # Quotients from 2.06 to 2.46, so that no jump is near; so too for %.
    Operation("fmod", 2, (((10.2, 11.3),), ((4.6, 4.95),)), analytic=False),
    Operation("remainder", 2, (((10.2, 11.3),), ((4.6, 4.95),)), analytic=False),
    Operation("pow", 2, (_POSITIVE, ((-5.0, 5.0),))),
    Operation("maximum", 2, _APART, exact=True),
    Operation("minimum", 2, _APART, exact=True),
    Operation("clip", 3, _IN_OR_OUT, analytic=False),
    Operation("fma", 3, (_ALL, _ALL, _ALL)),
    Operation("dist", 0, (_NOT_ZERO,)),
    Operation("fsum", 0, (_ALL,)),
    Operation("hypot", 0, (_NOT_ZERO,)),
    Operation("logsumexp", 0, (((-10.0, 10.0),),)),
    Operation("prod", 0, (((-3.0, 3.0),),), exact=True),
    Operation("sumprod", 0, (_ALL,), exact=True),
)
