"""Fitting: models to data by least squares, and minima of functions, with SciPy's names.

>>> from scalargrad import exp
>>> def decay(t, amount, rate):
...     return amount * exp(-rate * t)
>>> fit = curve_fit(decay, [0.0, 1.0, 2.0, 3.0], [5.0, 3.1, 1.8, 1.2], p0=[1.0, 1.0])
>>> print(*(f"{p:.3f} +- {e:.3f}" for p, e in zip(fit.parameters, fit.standard_errors)))
5.005 +- 0.067 0.491 +- 0.014
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value
from scalargrad.fitting.levenberg_marquardt import (
    Linear,
    NotConverged,
    Solution,
    least_squares_minimum,
)
from scalargrad.fitting.models import compiled_or_eager, rows_at
from scalargrad.fitting.newton_cg import newton_cg
from scalargrad.transforms.functional import hvp, jvp, value_and_grad
from scalargrad.transforms.starred import advise_star


class OptimizeWarning(UserWarning):
    """Given with a fit whose covariance is not known, as by `scipy.optimize`."""


@dataclass(frozen=True)
class Fit:
    """Parameters that make a sum of squares least, and how well the data determine them.

    It unpacks as the pair that `scipy.optimize.curve_fit` returns: `popt, pcov = fit`.
    """

    parameters: list[float]
    # The square roots of the covariance's diagonal: the standard deviations of the parameters, if
    # the errors of the samples are independent and all of one size.
    standard_errors: list[float]
    covariance: list[list[float]]
    residual_sum_of_squares: float
    iterations: int
    # Why the method stopped.
    message: str

    def __iter__(self) -> Iterator[Any]:
        return iter((self.parameters, self.covariance))


@dataclass(frozen=True)
class Minimum:
    """A minimum of a function, with the names of `scipy.optimize.OptimizeResult`."""

    x: list[float]
    # The function's value and its gradient there.
    fun: float
    jac: list[float]
    # How many iterations it took.
    nit: int
    # Why the method stopped.
    message: str


def curve_fit(
    model: Callable[..., Any],
    xs: Iterable[Any],
    ys: Iterable[Any],
    p0: Any,
    max_iterations: int = 1000,
) -> Fit:
    """Return the `Fit` of `model(x, *parameters)` to samples `ys` at `xs`, from parameters `p0`.

    The sum of (model(x, *parameters) - y)**2 is made least, as by `scipy.optimize.curve_fit`, by
    Levenberg and Marquardt's method. The model is called for one sample at a time: x is an item of
    `xs`, a number or a row of numbers, and the parameters are numbers. It is written with the
    functions of scalargrad; its derivatives are exact, from the compiled program of value and
    gradient where the model can be compiled, and where it cannot (it branches on a number) from
    the eager engine, which takes longer. The minimum found is the one that lies downhill from
    `p0`, and need not be the lowest.

    Raises ValueError, saying which, for too few samples, for numbers that are not finite, and
    where the data do not determine all the parameters; TypeError for what is not a number;
    RuntimeError, saying where it stood, if the method does not converge in `max_iterations`; and
    what the model raises at `p0`. With as many samples as parameters the covariance is infinite.

    >>> popt, pcov = curve_fit(lambda x, a, b: a + b * x, [0, 1, 2], [1.0, 3.0, 5.0], [0, 0])
    >>> [round(p, 9) for p in popt]
    [1.0, 2.0]
    """
    start = _vector("p0", p0)
    xs, ys = _listed("xs", xs), _listed("ys", ys)
    if len(xs) != len(ys):
        raise ValueError(f"xs and ys must be equally long, got {len(xs)} and {len(ys)}")
    samples = list(zip(xs, ys, strict=True))
    for i, (x, y) in enumerate(samples):
        for j, number in enumerate(x if isinstance(x, list | tuple) else [x]):
            _check_finite(f"xs[{i}][{j}]" if isinstance(x, list | tuple) else f"xs[{i}]", number)
        _check_finite(f"ys[{i}]", y)
    _check_count(model, start)
    if samples:
        _check_one_number("the model", model(samples[0][0], *[Value(x) for x in start]))
    rows_of = rows_at(model, xs, len(start))

    def linearise(parameters: list[float]) -> Linear:
        rows = rows_of(parameters)
        residuals = [value - y for (value, _), (_, y) in zip(rows, samples, strict=True)]
        return Linear(
            residuals, [list(column) for column in zip(*(g for _, g in rows), strict=True)]
        )

    def place(i: int) -> str:
        return f"the model at xs[{i}] = {samples[i][0]!r}"

    names, size = _parameter_names(model, len(start)), math.hypot(*ys)
    return _fit(linearise, start, len(samples), "samples", place, names, size, max_iterations)


def least_squares(
    residuals: Callable[[list[Any]], Sequence[Any]], p0: Any, max_iterations: int = 1000
) -> Fit:
    """Return the `Fit` that makes the sum of the squares of `residuals(parameters)` least.

    `residuals` takes the list of the parameters and returns a list of numbers, at least as many,
    as for `scipy.optimize.least_squares`: differences from data, each divided by its standard
    deviation if those differ, or equations that should be 0. All else is as for `curve_fit`.

    >>> fit = least_squares(lambda p: [p[0] ** 2 + p[1] - 3, p[0] - p[1] + 1], [1.0, 1.0])
    >>> [round(p, 9) for p in fit.parameters]
    [1.0, 2.0]
    """
    start = _vector("p0", p0)
    count = _check_residuals(residuals, start)
    units = [[float(i == j) for i in range(len(start))] for j in range(len(start))]

    def columns(parameters: list[Any]) -> list[Any]:
        return [jvp(residuals, (parameters,), (unit,)) for unit in units]

    program = compiled_or_eager(columns)

    def linearise(parameters: list[float]) -> Linear:
        moved = program(parameters)
        return Linear(list(moved[0][0]), [list(column) for _, column in moved])

    def place(i: int) -> str:
        return f"residual {i}"

    name = next(iter(inspect.signature(residuals).parameters), "p")
    names = [f"{name}[{i}]" for i in range(len(start))]
    return _fit(linearise, start, count, "residuals", place, names, 0.0, max_iterations)


def minimize(f: Callable[[list[Any]], Any], x0: Any, max_iterations: int = 1000) -> Minimum:
    """Return a `Minimum` of `f(x)`, going down from the list of numbers `x0`.

    The method is Newton's with conjugate gradients in a trust region, `trust-ncg` of
    `scipy.optimize.minimize`; the products with the Hessian are exact (`hvp`). `f` takes the list
    of the variables and returns a number; it is compiled where it can be. The minimum found is the
    one that lies downhill from `x0`, and need not be the lowest; of a point of gradient 0 that is
    a saddle it may not get away. Variables of very different sizes take longer: scale them.

    Raises ValueError for numbers that are not finite, TypeError for what is not a number,
    RuntimeError, saying where it stood, if the method does not converge in `max_iterations`, and
    what f raises at `x0`.

    >>> minimum = minimize(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, [-1.2, 1.0])
    >>> [round(x, 9) for x in minimum.x], minimum.fun < 1e-20
    ([1.0, 1.0], True)
    """
    start = _vector("x0", x0)
    _check_one_number("f", _at_start(f, start))
    value_and_gradient = compiled_or_eager(value_and_grad(f))
    curvature = compiled_or_eager(lambda x, v: hvp(f, (x,), (v,)))
    _check_finite("f(x0)", value_and_gradient(start)[0])
    stopped = newton_cg(value_and_gradient, curvature, start, max_iterations)
    if not stopped.converged:
        raise RuntimeError(
            f"no convergence: {stopped.message}; it stood at f = {stopped.value!r}, with a "
            f"gradient of size {math.hypot(*stopped.gradient):.3g}, at x = {stopped.x!r}"
        )
    return Minimum(stopped.x, stopped.value, stopped.gradient, stopped.iterations, stopped.message)


def _fit(
    linearise: Callable[[list[float]], Linear],
    start: list[float],
    count: int,
    things: str,
    place: Callable[[int], str],
    names: list[str],
    size: float,
    max_iterations: int,
) -> Fit:
    if count < len(start):
        raise ValueError(
            f"{len(start)} parameters need at least as many {things}, but there are {count}"
        )
    here = linearise(start)
    for i, (residual, *slopes) in enumerate(zip(here.residuals, *here.columns, strict=True)):
        if not math.isfinite(residual):
            raise ValueError(f"{place(i)} is {residual} at the start, {start!r}: start elsewhere")
        for j, slope in enumerate(slopes):
            if not math.isfinite(slope):
                raise ValueError(
                    f"the derivative of {place(i)} by parameter {j} is {slope} at the start, "
                    f"{start!r}: start elsewhere"
                )
    if math.isinf(math.fsum(residual * residual for residual in here.residuals)):
        raise ValueError(
            f"the sum of the squares is too large for a float at the start, {start!r}: "
            "start elsewhere, or scale the numbers down"
        )
    try:
        solution = least_squares_minimum(linearise, start, max_iterations, size)
    except NotConverged as error:
        where = "stuck at the start" if error.parameters == start else "it stood"
        raise RuntimeError(
            f"no convergence: {error}; {where}, at a sum of squares of "
            f"{error.length * error.length!r}, at the parameters {error.parameters!r}: "
            "try another start, or fewer parameters"
        ) from None
    lack = _lack(solution, start, names)
    if solution.parameters == start and solution.length:
        if lack:
            raise ValueError(lack)
        _check_downhill(linearise, start, solution.length, names)
    if lack:
        warnings.warn(f"the covariance is infinite: {lack}", OptimizeWarning, stacklevel=3)
    covariance, errors = _covariance(solution, 0 if lack else count - len(start))
    return Fit(
        solution.parameters,
        errors,
        covariance,
        solution.length * solution.length,
        solution.iterations,
        solution.message,
    )


def _check_downhill(
    linearise: Callable[[list[float]], Linear], start: list[float], length: float, names: list[str]
) -> None:
    """Raise an error if the start, where the fit stayed, is a saddle or a maximum of the sum."""
    for i, name in enumerate(names):
        for t in (1e-6, -1e-6):
            point = list(start)
            point[i] += t * max(1.0, abs(start[i]))
            if math.hypot(*linearise(point).residuals) < (1 - 1e-15) * length:
                raise ValueError(
                    f"stuck at the start: the sum of squares is stationary there, and no minimum, "
                    f"as it falls with {name}: start elsewhere"
                )


def _lack(solution: Solution, start: list[float], names: list[str]) -> str:
    """Return why the parameters are not all determined, "" if they are."""
    rank, n = solution.jacobian.rank(), len(solution.parameters)
    if rank == n:
        return ""
    flat = [names[i] for i in range(n) if solution.flat[i]]
    if flat:
        where = "there"
        if solution.parameters != start:
            where = f"at {solution.parameters!r}, where the fit ended"
        stuck = all(solution.parameters[i] == start[i] for i in range(n) if solution.flat[i])
        return (
            f"{'stuck at the start: ' if stuck else ''}the derivative by {' and by '.join(flat)} "
            f"is 0 {where}: start elsewhere, or leave out what has no effect"
        )
    redundant = " and ".join(sorted(names[i] for i in solution.jacobian.order[rank:]))
    return (
        f"the data do not determine all {n} parameters: at {solution.parameters!r} the Jacobian "
        f"has rank {rank}, and {redundant} is redundant, as the others can replace it: "
        "leave it out, or fix it"
    )


def _covariance(
    solution: Solution, degrees_of_freedom: int
) -> tuple[list[list[float]], list[float]]:
    """Return the covariance of the parameters, and their standard deviations."""
    n = len(solution.parameters)
    if not degrees_of_freedom:
        return [[math.inf] * n for _ in range(n)], [math.inf] * n
    inverse = solution.jacobian.inverse_of_normal_matrix()
    deviation = solution.length / math.sqrt(degrees_of_freedom)
    # In the unit of each parameter: squares of small deviations are lost.
    units = [deviation / scale for scale in solution.scale]
    covariance = [[units[i] * inverse[i][j] * units[j] for j in range(n)] for i in range(n)]
    return covariance, [units[i] * math.sqrt(inverse[i][i]) for i in range(n)]


def _check_count(model: Callable[..., Any], start: list[float]) -> None:
    try:
        signature = inspect.signature(model)
    except ValueError:  # it has none
        return
    try:
        signature.bind(None, *start)
    except TypeError as error:
        raise TypeError(
            f"the model is called with x and as many parameters as p0 has, here {len(start)}, and "
            f"takes ({', '.join(signature.parameters)}): {error}"
        ) from None


def _parameter_names(model: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(model).parameters.values())[1:]
    except ValueError:  # it has no signature
        parameters = []
    if len(parameters) < count or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return [f"parameter {i}" for i in range(count)]
    return [p.name for p in parameters[:count]]


def _at_start(f: Callable[[list[Any]], Any], start: list[float]) -> Any:
    try:
        return f([Value(x) for x in start])
    except TypeError as error:
        advise_star(error, f, [start])
        if type(error) is TypeError and len(start) == 1:
            error.args = (f"{error}; the function gets a list, here of one number: write x[0]",)
        raise


def _check_one_number(name: str, result: Any) -> None:
    if not (isinstance(result, Value) or is_real(result)):
        raise TypeError(f"{name} must return one number, got {result!r} ({type(result).__name__})")


def _check_residuals(f: Callable[[list[Any]], Any], start: list[float]) -> int:
    """Return how many residuals there are."""
    result = _at_start(f, start)
    if not isinstance(result, list | tuple):
        raise TypeError(
            f"residuals must return a list of numbers, got {result!r} ({type(result).__name__})"
        )
    return len(result)


def _listed(name: str, items: Any) -> list[Any]:
    """Return the items as a list, and a numpy array as lists of floats."""
    items = items.tolist() if hasattr(items, "tolist") else items
    if not isinstance(items, Iterable) or isinstance(items, str | bytes | dict):
        raise TypeError(f"{name} must be a list, got {items!r} ({type(items).__name__})")
    return [item.tolist() if hasattr(item, "tolist") else item for item in items]


def _vector(name: str, numbers: Any) -> list[float]:
    found = [numbers] if is_real(numbers) else _listed(name, numbers)
    if not found:
        raise ValueError(f"{name} is empty: there is nothing to find")
    for i, number in enumerate(found):
        _check_finite(f"{name}[{i}]", number)
    return [float(number) for number in found]


def _check_finite(name: str, number: Any) -> None:
    if not is_real(number):
        raise TypeError(f"{name} must be a number, got {number!r} ({type(number).__name__})")
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number!r}: only finite numbers can be fitted")
