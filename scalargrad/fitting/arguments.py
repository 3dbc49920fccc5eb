"""The arguments of fits, checked: functions, numbers, bounds; and the base of their results."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple

from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.transforms.starred import advise_star

EXACT = "Derivatives are exact here, and computed where they are needed."


class Result:
    """What a fit returns: an attribute can also be read as an item, as with SciPy."""

    nfev: int
    active_mask: list[int]

    @property
    def njev(self) -> int:
        """How often the derivatives were computed: as often as the function."""
        return self.nfev

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class Box(NamedTuple):
    """The least and the largest number that each parameter may have: every step stays inside.

    >>> box = Box([0.0, -math.inf], [1.0, math.inf])
    >>> box.clamped([2.0, 5.0]), box.held([1.0, 5.0], [-3.0, -3.0])
    ([1.0, 5.0], [True, False])
    """

    lower: list[float]
    upper: list[float]

    def clamped(self, x: Sequence[float]) -> list[float]:
        """Return the point of the box that is closest to x."""
        return [min(max(a, lo), hi) for a, lo, hi in zip(x, self.lower, self.upper, strict=True)]

    def held(self, x: Sequence[float], slopes: Sequence[float]) -> list[bool]:
        """Return which parameters are at a bound that a step downhill would cross.

        `slopes` are the derivatives by the parameters. One whose bounds are equal is always held.
        """
        return [
            lo == hi or (a <= lo and slope > 0) or (a >= hi and slope < 0)
            for a, lo, hi, slope in zip(x, self.lower, self.upper, slopes, strict=True)
        ]

    def active(self, x: Sequence[float]) -> list[int]:
        """Return for each parameter -1 if it is at its lower bound, 1 at the upper, else 0."""
        return [
            -1 if a <= lo else int(a >= hi)
            for a, lo, hi in zip(x, self.lower, self.upper, strict=True)
        ]


def box_of(bounds: Any, names: Sequence[str]) -> Box:
    """Return the box of bounds: a pair, or an object such as SciPy's Bounds.

    Each side is a number for all parameters, or one for each, None for no bound. Raises TypeError
    for what is no number, and ValueError for another length, nan, or a lower bound above the upper.
    """
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = bounds.lb, bounds.ub
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise ValueError(
            f"bounds are a pair, (lower, upper), each a number or a list of numbers, got {bounds!r}"
        )
    sides = []
    for which, side, endless in zip(("lower", "upper"), bounds, (-math.inf, math.inf), strict=True):
        side = side.tolist() if hasattr(side, "tolist") else side
        numbers = [side] * len(names) if side is None or is_real(side) else list(side)
        if len(numbers) != len(names):
            raise ValueError(
                f"there are {len(names)} parameters, but {len(numbers)} {which} bounds: "
                "give a number for all of them, or one for each"
            )
        for name, number in zip(names, numbers, strict=True):
            if number is not None and not is_real(number):
                raise TypeError(f"the {which} bound of {name} must be a number, got {number!r}")
        sides.append([endless if number is None else float(number) for number in numbers])
    for name, lo, hi in zip(names, *sides, strict=True):
        if not lo <= hi:
            raise ValueError(f"the bounds of {name} are {lo} and {hi}: the lower one comes first")
    return Box(*sides)


def box_around(start: Sequence[float], bounds: Any, fixed: Any, names: Sequence[str]) -> Box:
    """Return the box of bounds and of fixed parameters. Raises ValueError if start is outside."""
    box = box_of(bounds, names)
    for name, x, lo, hi in zip(names, start, *box, strict=True):
        if not lo <= x <= hi:
            raise ValueError(
                f"the start is outside of the bounds: {name} is {x!r}, and must be from {lo} "
                f"to {hi}"
            )
    for which in [fixed] if isinstance(fixed, str | int) else fixed:
        if which in names:
            which = names.index(which)
        if not isinstance(which, int) or not 0 <= which < len(names):
            raise ValueError(
                f"there is no parameter {which!r} to fix: there are {', '.join(names)}"
            )
        box.lower[which] = box.upper[which] = start[which]
    return box


def refuse(function: str, there: str, **given: Any) -> None:
    """Raise TypeError for the first argument that is given and that a function does not have.

    >>> refuse("minimize", "Newton's method", hess=None)
    """
    for name, x in given.items():
        if x is not None:
            raise TypeError(f"{function} takes no {name}: leave {name}={x!r} out. {there}")


def check_method(function: str, method: Any, only: str, what: str) -> None:
    """Raise ValueError for another method than the one that there is."""
    if method not in (None, only):
        raise ValueError(
            f"{function} has one method, {only!r} ({what}), and no {method!r}: leave method out"
        )


def listed(name: str, items: Any) -> list[Any]:
    """Return the items as a list, and a numpy array as lists of floats."""
    items = items.tolist() if hasattr(items, "tolist") else items
    if not isinstance(items, Iterable) or isinstance(items, str | bytes | dict):
        raise TypeError(f"{name} must be a list, got {items!r} ({type(items).__name__})")
    return [item.tolist() if hasattr(item, "tolist") else item for item in items]


def vector(name: str, numbers: Any) -> list[float]:
    """Return the numbers as a list of floats: finite ones, at least one."""
    found = [numbers] if is_real(numbers) else listed(name, numbers)
    if not found:
        raise ValueError(f"{name} is empty: there is nothing to find")
    for i, number in enumerate(found):
        check_finite(f"{name}[{i}]", number)
    return [float(number) for number in found]


def check_finite(name: str, number: Any) -> None:
    """Raise an error unless this is a finite number."""
    if not is_real(number):
        raise TypeError(f"{name} must be a number, got {number!r} ({type(number).__name__})")
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number!r}: only finite numbers can be fitted")


def checked_function(
    f: Callable[..., Any], name: str, many: bool, like: Any, args: Sequence[Any], kwargs: Any
) -> Callable[[list[Any]], Any]:
    """Return f as a function of the list of parameters alone, whose result is checked.

    f gets an array if `like` is one, else the list. The result is one number or, if `many`, a list
    of numbers. TypeErrors say what a function of one list, or of `*xs`, should look like.
    """

    @wraps(f)
    def checked(x: list[Any]) -> Any:
        given: Any = x
        if hasattr(like, "astype"):
            given = like.astype(object)
            given[...] = x
        try:
            result = f(given, *args, **(kwargs or {}))
        except TypeError as error:
            if not args:
                advise_star(error, f, [x])
            text = str(error)
            if type(error) is TypeError and len(x) == 1 and "list" in text and "x[0]" not in text:
                error.args = (f"{text}; the function gets a list, here of one number: write x[0]",)
            raise
        result = result.tolist() if hasattr(result, "tolist") and many else result
        if not (isinstance(result, list | tuple) if many else is_number(result)):
            wanted = "a list of numbers" if many else "one number"
            kind = type(result).__name__
            raise TypeError(f"{name} must return {wanted}, got {result!r} ({kind})")
        return result

    return checked


def is_number(x: Any) -> bool:
    """Return whether x is a real number, or a Value or symbol in its place."""
    return isinstance(x, Tracer) or is_real(x)


def parameters_of(model: Callable[..., Any]) -> list[str]:
    """Return the names of a model's parameters, but for its first argument and those of a star."""
    try:
        found = list(inspect.signature(model).parameters.values())[1:]
    except ValueError:  # it has no signature
        return []
    return [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
