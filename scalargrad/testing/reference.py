"""What an engine must answer: values and derivatives by complex steps, with no derivative table.

For an analytic f, f(x + ih) is f(x) + ih f'(x) but for terms of order h**2, so with h = 1e-200
ordinary complex arithmetic gives the value and, with no difference that could cancel, the
derivative (W. Squire and G. Trapp, SIAM Review 40 (1), 1998). Only the functions themselves stand
here, from `cmath`; this shares no rule with scalargrad's engine nor with the engine under test.
"""

import cmath
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from scalargrad import numerical_gradient
from scalargrad.testing.expressions import Expression

STEP = 1e-200


def supports(name: str) -> bool:
    """Return whether the reference knows the function of this name in `FUNCTIONS`."""
    return name in _FORMS


def evaluate(
    expression: Expression, inputs: Sequence[complex], nudge: Callable[[int], float] | None = None
) -> complex:
    """Return the expression's value at complex `inputs`.

    `nudge` gives for each step a number close to 1 that its result is multiplied by, to learn
    how much rounding there would change the value.

    >>> from scalargrad.testing.expressions import Step
    >>> from scalargrad.testing.functions import FUNCTIONS
    >>> evaluate(Expression(1, (Step(FUNCTIONS["*"], (0, 0)),)), [3 + 0j])
    (9+0j)
    """
    results = [complex(x) for x in inputs]
    for n, step in enumerate(expression.steps):
        result = call(step.function.name, *map(complex, step.inputs(results)))
        results.append(result * nudge(n) if nudge else result)
    return results[-1]


def call(name: str, *inputs: complex) -> complex:
    """Return one function of complex inputs, by its name in `FUNCTIONS`.

    >>> call("relu", -2 + 0j), call("abs", -2 + 0j).real
    (0j, 2.0)
    """
    return complex(_FORMS[name](*inputs))


def slopes(f: Callable[[Sequence[complex]], complex], point: Sequence[float]) -> list[float]:
    """Return the derivative of `f`, a function of a list of complex numbers, by each of `point`.

    >>> slopes(lambda z: z[0] * z[1], [2.0, 5.0])
    [5.0, 2.0]
    """
    return [
        f([complex(x, STEP if i == j else 0.0) for j, x in enumerate(point)]).imag / STEP
        for i in range(len(point))
    ]


def _outward(z: complex) -> complex:
    return z if z.real >= 0 else -z


def _sigmoid(z: complex) -> complex:
    if z.real >= 0:
        return 1 / (1 + _exp(-z))
    return _exp(z) / (1 + _exp(z))


def _exp(z: complex) -> complex:
    return cmath.exp(z) if z.real > -745 else 0j


def _log1p(z: complex) -> complex:
    return complex(math.log1p(z.real), z.imag / (1 + z.real))


def _softplus(z: complex) -> complex:
    return _log1p(_exp(z)) if z.real < 0 else z + _log1p(_exp(-z))


def _atan2(y: complex, x: complex) -> complex:
    size = x.real * x.real + y.real * y.real
    return complex(math.atan2(y.real, x.real), (x.real * y.imag - y.real * x.imag) / size)


def _remainder(quotient: Callable[[float], int]) -> Callable[[complex, complex], complex]:
    return lambda a, b: a - b * quotient(a.real / b.real)


def _real(f: Callable[[float], float]) -> Callable[[complex], complex]:
    """Return f with the derivative that finite differences give: f has no complex form."""

    def form(z: complex) -> complex:
        slope = numerical_gradient(f, [z.real])[0].derivative if z.imag else 0.0
        return complex(f(z.real), z.imag * slope)

    return form


def _gelu(z: complex) -> complex:
    return z * _real(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))(z)


def _halves(zs: Sequence[complex]) -> list[tuple[complex, complex]]:
    half = len(zs) // 2
    return list(zip(zs[:half], zs[half:], strict=True))


_FORMS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "**2": lambda z: z * z,
    "**3": lambda z: z * z * z,
    "**-1": lambda z: 1 / z,
    "**0.5": cmath.sqrt,
    "%": _remainder(math.floor),
    "fmod": _remainder(math.trunc),
    "remainder": _remainder(round),
    "neg": operator.neg,
    "abs": _outward,
    "fabs": _outward,
    "acos": cmath.acos,
    "acosh": cmath.acosh,
    "asin": cmath.asin,
    "asinh": cmath.asinh,
    "atan": cmath.atan,
    "atanh": cmath.atanh,
    "atan2": _atan2,
    "cbrt": lambda z: z / _outward(z) * _outward(z) ** (1 / 3),
    "copysign": lambda a, b: math.copysign(1.0, b.real) * _outward(a),
    "cos": cmath.cos,
    "cosh": cmath.cosh,
    "degrees": lambda z: z * (180 / math.pi),
    "elu": lambda z: z if z.real > 0 else cmath.exp(z) - 1,
    "erf": _real(math.erf),
    "erfc": _real(math.erfc),
    "exp": _exp,
    "exp2": lambda z: cmath.exp(z * math.log(2)),
    "expm1": lambda z: cmath.exp(z) - 1,
    "fma": lambda a, b, c: a * b + c,
    "gamma": _real(math.gamma),
    "gelu": _gelu,
    "fsum": lambda *zs: sum(zs),
    "prod": lambda *zs: math.prod(zs),
    "logsumexp": lambda *zs: cmath.log(sum(map(cmath.exp, zs))),
    "sumprod": lambda *zs: sum(p * q for p, q in _halves(zs)),
    "dist": lambda *zs: cmath.sqrt(sum((p - q) ** 2 for p, q in _halves(zs))),
    "hypot": lambda *zs: cmath.sqrt(sum(z * z for z in zs)),
    "leaky_relu": lambda z: z if z.real > 0 else 0.01 * z,
    "lgamma": _real(math.lgamma),
    "log": cmath.log,
    "log10": lambda z: cmath.log(z) / math.log(10),
    "log1p": _log1p,
    "log2": lambda z: cmath.log(z) / math.log(2),
    "maximum": lambda a, b: a if a.real > b.real else b,
    "minimum": lambda a, b: a if a.real < b.real else b,
    "radians": lambda z: z * (math.pi / 180),
    "relu": lambda z: z if z.real > 0 else 0j,
    "sigmoid": _sigmoid,
    "silu": lambda z: z * _sigmoid(z),
    "sin": cmath.sin,
    "sinh": cmath.sinh,
    "softplus": _softplus,
    "sqrt": cmath.sqrt,
    "tan": cmath.tan,
    "tanh": cmath.tanh,
}
