"""Gradients held against finite differences: ours, and those that somebody wrote by hand."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from scalargrad.checks.finite_differences import EPSILON, Estimate, along, estimate
from scalargrad.checks.inputs import Inputs, flat
from scalargrad.checks.one_sided import (
    Slopes,
    beside,
    kink,
    one_sided_slopes,
    roughness,
    roughness_beside,
)
from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value
from scalargrad.transforms.functional import grad


class GradientError(AssertionError):
    """Raised by the checks: the gradient is wrong, or no numerical one can be had to judge it."""


class UndecidedError(GradientError):
    """Raised where the gradient is neither right nor wrong: at kinks, and where nothing is told."""


class KinkError(UndecidedError):
    """Raised at a kink, where there is no derivative."""


def check_gradient(f: Callable[..., Any], gradient: Callable[..., Any], *inputs: Any) -> bool:
    """Return True if `gradient(*inputs)` is the gradient of `f(*inputs)` by finite differences.

    `f` is any function of plain numbers, or of nested lists, tuples and dicts of them, that
    returns one; `gradient` takes the same inputs and returns their derivatives: for one input a
    number or a nest like it, for several a list or tuple with one item for each. What is compared
    and raised is as for `gradcheck`; besides, TypeError where `gradient` returns another nesting.

    >>> check_gradient(lambda x, y: x * y**2, lambda x, y: [y**2, 2 * x * y], 3.0, 5.0)
    True
    >>> check_gradient(lambda xs: xs[0] * xs[1], lambda xs: [xs[1], 7.0], [3.0, 5.0])
    Traceback (most recent call last):
        ...
    scalargrad.checks.gradient_check.GradientError: the derivative by input 0[1] (5.0) is wrong: \
gradient gives 7.0, finite differences give 2.999999999999987 within 2.1e-13
    """
    point = Inputs(inputs)
    y = f(*point.nested(point.numbers))
    if not (isinstance(y, Value) or is_real(y)):
        raise TypeError(f"f must return one number, got {y!r} ({type(y).__name__})")

    def slopes_at(numbers: list[float]) -> list[Any]:
        return point.numbers_of(gradient(*point.nested(numbers)))

    _judge(f, point, slopes_at, "the derivative by {}", "gradient", lambda: 0.0)
    return True


def gradcheck(f: Callable[..., Any], *inputs: Any, order: int = 1) -> bool:
    """Return True if the rules give the derivatives of `f(*inputs)` that finite differences give.

    `f` takes Values, each input a number or nested lists, tuples and dicts of numbers, and returns
    one; or it is compiled, and then the differences are of its program. With `order=2` the second
    derivatives are checked, too. Each derivative must lie within the error bound of its numerical
    estimate. Raises GradientError, naming the input, both numbers and the bound, where one does
    not, where the bound is too wide to judge by, and at a kink of f, whose two slopes it tells;
    TypeError if `f` returns no number; ValueError where f has no finite value on both sides of an
    input, and for an `order` that is not 1 or 2.

    >>> from scalargrad import relu, sin
    >>> gradcheck(lambda x, y: x * sin(y), 2.0, 0.5, order=2)
    True
    >>> gradcheck(relu, 0.0)
    Traceback (most recent call last):
        ...
    scalargrad.checks.gradient_check.KinkError: the derivative by input 0 (0.0) does not \
exist (backward gives 0.0): kink at 0.0: left slope 0, right slope 1
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order!r}")

    def of_values(*nests: Any) -> Any:
        given = Inputs(nests)
        return f(*given.nested([Value(x) for x in given.numbers]))

    # A compiled function takes plain numbers, and is told by what `compile` promises of it.
    compiled = hasattr(type(f), "source") and hasattr(type(f), "backward")
    point = Inputs(inputs)
    _check(f, f if compiled else of_values, point, "the derivative by {}")
    if order == 2:
        by_all = grad(f, tuple(range(len(point.arguments))))
        for i, name in enumerate(point.names):
            slope = _slope(by_all, i)
            _check(slope, slope, point, f"the second derivative by {name} and {{}}")
    return True


