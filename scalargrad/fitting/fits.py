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
from itertools import product
from operator import mul
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.fitting.arguments import (
    EXACT,
    Box,
    Result,
    box_around,
    box_of,
    check_finite,
    check_method,
    checked_function,
    is_number,
    listed,
    parameters_of,
    refuse,
    vector,
)
from scalargrad.fitting.levenberg_marquardt import (
    EPSILON,
    Linear,
    NotConverged,
    Settings,
    least_squares_minimum,
    optimality,
)
from scalargrad.fitting.models import compiled_or_eager, rows_at
from scalargrad.fitting.orthogonal import QR
from scalargrad.fitting.robust import LOSSES, robust
from scalargrad.transforms.functional import jvp

# Residuals, and a column of derivatives for each parameter.
Derivatives = Callable[[list[float]], tuple[list[float], list[list[float]]]]
ENDLESS = (-math.inf, math.inf)
_METHOD = "Levenberg and Marquardt's, which takes bounds and losses, too"


class OptimizeWarning(UserWarning):
    """The warning with a fit whose covariance is not known, as in `scipy.optimize`."""


@dataclass(frozen=True)
class Fit(Result):
    """Parameters that make a sum of squares least, and how well the data determine them.

    It unpacks as the pair that `scipy.optimize.curve_fit` returns: `popt, pcov = fit`; and it has
    the attributes of what `scipy.optimize.least_squares` returns, from `x` on.
    """

    parameters: list[float]
    # The standard deviations of the parameters: the square roots of the covariance's diagonal. They
    # are right if the errors of the samples are independent and, without sigma, of equal size.
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
    # The residuals, and a row of derivatives for each (rescaled, where the loss is robust).
    fun: list[float]
    jac: list[list[float]]
    # The gradient of the cost, and how far it is from that of a minimum.
    grad: list[float]
    optimality: float
    # For each parameter -1 if it is at its lower bound, 1 if at its upper one, else 0.
    active_mask: list[int]
    nfev: int
    success: bool = True
    # Whether it unpacks as SciPy's five, and not as two.
    full_output: bool = False

    @property
    def x(self) -> list[float]:
        """The parameters."""
        return self.parameters

    def __iter__(self) -> Iterator[Any]:
        yield from (self.parameters, self.covariance)
        if self.full_output:
            yield from ({"nfev": self.nfev, "fvec": self.fun}, self.message, self.status)

    def __getitem__(self, name: Any) -> Any:
        return super().__getitem__(name) if isinstance(name, str) else tuple(self)[name]


