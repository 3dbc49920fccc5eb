"""What an engine must answer: values and derivatives by complex steps, with no derivative table.

For an analytic f, f(x + ih) is f(x) + ih f'(x) but for terms of order h**2, so with h = 1e-200
ordinary complex arithmetic gives the value and, with no difference that could cancel, the
derivative (W. Squire and G. Trapp, SIAM Review 40 (1), 1998). Only the functions themselves are
needed, from `cmath`; this shares no rule with scalargrad's engine nor with the engine under test.
"""

import cmath
import math
from collections.abc import Callable, Sequence
from typing import Any

from scalargrad import numerical_gradient
from scalargrad.functions.complex_forms import COMPLEX_FORMS
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

    >>> call("relu", 2 + 0j).real, call("abs", -2 + 0j).real
    (2.0, 2.0)
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


def _real(f: Callable[[float], float]) -> Callable[[complex], complex]:
    """Return f with the derivative that finite differences give: f has no complex form."""

    def form(z: complex) -> complex:
        slope = numerical_gradient(f, [z.real])[0].derivative if z.imag else 0.0
        return complex(f(z.real), z.imag * slope)

    return form


_normal_cdf = _real(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))
_FORMS: dict[str, Callable[..., Any]] = {
    **COMPLEX_FORMS,
    "**2": lambda z: z * z,
    "**3": lambda z: z * z * z,
    "**-1": lambda z: 1 / z,
    "**0.5": cmath.sqrt,
    "erf": _real(math.erf),
    "erfc": _real(math.erfc),
    "gamma": _real(math.gamma),
    "gelu": lambda z: z * _normal_cdf(z),
    "lgamma": _real(math.lgamma),
}