def _slope(gradient: Callable[..., Any], i: int) -> Callable[..., Any]:
    """Return the derivative by the i-th number of the inputs, as a function of them."""
    return lambda *nests: flat(gradient(*nests))[i]


def _check(f: Callable[..., Any], plain: Callable[..., Any], point: Inputs, what: str) -> None:
    """Check the rules' derivatives of `f`, which `plain` is for plain numbers."""
    noise = 0.0

    @wraps(f, updated=())
    def watched(*nests: Any) -> Any:
        nonlocal noise
        y = f(*nests)
        if isinstance(y, Value):
            noise = _rounding(y)
        elif not is_real(y):
            raise TypeError(f"f must return one number, got {y!r} ({type(y).__name__})")
        return y

    by_all = grad(watched, tuple(range(len(point.arguments))))

    def slopes_at(numbers: list[float]) -> list[Any]:
        return flat(by_all(*point.nested(numbers)))

    _judge(plain, point, slopes_at, what, "backward", lambda: noise)


def _rounding(y: Value) -> float:
    """Return what the rounding of every result in the graph of y does to y, likely at most."""
    nodes, seen = [y], {id(y)}
    for node in nodes:
        new = {id(parent): parent for parent in node.parents if id(parent) not in seen}
        seen.update(new)
        nodes += new.values()
    # Of a Function of several outputs the data are tuples.
    nodes = [node for node in nodes if is_real(node.data)]
    gradients = [node.grad for node in nodes]
    y.backward()
    results = (node for node in nodes if node.op)
    total = math.hypot(*(float(node.data) * float(node.grad) for node in results))
    for node, gradient in zip(nodes, gradients, strict=True):
        node.grad = gradient
    return 4 * EPSILON * total if math.isfinite(total) else 0.0


def _judge(
    f: Callable[..., Any],
    point: Inputs,
    slopes_at: Callable[[list[float]], list[Any]],
    what: str,
    who: str,
    noise_there: Callable[[], float],
) -> None:
    slopes = slopes_at(point.numbers)
    noise = noise_there()
    for i, (name, x, slope) in enumerate(zip(point.names, point.numbers, slopes, strict=True)):
        of_one = along(f, point, i)
        gradient = along(_slope(lambda *nests: slopes_at(flat(nests)), i), point, i)
        verdict = _verdict(of_one, gradient, x, float(slope), who, noise)
        if verdict is not None:
            raise type(verdict)(f"{what.format(name)} {verdict}")


def _verdict(
    f: Callable[[float], float],
    gradient: Callable[[float], float],
    x: float,
    given: float,
    who: str,
    noise: float,
) -> GradientError | None:
    """Return what is to be said against the derivative `given` of f at x, or None."""
    known_noise = noise
    noise = max(noise, roughness(f, x))
    found = estimate(f, x, noise)
    near = one_sided_slopes(f, x, noise)
    bend = kink(near)
    if bend:
        left, right = (_rounded(slope) for slope in bend)
        return KinkError(
            f"does not exist ({who} gives {given!r}): "
            f"kink at {x!r}: left slope {left}, right slope {right}"
        )
    if given == found.derivative == 0:
        return None
    size = abs(f(x)) / max(abs(x), 1.0)
    scale = max(_steepest(near), size)
    enough = max(0.01 * abs(found.derivative), 0.01 * abs(given), _NOUGHT * scale)
    if abs(given - found.derivative) <= found.error <= enough:
        return None
    if math.isfinite(given):
        # What rounding does to the gradient itself; and where it is another at each step from x,
        # as that of fmod(1, x) near 0, no difference can tell what it is at x.
        # At x itself it is what is judged.
        rough = max(roughness_beside(gradient, x, 2.0**i) for i in (0, 6, 12, 18, 24))
        error = found.error + 8 * rough
        enough = max(0.01 * abs(found.derivative), _NOUGHT * scale)
        if abs(given - found.derivative) <= error <= enough:
            return None
        # Close to a jump or a kink long steps see another function than short ones do.
        closer = (_estimate_or_nothing(f, x, noise, 2.0**-i) for i in (6, 12, 18))
        estimates = [found, *closer]
        usual = max(_usual(near), size, abs(given - found.derivative))
        known = found.error <= max(0.05 * abs(found.derivative), 1e-6 * usual)
        if (
            not known
            or abs(given - found.derivative) <= error
            or _jagged(f, x, given, found.derivative, known_noise)
            or not _refuted(given, estimates, near)
        ):
            return UndecidedError(
                f"cannot be judged: finite differences give {found.derivative!r} only within "
                f"{found.error:.1e} ({who} gives {given!r}); try another point"
            )
    return GradientError(
        f"is wrong: {who} gives {given!r}, "
        f"finite differences give {found.derivative!r} within {found.error:.1e}"
    )


