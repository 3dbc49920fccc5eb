"""Fitting: models to data by least squares, with SciPy's names and arguments.

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, Literal, overload

from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.fitting.arguments import (
    box_around,
    check_finite,
    check_method,
    checked_function,
    listed,
    parameter_names,
    refuse,
    vector,
)
from scalargrad.fitting.box import Box, box_of
from scalargrad.fitting.levenberg_marquardt import (
    EPSILON,
    Linear,
    NotConverged,
    Stops,
    least_squares_minimum,
    optimality,
)
from scalargrad.fitting.models import compiled_or_eager, rows_at
from scalargrad.fitting.orthogonal import QR
from scalargrad.fitting.robust import LOSSES, robust
from scalargrad.transforms.functional import jvp

# What curve_fit and least_squares take besides, by name.
Options = dict[str, Any]
_METHOD = "Levenberg and Marquardt's, which takes bounds and losses, too"
_EXACT = "Derivatives are exact here, and computed where they are needed."


class OptimizeWarning(UserWarning):
    """Given with a fit whose covariance is not known, as by `scipy.optimize`."""


@dataclass(frozen=True)
class Fit:
    """Parameters that make a sum of squares least, and how well the data determine them.

    It unpacks as the pair that `scipy.optimize.curve_fit` returns: `popt, pcov = fit`; and it has
    the attributes of what `scipy.optimize.least_squares` returns, from `x` on.
    """

    parameters: list[float]
    # The square roots of the covariance's diagonal: the standard deviations of the parameters, if
    # the errors of the samples are independent and, without sigma, all of one size.
    standard_errors: list[float]
    covariance: list[list[float]]
    # Of the residuals divided by sigma, where that is given.
    residual_sum_of_squares: float
    iterations: int
    # Why the method stopped, and SciPy's number for that.
    message: str
    status: int
    # Half of the sum of the losses, which are the squares unless another loss was chosen.
    cost: float
    # The residuals, and their derivatives (of a robust loss, rescaled): a row for each.
    fun: list[float]
    jac: list[list[float]]
    # The gradient of the cost, and how far it is from that of a minimum.
    grad: list[float]
    optimality: float
    # For each parameter -1 if it is at its lower bound, 1 if at its upper one, else 0.
    active_mask: list[int]
    nfev: int
    success: bool = True

    @property
    def x(self) -> list[float]:
        """The parameters."""
        return self.parameters

    @property
    def njev(self) -> int:
        """How often the derivatives were computed: as often as the residuals."""
        return self.nfev

    def __iter__(self) -> Iterator[Any]:
        return iter((self.parameters, self.covariance))


@overload
def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = ...,
    sigma: Any = ...,
    absolute_sigma: bool = ...,
    check_finite: bool = ...,
    bounds: Any = ...,
    method: str | None = ...,
    jac: Any = ...,
    *,
    full_output: Literal[False] = ...,
    **options: Any,
) -> Fit: ...
@overload
def curve_fit(f: Callable[..., Any], xdata: Any, ydata: Any, *args: Any, **options: Any) -> Any: ...
def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool = True,
    bounds: Any = (-math.inf, math.inf),
    method: str | None = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: Any = None,
    **options: Any,
) -> Any:
    """Return the `Fit` of `f(x, *parameters)` to samples `ydata` at `xdata`, from parameters `p0`.

    The sum of ((f(x, *parameters) - y) / sigma)**2 is made least, as by
    `scipy.optimize.curve_fit`, by Levenberg and Marquardt's method. The model is called for one
    sample at a time: x is an item of `xdata`, a number or a row of numbers (also where `xdata` has
    SciPy's shape, a row for each of several variables), and the parameters are numbers. It is
    written with the functions of scalargrad; its derivatives are exact, from compiled programs
    where the model can be compiled, and where it cannot from the eager engine, which takes longer.
    The minimum found is the one that lies downhill from `p0`, and need not be the lowest.

    `p0` starts at 1 if left out, or within the bounds. `sigma` has the standard deviations of the
    samples, or their covariance matrix; only if it is `absolute_sigma` the covariance of the
    parameters follows its size. `bounds` are two, each a number or a list: the model is never
    called outside. With `full_output` it returns SciPy's five: parameters, covariance, a dict with
    `nfev` and `fvec`, the message and its number. Options are those of `least_squares`: `fixed`
    has the names of parameters that stay as they are.

    Raises ValueError, saying which, for too few samples, for numbers that are not finite or out of
    bounds, and for a fit that is stuck at its start; TypeError for what is not a number and for
    arguments that are not there; RuntimeError, saying where it stood, if the method does not
    converge; and what the model raises at `p0`. Where the data do not determine all parameters, or
    there are no more samples than parameters, the covariance is infinite, with an
    `OptimizeWarning`.

    >>> popt, pcov = curve_fit(lambda x, a, b: a + b * x, [0, 1, 2], [1.0, 3.0, 5.0])
    >>> [round(p, 9) for p in popt]
    [1.0, 2.0]
    """
    check_method("curve_fit", method, "lm", _METHOD)
    refuse("curve_fit", _EXACT, jac=jac)
    refuse("curve_fit", "Leave samples that are nan out, too.", nan_policy=nan_policy)
    xs, ys = _samples(xdata, ydata, check_finite)
    lower, upper = _sides(bounds)
    start = _first(f, lower, upper) if p0 is None else vector("p0", p0)
    _check_count(f, start)
    names = parameter_names(f, len(start))

    def model(x: Any, *parameters: Any) -> Any:
        value = f(x, *parameters)
        if not (isinstance(value, Tracer) or is_real(value)):
            kind = type(value).__name__
            raise TypeError(f"the model must return one number, got {value!r} ({kind})")
        return value

    rows_of = rows_at(model, xs, len(start))
    whiten = _whitening(sigma, len(ys))

    def linearise(parameters: list[float]) -> tuple[list[float], list[list[float]]]:
        rows = rows_of(parameters)
        residuals = [value - y for (value, _), y in zip(rows, ys, strict=True)]
        columns = [list(column) for column in zip(*(g for _, g in rows), strict=True)]
        return whiten(residuals), list(map(whiten, columns))

    def place(i: int) -> str:
        return f"the model at xdata[{i}] = {xs[i]!r}"

    if "maxfev" in options:
        options["max_nfev"] = options.pop("maxfev")
    fit = _fit(
        *("curve_fit", linearise, start, len(ys), "samples", place, names),
        *(math.hypot(*whiten(ys)), absolute_sigma, lower, upper, options),
    )
    if not full_output:
        return fit
    details = {"nfev": fit.nfev, "fvec": fit.fun}
    return fit.parameters, fit.covariance, details, fit.message, fit.status


def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    bounds: Any = (-math.inf, math.inf),
    method: str | None = None,
    ftol: float | None = None,
    xtol: float | None = None,
    gtol: float | None = None,
    x_scale: Any = None,
    loss: str = "linear",
    f_scale: float = 1.0,
    *,
    max_nfev: int | None = None,
    args: Sequence[Any] = (),
    kwargs: Any = None,
    **options: Any,
) -> Fit:
    """Return the `Fit` that makes the sum of the squares of `fun(x, *args, **kwargs)` least.

    `fun` takes the list of the parameters (an array, where `x0` is one) and returns a list of
    numbers, at least as many, as for `scipy.optimize.least_squares`: differences from data, each
    divided by its standard deviation if those differ, or equations that should be 0.

    `loss` is "linear", or one in which residuals larger than `f_scale` count for less: "soft_l1",
    "huber", "cauchy" or "arctan". Without `ftol`, `xtol` and `gtol` it goes on until rounding
    ends it; `x_scale` has the sizes of steps, in place of sizes found from the derivatives.
    Further options are `fixed`, the indices of parameters that stay as they are, and
    `max_iterations`, which is 1000. All else is as for `curve_fit`.

    >>> fit = least_squares(lambda p: [p[0] ** 2 + p[1] - 3, p[0] - p[1] + 1], [1.0, 1.0])
    >>> [round(p, 9) for p in fit.x]
    [1.0, 2.0]
    """
    check_method("least_squares", method, "lm", _METHOD)
    refuse("least_squares", _EXACT, jac=jac)
    start = vector("x0", x0)
    residuals = checked_function(fun, "residuals", True, x0, args, kwargs)
    units = [[float(i == j) for i in range(len(start))] for j in range(len(start))]
    program = compiled_or_eager(lambda x: [jvp(residuals, (x,), (unit,)) for unit in units])

    def linearise(parameters: list[float]) -> tuple[list[float], list[list[float]]]:
        moved = program(parameters)
        return list(moved[0][0]), [list(column) for _, column in moved]

    def place(i: int) -> str:
        return f"residual {i}"

    name = next(iter(inspect.signature(fun).parameters), "x")
    names = [f"{name}[{i}]" for i in range(len(start))]
    named = {"ftol": ftol, "xtol": xtol, "gtol": gtol, "x_scale": x_scale, "loss": loss}
    return _fit(
        *("least_squares", linearise, start, None, "residuals", place, names, 0.0, False),
        *_sides(bounds),
        {**named, "f_scale": f_scale, "max_nfev": max_nfev, **options},
    )


def _fit(
    function: str,
    derivatives: Callable[[list[float]], tuple[list[float], list[list[float]]]],
    start: list[float],
    count: int | None,
    things: str,
    place: Callable[[int], str],
    names: list[str],
    size: float,
    absolute_sigma: bool,
    lower: Any,
    upper: Any,
    options: Options,
) -> Fit:
    stops, scale, rho, f_scale, fixed = _read(function, options, start)
    box = box_around(start, lower, upper, fixed, names)
    free = [lo < hi for lo, hi in zip(*box, strict=True)]
    nfev = 0

    def linearise(parameters: list[float]) -> Linear:
        nonlocal nfev
        nfev += 1
        residuals, columns = derivatives(parameters)
        linear = Linear(residuals, columns, math.hypot(*residuals))
        return linear if rho is None else robust(linear, rho, f_scale, 1e-3)

    here = linearise(start) if count is None or count >= sum(free) else None
    count = len(here.residuals) if here is not None else count
    if here is None or len(here.residuals) < sum(free):
        raise ValueError(
            f"{sum(free)} parameters need at least as many {things}, but there are {count}"
        )
    _check_start(here, start, place)
    try:
        solution = least_squares_minimum(linearise, start, box, stops, size, scale)
    except NotConverged as error:
        where = "stuck at the start" if error.parameters == start else "it stood"
        raise RuntimeError(
            f"no convergence: {error}; {where}, at a sum of squares of "
            f"{error.length * error.length!r}, at the parameters {error.parameters!r}: "
            "try another start, or fewer parameters"
        ) from None
    found, length = solution.parameters, solution.here.length
    raw, columns = derivatives(found)
    here = Linear(raw, columns, math.hypot(*raw))
    here = here if rho is None else robust(here, rho, f_scale, EPSILON)
    lack = _lack(here, found, start, names, free)
    if found == start and length and any(free):
        if lack:
            raise ValueError(lack)
        _check_downhill(linearise, start, length, names, box)
    degrees = len(here.residuals) - sum(free)
    exact = not lack and not degrees and not absolute_sigma
    if exact:
        lack = f"there are as many {things} as parameters"
    if lack and not (exact and function == "least_squares"):  # equations have no covariance
        warnings.warn(f"the covariance is infinite: {lack}", OptimizeWarning, stacklevel=3)
    deviation = 1.0 if absolute_sigma else length / math.sqrt(degrees or 1)
    covariance, errors = _covariance(here, math.inf if lack else deviation, free)
    return Fit(
        *(found, errors, covariance, math.hypot(*raw) ** 2),
        *(solution.iterations, solution.message, solution.status, length * length / 2),
        raw,
        [list(row) for row in zip(*here.columns, strict=True)],
        [math.fsum(map(mul, column, here.residuals)) for column in here.columns],
        optimality(found, here, box),
        box.active(found),
        nfev,
    )


def _read(
    function: str, options: Options, start: list[float]
) -> tuple[Stops, list[float] | None, Any, float, Any]:
    """Return what the options of a fit say, with their defaults."""
    given = {name: x for name, x in options.items() if x is not None}
    fixed, loss = given.pop("fixed", ()), given.pop("loss", "linear")
    f_scale, x_scale = given.pop("f_scale", 1.0), given.pop("x_scale", "jac")
    stops = {name: given.pop(name) for name in Stops._fields if name in given}
    if given:
        there = ", ".join([*Stops._fields, "x_scale", "loss", "f_scale", "fixed"])
        raise TypeError(f"{function} takes no {', '.join(given)}: besides it takes {there}")
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss is one of {', '.join(LOSSES)}, not {loss!r}")
    for name, x in {**stops, "f_scale": f_scale}.items():
        check_finite(name, x)
        if x < 0 or (name == "f_scale" and not x):
            raise ValueError(f"{name} must be above 0, got {x!r}")
    scale = None
    if not isinstance(x_scale, str):
        sizes = [x_scale] * len(start) if is_real(x_scale) else vector("x_scale", x_scale)
        if len(sizes) != len(start) or not all(size > 0 for size in sizes):
            raise ValueError(f"x_scale has a number above 0 for each parameter, got {x_scale!r}")
        scale = [1 / size for size in sizes]
    elif x_scale != "jac":
        raise ValueError(f"x_scale is 'jac', a number or a list of numbers, not {x_scale!r}")
    return Stops(**stops), scale, LOSSES[loss], float(f_scale), fixed


def _samples(xdata: Any, ydata: Any, finite: bool) -> tuple[list[Any], list[Any]]:
    xs, ys = listed("xdata", xdata), listed("ydata", ydata)
    rows = all(isinstance(x, list | tuple) and len(x) == len(ys) for x in xs)
    if xs and rows and len(xs) != len(ys):  # SciPy's shape
        xs = list(zip(*xs, strict=True))
    if len(xs) != len(ys):
        raise ValueError(f"xdata and ydata must be equally long, got {len(xs)} and {len(ys)}")
    if finite:
        for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
            for j, number in enumerate(x if isinstance(x, list | tuple) else [x]):
                row = isinstance(x, list | tuple)
                check_finite(f"xdata[{i}][{j}]" if row else f"xdata[{i}]", number)
            check_finite(f"ydata[{i}]", y)
    return xs, ys


def _sides(bounds: Any) -> tuple[Any, Any]:
    """Return the lower and the upper bounds of a pair, or of an object such as SciPy's Bounds."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise ValueError(
            f"bounds are a pair, (lower, upper), each a number or a list of numbers, got {bounds!r}"
        )
    return bounds[0], bounds[1]


