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


@dataclass(frozen=True)
class Function:
    """A function or operator, the number of its inputs, and for each where it is tame.

    `arity` 0 stands for any number of inputs, all with the same intervals. `analytic` says that
    complex steps can judge its derivative, `exact` that Fractions stay Fractions.
    """

    name: str
    arity: int
    intervals: tuple[tuple[Interval, ...], ...]
    analytic: bool = True
    exact: bool = False

    def __call__(self, *inputs: Any, engine: ModuleType = scalargrad) -> Any:
        """Return the function of `inputs`; `engine` has the functions, by math's names.

        >>> FUNCTIONS["+"](1, 2), FUNCTIONS["sumprod"](1, 2, 10, 20)
        (3, 50)
        """
        if self.name in _OPERATORS:
            return _OPERATORS[self.name](*inputs)
        function = getattr(engine, self.name)
        if self.name in ("dist", "sumprod"):
            n = len(inputs) // 2
            return function(inputs[:n], inputs[n:])
        return function(inputs) if self.name in ("fsum", "logsumexp", "prod") else function(*inputs)

    def is_tame(self, inputs: Sequence[float]) -> bool:
        """Return whether all of `inputs` lie in the function's tame intervals.

        >>> FUNCTIONS["log"].is_tame([0.5]), FUNCTIONS["log"].is_tame([-0.5])
        (True, False)
        """
        many = self.intervals if self.arity else self.intervals * len(inputs)
        return all(
            any(low <= x <= high for low, high in intervals)
            for x, intervals in zip(inputs, many, strict=True)
        )


_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
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
_BETWEEN_WHOLES = ((-2.9, -2.1), (-0.9, -0.1), (0.1, 0.9), (7.1, 7.9))
# The first below, within and above the bounds.
_IN_OR_OUT = (((-30.0, -10.0), (0.0, 1.0), (10.0, 30.0)), ((-5.0, -1.0),), ((2.0, 5.0),))
_BETWEEN_POLES = ((-2.8, -2.2), (-1.8, -1.2), (-0.8, -0.2), (0.2, 12.0))


def _table(*functions: Function) -> dict[str, Function]:
    return {function.name: function for function in functions}


FUNCTIONS = _table(
    Function("+", 2, (_ALL, _ALL), exact=True),
    Function("-", 2, (_ALL, _ALL), exact=True),
    Function("*", 2, (_ALL, _ALL), exact=True),
    Function("/", 2, (_ALL, _NOT_ZERO), exact=True),
    Function("**", 2, (_POSITIVE, ((-5.0, 5.0),))),
    Function("%", 2, (((10.2, 11.3),), ((4.6, 4.95),)), analytic=False, exact=True),
    Function("neg", 1, (_ALL,), exact=True),
    Function("abs", 1, (_NOT_ZERO,), exact=True),
    Function("acos", 1, (_UNIT,)),
    Function("acosh", 1, (((1.05, 30.0),),)),
    Function("asin", 1, (_UNIT,)),
    Function("asinh", 1, (_ALL,)),
    Function("atan", 1, (_ALL,)),
    Function("atanh", 1, (_UNIT,)),
    Function("cbrt", 1, (_NOT_ZERO,)),
    Function("ceil", 1, (_BETWEEN_WHOLES,), analytic=False),
    Function("cos", 1, (_ALL,)),
    Function("cosh", 1, (_ALL,)),
    Function("degrees", 1, (_ALL,)),
    Function("digamma", 1, (_BETWEEN_POLES,), analytic=False),
    Function("elu", 1, (_NOT_ZERO,), analytic=False),
    Function("erf", 1, (((-3.0, 3.0),),), analytic=False),
    Function("erfc", 1, (((-3.0, 3.0),),), analytic=False),
    Function("erfinv", 1, (((-0.9, 0.9),),), analytic=False),
    Function("exp", 1, (_ALL,)),
    Function("exp2", 1, (_ALL,)),
    Function("expm1", 1, (_ALL,)),
    Function("fabs", 1, (_NOT_ZERO,)),
    Function("floor", 1, (_BETWEEN_WHOLES,), analytic=False),
    Function("gamma", 1, (_BETWEEN_POLES,), analytic=False),
    Function("gelu", 1, (((-4.0, 4.0),),), analytic=False),
    Function("leaky_relu", 1, (_NOT_ZERO,), analytic=False),
    Function("lgamma", 1, (_BETWEEN_POLES,), analytic=False),
    Function("log", 1, (_POSITIVE,)),
    Function("log10", 1, (_POSITIVE,)),
    Function("log1p", 1, (((-0.95, 30.0),),)),
    Function("log2", 1, (_POSITIVE,)),
    Function("logit", 1, (((0.05, 0.95),),), analytic=False),
    Function("radians", 1, (_ALL,)),
    Function("relu", 1, (_NOT_ZERO,), exact=True),
    Function("sigmoid", 1, (((-15.0, 15.0),),)),
    Function("sign", 1, (_NOT_ZERO,), analytic=False),
    Function("silu", 1, (((-15.0, 15.0),),)),
    Function("sin", 1, (_ALL,)),
    Function("sinc", 1, (((-8.0, 8.0),),), analytic=False),
    Function("sinh", 1, (_ALL,)),
    Function("softplus", 1, (((-15.0, 15.0),),)),
    Function("sqrt", 1, (_POSITIVE,)),
    Function("tan", 1, (((-1.5, 1.5),),)),
    Function("tanh", 1, (((-8.0, 8.0),),)),
    Function("trunc", 1, (_BETWEEN_WHOLES,), analytic=False),
    Function("atan2", 2, (_NOT_ZERO, _NOT_ZERO)),
    Function("copysign", 2, (_NOT_ZERO, _NOT_ZERO), analytic=False),
    # Quotients from 2.06 to 2.46, so that no jump is near; so too for %.
    Function("fmod", 2, (((10.2, 11.3),), ((4.6, 4.95),)), analytic=False),
    Function("remainder", 2, (((10.2, 11.3),), ((4.6, 4.95),)), analytic=False),
    Function("pow", 2, (_POSITIVE, ((-5.0, 5.0),))),
    Function("maximum", 2, _APART, exact=True),
    Function("minimum", 2, _APART, exact=True),
    Function("clip", 3, _IN_OR_OUT, analytic=False),
    Function("fma", 3, (_ALL, _ALL, _ALL)),
    Function("dist", 0, (_NOT_ZERO,)),
    Function("fsum", 0, (_ALL,)),
    Function("hypot", 0, (_NOT_ZERO,)),
    Function("logsumexp", 0, (((-10.0, 10.0),),)),
    Function("prod", 0, (((-3.0, 3.0),),), exact=True),
    Function("sumprod", 0, (_ALL,), exact=True),
)