def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool = True,
    bounds: Any = ENDLESS,
    method: str | None = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: Any = None,
    **options: Any,
) -> Fit:
    """Return the `Fit` of `f(x, *parameters)` to samples `ydata` at `xdata`, from parameters `p0`.

    It makes the sum of ((f(x, *parameters) - y) / sigma)**2 least, as `scipy.optimize.curve_fit`
    does, by Levenberg and Marquardt's method. The model is called for one sample at a time: x is an
    item of `xdata`, a number or a row of numbers (also where `xdata` has SciPy's shape, a row for
    each of several variables), and the parameters are numbers. Write it with the functions of
    scalargrad: its derivatives are exact. They come from compiled programs where the model can be
    compiled, else from the eager engine, which takes longer. The fit finds the minimum that lies
    downhill from `p0`, which need not be the lowest.

    `p0` is 1 for each parameter if left out, or within the bounds. `sigma` has the standard
    deviations of the samples, or their covariance matrix; with `absolute_sigma` the covariance of
    the parameters depends on its size, without only on its ratios. `bounds` are a pair, lower and
    upper, each a number or a list: the model is never called outside. With `full_output` the `Fit`
    unpacks as SciPy's five: parameters, covariance, a dict with `nfev` and `fvec`, the message and
    its number. Options are those of `least_squares`; `fixed` names parameters that stay.

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
    refuse("curve_fit", EXACT, jac=jac)
    refuse("curve_fit", "Leave samples that are nan out, too.", nan_policy=nan_policy)
    xs, ys = _samples(xdata, ydata, check_finite)
    start = _first(f, bounds) if p0 is None else vector("p0", p0)
    _check_count(f, start)
    names = parameters_of(f)[: len(start)]
    if len(names) < len(start):
        names = [f"parameter {i}" for i in range(len(start))]

    def model(x: Any, *parameters: Any) -> Any:
        value = f(x, *parameters)
        if not is_number(value):
            kind = type(value).__name__
            raise TypeError(f"the model must return one number, got {value!r} ({kind})")
        return value

    rows_of = rows_at(model, xs, len(start))
    whiten = _whitening(sigma, len(ys))

    def derivatives(parameters: list[float]) -> tuple[list[float], list[list[float]]]:
        rows = rows_of(parameters)
        residuals = [value - y for (value, _), y in zip(rows, ys, strict=True)]
        columns = [list(column) for column in zip(*(g for _, g in rows), strict=True)]
        return whiten(residuals), list(map(whiten, columns))

    def place(i: int) -> str:
        return f"the model at xdata[{i}] = {xs[i]!r}"

    if "maxfev" in options:
        options["max_nfev"] = options.pop("maxfev")
    problem = _Problem("curve_fit", derivatives, start, bounds, names, "samples", place)
    size = math.hypot(*whiten(ys))
    return problem.fit(_settings("curve_fit", options), size, absolute_sigma, full_output)


def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    bounds: Any = ENDLESS,
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
    "huber", "cauchy" or "arctan". Without `ftol`, `xtol` and `gtol` the fit goes on until rounding
    ends it; `x_scale` has the sizes of steps, if they should not be found from the derivatives.
    Further options are `fixed`, the indices of parameters that stay as they are, and
    `max_iterations`, which is 1000. All else is as for `curve_fit`.

    >>> fit = least_squares(lambda p: [p[0] ** 2 + p[1] - 3, p[0] - p[1] + 1], [1.0, 1.0])
    >>> [round(p, 9) for p in fit.x]
    [1.0, 2.0]
    """
    check_method("least_squares", method, "lm", _METHOD)
    refuse("least_squares", EXACT, jac=jac)
    start = vector("x0", x0)
    residuals = checked_function(fun, "residuals", True, x0, args, kwargs)
    units = [[float(i == j) for i in range(len(start))] for j in range(len(start))]
    program = compiled_or_eager(lambda x: [jvp(residuals, (x,), (unit,)) for unit in units])

    def derivatives(parameters: list[float]) -> tuple[list[float], list[list[float]]]:
        moved = program(parameters)
        return list(moved[0][0]), [list(column) for _, column in moved]

    name = next(iter(inspect.signature(fun).parameters), "x")
    names = [f"{name}[{i}]" for i in range(len(start))]
    given = {"ftol": ftol, "xtol": xtol, "gtol": gtol, "x_scale": x_scale, "loss": loss}
    settings = {**given, "f_scale": f_scale, "max_nfev": max_nfev, **options}
    problem = _Problem(
        "least_squares", derivatives, start, bounds, names, "residuals", "residual {}".format
    )
    return problem.fit(_settings("least_squares", settings))