def _first(f: Callable[..., Any], lower: Any, upper: Any) -> list[float]:
    """Return the parameters to start from where none are given: 1, or within the bounds."""
    parameters = list(inspect.signature(f).parameters.values())[1:]
    if not parameters or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        raise ValueError(
            "the model does not say how many parameters it has: give p0, the numbers to start from"
        )
    start = []
    for lo, hi in zip(*box_of(lower, upper, [p.name for p in parameters]), strict=True):
        if math.isfinite(lo) and math.isfinite(hi):
            start.append(lo / 2 + hi / 2)
        elif math.isfinite(lo):
            start.append(lo + 1)
        else:
            start.append(hi - 1 if math.isfinite(hi) else 1.0)
    return start


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


def _whitening(sigma: Any, count: int) -> Callable[[list[float]], list[float]]:
    """Return what makes residuals independent and of deviation 1, by their deviations.

    Of a covariance matrix C = L L', with a lower triangle L, that is to solve L w = r.
    """
    if sigma is None:
        return lambda numbers: numbers
    rows = [sigma] * count if is_real(sigma) else listed("sigma", sigma)
    if len(rows) != count:
        raise ValueError(f"sigma has a number or a row for each sample, {count}, got {len(rows)}")
    if not any(isinstance(row, list | tuple) for row in rows):
        deviations = vector("sigma", rows)
        if not all(deviation > 0 for deviation in deviations):
            raise ValueError(f"sigma has standard deviations, which are above 0, got {sigma!r}")
        return lambda numbers: [x / s for x, s in zip(numbers, deviations, strict=True)]
    triangle: list[list[float]] = []
    for i, row in enumerate(rows):
        numbers = vector(f"sigma[{i}]", row)
        if len(numbers) != count:
            raise ValueError(f"sigma[{i}] has {len(numbers)} numbers, and should have {count}")
        found: list[float] = []
        for j in range(i):
            known = math.fsum(map(mul, found, triangle[j]))
            found.append((numbers[j] - known) / triangle[j][j])
        rest = numbers[i] - math.fsum(map(mul, found, found))
        if not rest > 0:
            raise ValueError("sigma must be a covariance matrix, symmetric and positive definite")
        triangle.append([*found, math.sqrt(rest)])

    def whiten(numbers: list[float]) -> list[float]:
        white: list[float] = []
        for x, row in zip(numbers, triangle, strict=True):
            white.append((x - math.fsum(map(mul, row, white))) / row[-1])
        return white

    return whiten