# A derivative that is 0, or nearly, is known as exactly as rounding lets it: to this share of what
# the function's value over its input would be.
_NOUGHT = 1e-9


def _jagged(
    f: Callable[[float], float], x: float, given: float, found: float, noise: float
) -> bool:
    """Return whether f changes from float to float by more than its slope and rounding explain.

    So do floor(tan(x)) near a pole and fmod(1, x) near 0, which jump between any two floats. What
    is far too small for the difference of the two derivatives is none, as of x**3 near 0.
    """
    size = max(abs(f(x)), min(abs(given), abs(found)) * abs(x))
    for spacing in (2.0**i for i in (0, 6, 12)):
        rough = roughness(f, x, spacing)
        if rough > 8 * noise:
            # Where f(0) is 0, only the values beside it are rounded.
            lowest, *_, highest = beside(x, spacing)
            if rough < 1e-3 * abs(given - found) * (highest - lowest):
                continue
            if rough > 1e3 * 4 * EPSILON * max(size, abs(f(lowest)), abs(f(highest))):
                return True
    return False


def _usual(near: list[Slopes]) -> float:
    """Return the median size of the slopes."""
    return sorted([0.0, *(abs(s.central) for s in near)])[(len(near) + 1) // 2]


def _steepest(near: list[Slopes]) -> float:
    """Return the largest of the slopes over the longer steps."""
    longer = near[: (len(near) + 1) // 2]
    return max((max(abs(s.left), abs(s.right)) for s in longer), default=0.0)


def _estimate_or_nothing(
    f: Callable[[float], float], x: float, noise: float, closeness: float
) -> Estimate:
    try:
        return estimate(f, x, noise, closeness)
    except ValueError:
        return Estimate(math.nan, math.inf)


def _refuted(given: float, estimates: list[Estimate], near: list[Slopes]) -> bool:
    """Return whether all the evidence, from long and from short steps, is against `given`."""
    certain = [e for e in estimates if e.error <= abs(given - e.derivative) / 4]
    if len(certain) < 2:
        return False
    slopes = [e.derivative for e in certain]
    if max(slopes) - min(slopes) > abs(given - slopes[0]) / 4:
        return False
    found = min(certain, key=lambda e: e.error).derivative
    difference = abs(given - found)
    readable = [s for s in near if s.rounding <= difference / 8]
    if len(readable) < 3:
        return False
    before, last, closest = readable[-3:]
    doubt = abs(closest.central - last.central) + 2 * closest.rounding
    if abs(closest.central - given) + doubt < abs(closest.central - found):
        return False
    # Where the steps see f as it is there, the slopes on both sides approach one another.
    spread, spread_before = (
        max(abs(s.left - found), abs(s.right - found)) for s in (closest, before)
    )
    return spread <= max(difference / 4, spread_before / 2)


def _rounded(slope: float) -> str:
    # + 0.0 makes 0.0 of -0.0.
    return f"{round(slope, 6) + 0.0:g}" if abs(slope) < 1e6 else f"{slope:g}"
