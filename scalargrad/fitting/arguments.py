"""What users give to fits: lists, numbers and names, checked; and errors that say what there is."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.fitting.box import Box, box_of
from scalargrad.transforms.starred import advise_star


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


def box_around(
    start: Sequence[float], lower: Any, upper: Any, fixed: Any, names: Sequence[str]
) -> Box:
    """Return the box of bounds and of fixed parameters, which must hold the start."""
    box = box_of(lower, upper, names)
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


def parameter_names(model: Callable[..., Any], count: int) -> list[str]:
    """Return what the parameters of a model are called, after its first argument."""
    try:
        parameters = list(inspect.signature(model).parameters.values())[1:]
    except ValueError:  # it has no signature
        parameters = []
    if len(parameters) < count or any(p.kind is p.VAR_POSITIONAL for p in parameters[:count]):
        return [f"parameter {i}" for i in range(count)]
    return [p.name for p in parameters[:count]]


def checked_function(
    f: Callable[..., Any], name: str, many: bool, like: Any, args: Sequence[Any], kwargs: Any
) -> Callable[[list[Any]], Any]:
    """Return f as a function of the list of parameters alone, whose result is looked at.

    It gets the list as an array, if `like` is one. The result is one number or, if `many`, a list
    of numbers. An error of types says what a function of one list, or of `*xs`, should look like.
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
            if type(error) is TypeError and len(x) == 1 and "write x[0]" not in str(error):
                text = f"{error}; the function gets a list, here of one number: write x[0]"
                error.args = (text,)
            raise
        result = result.tolist() if hasattr(result, "tolist") and many else result
        if many and not isinstance(result, list | tuple):
            raise TypeError(
                f"{name} must return a list of numbers, got {result!r} ({type(result).__name__})"
            )
        if not many and not isinstance(result, Tracer) and not is_real(result):
            raise TypeError(
                f"{name} must return one number, got {result!r} ({type(result).__name__})"
            )
        return result

    return checked