def _check_start(here: Linear, start: list[float], place: Callable[[int], str]) -> None:
    for i, (residual, *slopes) in enumerate(zip(here.residuals, *here.columns, strict=True)):
        if not math.isfinite(residual):
            raise ValueError(f"{place(i)} is {residual} at the start, {start!r}: start elsewhere")
        for j, slope in enumerate(slopes):
            if not math.isfinite(slope):
                raise ValueError(
                    f"the derivative of {place(i)} by parameter {j} is {slope} at the start, "
                    f"{start!r}: start elsewhere"
                )
    if math.isinf(here.length * here.length):
        raise ValueError(
            f"the sum of the squares is too large for a float at the start, {start!r}: "
            "start elsewhere, or scale the numbers down"
        )


def _check_downhill(
    linearise: Callable[[list[float]], Linear],
    start: list[float],
    length: float,
    names: list[str],
    box: Box,
) -> None:
    """Raise an error if the start, where the fit stayed, is a saddle or a maximum of the sum."""
    for i, name in enumerate(names):
        for t in (1e-6, -1e-6):
            point = list(start)
            point[i] += t * max(1.0, abs(start[i]))
            if linearise(box.clamped(point)).length < (1 - 1e-15) * length:
                raise ValueError(
                    f"stuck at the start: the sum of squares is stationary there, and no minimum, "
                    f"as it falls with {name}: start elsewhere"
                )