@dataclass
class _Problem:
    """A fit as all of them are: residuals with their derivatives, a start, and words for errors."""

    function: str
    derivatives: Derivatives
    start: list[float]
    bounds: Any
    names: list[str]
    # What the residuals are of, and what the i-th of them is called.
    things: str
    place: Callable[[int], str]

    def fit(
        self,
        settings: Settings,
        size: float = 0.0,
        absolute_sigma: bool = False,
        full_output: bool = False,
    ) -> Fit:
        start, names = self.start, self.names
        box = box_around(start, self.bounds, settings.fixed, names)
        free = [i for i, (lo, hi) in enumerate(zip(*box, strict=True)) if lo < hi]
        scale = _inverse_sizes(settings.x_scale, len(start))
        rho, nfev = LOSSES[settings.loss], 0

        def linearise(parameters: list[float], least: float = 1e-3) -> Linear:
            nonlocal nfev
            nfev += 1
            residuals, columns = self.derivatives(parameters)
            linear = Linear(residuals, columns, math.hypot(*residuals))
            return linear if rho is None else robust(linear, rho, settings.f_scale, least)

        here = linearise(start)
        count = len(here.residuals)
        if count < len(free):
            raise ValueError(
                f"{len(free)} parameters need at least as many {self.things}, but there are {count}"
            )
        self._check_start(here)
        try:
            solution = least_squares_minimum(linearise, start, here, box, settings, size, scale)
        except NotConverged as error:
            where = "stuck at the start" if error.parameters == start else "it stood"
            total = "squares" if rho is None else "losses"
            raise RuntimeError(
                f"no convergence: {error}; {where}, at a sum of {total} of "
                f"{error.length * error.length!r}, at the parameters {error.parameters!r}: "
                "try another start, or fewer parameters"
            ) from None
        found, length = solution.parameters, solution.here.length
        here = linearise(found, EPSILON)
        scales = [math.hypot(*here.columns[i]) or 1.0 for i in free]
        qr = None
        if free:
            qr = QR([[x / s for x in here.columns[i]] for i, s in zip(free, scales, strict=True)])
        lack = "" if qr is None else self._lack(here, found, free, qr)
        if found == start and length and free:
            if lack:
                raise ValueError(lack)
            self._check_downhill(linearise, length, box)
        degrees = count - len(free)
        exact = not lack and not degrees and not absolute_sigma
        if exact:
            lack = f"there are as many {self.things} as parameters"
        if lack and not (exact and self.function == "least_squares"):  # equations have none
            warnings.warn(f"the covariance is infinite: {lack}", OptimizeWarning, stacklevel=3)
        deviation = 1.0 if absolute_sigma else length / math.sqrt(degrees or 1)
        covariance, errors = _covariance(
            None if lack else qr, [deviation / s for s in scales], free, len(start)
        )
        raw = self.derivatives(found)[0]
        return Fit(
            *(found, errors, covariance, math.hypot(*raw) ** 2),
            *(solution.iterations, solution.message, solution.status, length * length / 2),
            raw,
            [list(row) for row in zip(*here.columns, strict=True)],
            [math.fsum(map(mul, column, here.residuals)) for column in here.columns],
            optimality(found, here, box),
            box.active(found),
            nfev,
            full_output=full_output,
        )

    def _check_start(self, here: Linear) -> None:
        start = self.start
        for i, (residual, *slopes) in enumerate(zip(here.residuals, *here.columns, strict=True)):
            for what, x in [
                (self.place(i), residual),
                *(
                    (f"the derivative of {self.place(i)} by parameter {j}", slope)
                    for j, slope in enumerate(slopes)
                ),
            ]:
                if not math.isfinite(x):
                    raise ValueError(f"{what} is {x} at the start, {start!r}: start elsewhere")
        if math.isinf(here.length * here.length):
            raise ValueError(
                f"the sum of the squares is too large for a float at the start, {start!r}: "
                "start elsewhere, or scale the numbers down"
            )

    def _check_downhill(
        self, linearise: Callable[[list[float]], Linear], length: float, box: Box
    ) -> None:
        """Raise an error if the start is a saddle or a maximum of the sum."""
        for (i, name), t in product(enumerate(self.names), (1e-6, -1e-6)):
            point = list(self.start)
            point[i] += t * max(1.0, abs(point[i]))
            if linearise(box.clamped(point)).length < (1 - 1e-15) * length:
                raise ValueError(
                    f"stuck at the start: the sum of squares is stationary there, and no minimum, "
                    f"as it falls with {name}: start elsewhere"
                )

    def _lack(self, here: Linear, found: list[float], free: list[int], qr: QR) -> str:
        """Return why the data do not determine all free parameters, "" if they do."""
        start, names, rank, n = self.start, self.names, qr.rank(), len(free)
        if rank == n:
            return ""
        flat = [i for i in free if not any(here.columns[i])]
        if flat:
            where = "there" if found == start else f"at {found!r}, where the fit ended"
            stuck = all(found[i] == start[i] for i in flat)
            return (
                f"{'stuck at the start: ' if stuck else ''}the derivative by "
                f"{' and by '.join(names[i] for i in flat)} is 0 {where}: start elsewhere, or "
                "leave out what has no effect"
            )
        redundant = " and ".join(sorted(names[free[k]] for k in qr.order[rank:]))
        return (
            f"the data do not determine all {n} parameters: at {found!r} the Jacobian has rank "
            f"{rank}, and {redundant} is redundant, as the others can replace it: leave it out, or "
            "fix it"
        )


def _settings(function: str, options: dict[str, Any]) -> Settings:
    """Return the settings that the options of a fit name, checked."""
    given = {name: x for name, x in options.items() if x is not None}
    if unknown := [name for name in given if name not in Settings._fields]:
        there = ", ".join(Settings._fields)
        raise TypeError(f"{function} takes no {', '.join(unknown)}: besides it takes {there}")
    settings = Settings(**given)
    if not isinstance(settings.loss, str) or settings.loss not in LOSSES:
        raise ValueError(f"loss is one of {', '.join(LOSSES)}, not {settings.loss!r}")
    for name in given.keys() - {"loss", "x_scale", "fixed"}:
        check_finite(name, given[name])
        if given[name] < 0 or (name == "f_scale" and not given[name]):
            raise ValueError(f"{name} must be above 0, got {given[name]!r}")
    return settings


