"""Minima of functions, with the names and arguments of `scipy.optimize.minimize`.

>>> f = lambda x: (x[0] - 2) ** 2 + (x[1] + 1) ** 4
>>> found = minimize(f, [0.0, 0.0], bounds=[(0, 1), (-3, 3)])
>>> [round(x, 3) for x in found.x], found.active_mask
([1.0, -1.0], [1, 0])
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from scalargrad.fitting.arguments import (
    EXACT,
    Result,
    box_around,
    check_finite,
    check_method,
    checked_function,
    refuse,
    vector,
)
from scalargrad.fitting.models import compiled_or_eager
from scalargrad.fitting.newton_cg import newton_cg
from scalargrad.transforms.functional import hvp, value_and_grad


@dataclass(frozen=True)
class Minimum(Result):
    """A minimum of a function, with the names of `scipy.optimize.OptimizeResult`."""

    x: list[float]
    # The function's value and its gradient there.
    fun: float
    jac: list[float]
    # The number of iterations.
    nit: int
    # Why the method stopped.
    message: str
    # How often it computed the value and the gradient, and how often the Hessian times a vector.
    nfev: int
    nhev: int
    # For each variable -1 if it is at its lower bound, 1 if at its upper one, else 0.
    active_mask: list[int]
    status: int = 0
    success: bool = True


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str | None = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable[..., Any] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    fixed: Any = (),
    max_iterations: int = 1000,
) -> Minimum:
    """Return a `Minimum` of `fun(x, *args)`, going down from the list of numbers `x0`.

    The method is Newton's with conjugate gradients in a trust region, `trust-ncg` of
    `scipy.optimize.minimize`; the products with the Hessian are exact (`hvp`). `fun` takes the list
    of the variables (an array, where `x0` is one) and returns a number; it is compiled if it can
    be. The method finds the minimum that lies downhill from `x0`, which need not be the lowest. It
    leaves a saddle or a maximum downhill; where the Hessian does not tell, `message` says so. It
    takes longer where the variables differ very much in size: scale them.

    `bounds` has a pair for each variable, with None for no bound, or is an object with SciPy's `lb`
    and `ub`: the function is never called outside. `fixed` has the indices of variables that stay.
    The method goes on until rounding ends it or, with `tol` or the option `gtol`, until the
    gradient is shorter than that; the option `maxiter` is `max_iterations`. `callback` gets the
    list x after each step (or, if its argument is called `intermediate_result`, an object with `x`
    and `fun`); it raises StopIteration to end the method.

    Raises ValueError for numbers that are not finite or out of bounds, TypeError for what is not a
    number and for arguments that are not there, RuntimeError, saying where it stood, if the method
    does not converge (SciPy: `success` is False), and what `fun` raises at `x0`.

    >>> minimum = minimize(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, [-1.2, 1.0])
    >>> [round(x, 9) for x in minimum.x], minimum.fun < 1e-20
    ([1.0, 1.0], True)
    """
    check_method("minimize", method, "trust-ncg", "Newton's with conjugate gradients")
    refuse("minimize", EXACT, jac=jac, hess=hess, hessp=hessp)
    penalty = "It takes bounds; for a constraint, add a penalty to the function."
    refuse("minimize", penalty, constraints=constraints or None)
    start = vector("x0", x0)
    args = args if isinstance(args, tuple) else (args,)
    f = checked_function(fun, "f", False, x0, args, None)
    names = [f"x0[{i}]" for i in range(len(start))]
    box = box_around(start, _sides(bounds, len(start)), fixed, names)
    settings = {"maxiter": max_iterations, "gtol": tol or 0.0, **(options or {})}
    settings.pop("disp", None)
    if unknown := settings.keys() - {"maxiter", "gtol"}:
        raise TypeError(
            f"minimize takes the options maxiter and gtol, not {', '.join(sorted(unknown))}"
        )
    value_and_gradient = compiled_or_eager(value_and_grad(f))
    curvature = compiled_or_eager(lambda x, v: hvp(f, (x,), (v,)))
    counts = {"nfev": 0, "nhev": 0}

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*numbers: Any) -> Any:
            counts[name] += 1
            return function(*numbers)

        return call

    check_finite("f(x0)", value_and_gradient(start)[0])
    stopped = newton_cg(
        counted("nfev", value_and_gradient),
        counted("nhev", curvature),
        *(start, box, settings["maxiter"], settings["gtol"]),
        None if callback is None else _ends(callback),
    )
    if not stopped.converged:
        raise RuntimeError(
            f"no convergence: {stopped.message}; it stood at f = {stopped.value!r}, with a "
            f"gradient of size {math.hypot(*stopped.gradient):.3g}, at x = {stopped.x!r}"
        )
    return Minimum(
        *(stopped.x, stopped.value, stopped.gradient, stopped.iterations, stopped.message),
        *(counts["nfev"], counts["nhev"], box.active(stopped.x)),
    )


def _sides(bounds: Any, count: int) -> Any:
    """Return bounds as a pair of lower and upper ones, from a pair for each variable."""
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb"):
        return bounds
    pairs = list(bounds) if isinstance(bounds, Sequence) else None
    if pairs is None or any(not isinstance(p, list | tuple) or len(p) != 2 for p in pairs):
        raise ValueError(f"bounds are a pair (lower, upper) for each variable, got {bounds!r}")
    if len(pairs) != count:
        raise ValueError(f"there are {count} variables, but {len(pairs)} pairs of bounds")
    return [lower for lower, _ in pairs], [upper for _, upper in pairs]


def _ends(callback: Callable[..., Any]) -> Callable[[list[float], float], bool]:
    """Return a function that calls the callback and says whether it ends the method."""
    named = set(inspect.signature(callback).parameters) == {"intermediate_result"}

    def ends(x: list[float], value: float) -> bool:
        try:
            if named:
                callback(intermediate_result=SimpleNamespace(x=list(x), fun=value))
            else:
                callback(list(x))
        except StopIteration:
            return True
        return False

    return ends
