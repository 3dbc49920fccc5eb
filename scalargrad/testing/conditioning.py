"""How much rounding weighs in an expression: condition numbers of its value and its derivatives.

A running error analysis, as in N. J. Higham, "Accuracy and Stability of Numerical Algorithms",
2nd edition, section 3.3, here to first order and for derivatives too. The partial derivatives of
each step come from differences of the plain function, so that no derivative rule is trusted.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Conditioned:
    """A number within an expression, and how far off it is, per relative error made anywhere.

    `error` bounds the number's own error. For each input, `slopes` are the derivatives by it,
    `paths` the sums of the sizes of what is added up to it over all ways from that input, and
    `slope_errors` bound its error.
    """

    number: float
    error: float
    slopes: tuple[float, ...]
    paths: tuple[float, ...]
    slope_errors: tuple[float, ...]

    @property
    def condition(self) -> float:
        """The largest of the relative errors of the number and of its derivatives.

        >>> x = of_input(3.0, 0, 1)
        >>> round(of_step(lambda a, b: a * b, [x, x]).condition, 6)
        3.0
        >>> of_step(lambda a, b: a - b, [x, of_constant(2.999, 1)]).condition > 1000
        True
        """
        pairs = [(self.error, self.number), *zip(self.slope_errors, self.slopes, strict=True)]
        return max(_ratio(error, size) for error, size in pairs)


def of_input(number: float, place: int, arity: int) -> Conditioned:
    """Return an input, the one at `place` of `arity`: it may be off by its own size."""
    unit = tuple(float(i == place) for i in range(arity))
    return Conditioned(number, abs(number), unit, unit, (0.0,) * arity)


def of_constant(number: float, arity: int) -> Conditioned:
    """Return a constant in an expression of `arity` inputs: nothing is off."""
    return Conditioned(number, 0.0, *[(0.0,) * arity] * 3)


def of_step(function: Callable[..., Any], operands: Sequence[Conditioned]) -> Conditioned:
    """Return the result of `function`, of plain numbers, of these operands.

    Raises what `function` raises, at the operands and within a thousandth of their size of them.
    """
    point = [operand.number for operand in operands]
    number, partials, seconds = _derivatives(function, point)
    # What a partial is off by: its own rounding, and its operands' errors.
    partial_errors = [
        abs(partial) + sum(abs(s) * b.error for s, b in zip(row, operands, strict=True))
        for partial, row in zip(partials, seconds, strict=True)
    ]
    steps = list(zip(partials, partial_errors, operands, strict=True))
    inputs = range(len(operands[0].slopes))
    return Conditioned(
        number,
        abs(number) + sum(abs(p) * a.error for p, _, a in steps),
        tuple(sum(p * a.slopes[j] for p, _, a in steps) for j in inputs),
        tuple(sum(abs(p) * a.paths[j] for p, _, a in steps) for j in inputs),
        tuple(
            sum(abs(p) * a.slope_errors[j] + e * a.paths[j] for p, e, a in steps) for j in inputs
        ),
    )


def _derivatives(
    function: Callable[..., Any], point: list[float]
) -> tuple[float, list[float], list[list[float]]]:
    """Return a function's value, first and second partial derivatives, right to a few digits."""
    steps = [1e-3 * (abs(x) or 1.0) for x in point]
    places = range(len(point))

    def at(*moves: tuple[int, int]) -> float:
        moved = list(point)
        for place, sign in moves:
            moved[place] += sign * steps[place]
        return float(function(*moved))

    middle = at()
    above, below = [at((i, 1)) for i in places], [at((i, -1)) for i in places]
    first = [(above[i] - below[i]) / (2 * steps[i]) for i in places]
    second = [[0.0] * len(point) for _ in places]
    for i in places:
        second[i][i] = (above[i] - 2 * middle + below[i]) / steps[i] ** 2
        for j in range(i):
            corners = sum(r * s * at((i, r), (j, s)) for r in (1, -1) for s in (1, -1))
            second[i][j] = second[j][i] = corners / (4 * steps[i] * steps[j])
    return middle, first, second


def _ratio(error: float, size: float) -> float:
    if error == 0:
        return 0.0
    return error / abs(size) if size else math.inf