def _lack(
    here: Linear, found: list[float], start: list[float], names: list[str], free: list[bool]
) -> str:
    """Return why the parameters are not all determined, "" if they are."""
    places = [i for i, x in enumerate(free) if x]
    qr = _scaled(here, free)[0] if places else None
    rank, n = qr.rank() if qr is not None else 0, len(places)
    if qr is None or rank == n:
        return ""
    flat = [i for i in places if not any(here.columns[i])]
    if flat:
        where = "there" if found == start else f"at {found!r}, where the fit ended"
        stuck = all(found[i] == start[i] for i in flat)
        return (
            f"{'stuck at the start: ' if stuck else ''}the derivative by "
            f"{' and by '.join(names[i] for i in flat)} is 0 {where}: start elsewhere, or leave "
            "out what has no effect"
        )
    redundant = " and ".join(sorted(names[places[k]] for k in qr.order[rank:]))
    return (
        f"the data do not determine all {n} parameters: at {found!r} the Jacobian has rank {rank}, "
        f"and {redundant} is redundant, as the others can replace it: leave it out, or fix it"
    )


def _scaled(here: Linear, free: list[bool]) -> tuple[QR, list[float]]:
    """Return the factorised columns of free parameters, each divided by the scale that follows."""
    columns = [column for column, is_free in zip(here.columns, free, strict=True) if is_free]
    scales = [math.hypot(*column) or 1.0 for column in columns]
    return QR([[x / s for x in c] for c, s in zip(columns, scales, strict=True)]), scales


def _covariance(
    here: Linear, deviation: float, free: list[bool]
) -> tuple[list[list[float]], list[float]]:
    """Return the covariance of the parameters, and their standard deviations: 0 of fixed ones."""
    n, places = len(free), [i for i, x in enumerate(free) if x]
    covariance, errors = [[0.0] * n for _ in range(n)], [0.0] * n
    if places and math.isfinite(deviation):
        qr, scales = _scaled(here, free)
        inverse = qr.inverse_of_normal_matrix()
        # In the unit of each parameter: squares of small deviations are lost.
        units = [deviation / scale for scale in scales]
    for k, i in enumerate(places):
        for m, j in enumerate(places):
            finite = math.isfinite(deviation)
            covariance[i][j] = units[k] * inverse[k][m] * units[m] if finite else math.inf
        errors[i] = units[k] * math.sqrt(inverse[k][k]) if math.isfinite(deviation) else math.inf
    return covariance, errors