def _inverse_sizes(x_scale: Any, count: int) -> list[float] | None:
    """Return 1 divided by each parameter's size, None if that follows from the derivatives."""
    if isinstance(x_scale, str):
        if x_scale != "jac":
            raise ValueError(f"x_scale is 'jac', a number or a list of numbers, not {x_scale!r}")
        return None
    sizes = [x_scale] * count if is_real(x_scale) else vector("x_scale", x_scale)
    if len(sizes) != count or not all(size > 0 for size in sizes):
        raise ValueError(f"x_scale has a number above 0 for each parameter, got {x_scale!r}")
    return [1 / size for size in sizes]


def _samples(xdata: Any, ydata: Any, finite: bool) -> tuple[list[Any], list[Any]]:
    """Return xdata and ydata as lists of equal length, of finite numbers if asked for."""
    xs, ys = listed("xdata", xdata), listed("ydata", ydata)
    rows = all(isinstance(x, list | tuple) and len(x) == len(ys) for x in xs)
    if xs and rows and len(xs) != len(ys):  # SciPy's shape
        xs = list(zip(*xs, strict=True))
    if len(xs) != len(ys):
        raise ValueError(f"xdata and ydata must be equally long, got {len(xs)} and {len(ys)}")
    for i, (x, y) in enumerate(zip(xs, ys, strict=True) if finite else ()):
        row = isinstance(x, list | tuple)
        for j, number in enumerate(x if row else [x]):
            check_finite(f"xdata[{i}][{j}]" if row else f"xdata[{i}]", number)
        check_finite(f"ydata[{i}]", y)
    return xs, ys


def _first(f: Callable[..., Any], bounds: Any) -> list[float]:
    """Return SciPy's start where none is given: 1, or the middle of two bounds, or 1 from one."""
    names = parameters_of(f)
    if not names:
        raise ValueError(
            "the model does not say how many parameters it has: give p0, the numbers to start from"
        )

    def within(lo: float, hi: float) -> float:
        if math.isfinite(lo):
            return lo / 2 + hi / 2 if math.isfinite(hi) else lo + 1
        return hi - 1 if math.isfinite(hi) else 1.0

    return list(map(within, *box_of(bounds, names)))


def _check_count(model: Callable[..., Any], start: list[float]) -> None:
    """Raise TypeError unless the model can be called with x and as many parameters."""
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
    """Return the function that makes residuals independent, each with the deviation 1.

    With a covariance matrix C = L L', where L is a lower triangle, it solves L w = r.
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

    def whiten(numbers: Sequence[float]) -> list[float]:
        white: list[float] = []
        for x, row in zip(numbers, triangle, strict=False):
            white.append((x - math.fsum(map(mul, row, white))) / row[-1])
        return white

    for i, row in enumerate(rows):
        numbers = vector(f"sigma[{i}]", row)
        if len(numbers) != count:
            raise ValueError(f"sigma[{i}] has {len(numbers)} numbers, and should have {count}")
        # Cholesky: the next row of L solves the same equations, for the rows that are there.
        found = whiten(numbers)
        rest = numbers[i] - math.fsum(map(mul, found, found))
        if not rest > 0:
            raise ValueError("sigma must be a covariance matrix, symmetric and positive definite")
        triangle.append([*found, math.sqrt(rest)])
    return whiten


def _covariance(
    qr: QR | None, units: list[float], free: list[int], n: int
) -> tuple[list[list[float]], list[float]]:
    """Return the covariance of all `n` parameters, and their standard deviations: 0 if fixed.

    `qr` has the columns of the free ones, each divided by a scale, and `units` the deviation over
    that scale. Without `qr` the covariance is infinite.
    """
    if qr is None:
        units, inverse = [math.inf] * len(free), [[1.0] * len(free)] * len(free)
    else:
        inverse = qr.inverse_of_normal_matrix()
    covariance, errors = [[0.0] * n for _ in range(n)], [0.0] * n
    for (k, i), (m, j) in product(enumerate(free), repeat=2):
        covariance[i][j] = units[k] * inverse[k][m] * units[m]
    for k, i in enumerate(free):  # not the square root of the covariance, where squares underflow
        errors[i] = units[k] * math.sqrt(inverse[k][k])
    return covariance, errors
