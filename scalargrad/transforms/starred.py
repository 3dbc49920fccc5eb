"""What an error says where a function of `*xs` was given a list: `f([a, b])` for `f(*[a, b])`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.engine.errors import PACKAGE


def star_advice(f: Callable[..., Any], args: Sequence[Any]) -> str:
    """Return what to write if `f` takes `*xs` and got a list for them, else "".

    >>> def f(*xs):
    ...     return sum(xs)
    >>> star_advice(f, [[1.0, 2.0]])
    'f takes *xs: for a list of numbers write f(*xs), with the star'
    >>> star_advice(lambda xs: sum(xs), [[1.0, 2.0]])
    ''
    """
    import inspect  # only here: it takes a while to load

    code = getattr(inspect.unwrap(f), "__code__", None)
    if code is not None and code.co_filename.startswith(PACKAGE):
        return ""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function without a signature
        return ""
    for place, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL:
            if len(args) != place + 1 or not isinstance(args[place], list | tuple):
                return ""
            name = getattr(f, "__name__", "f")
            name = name if name.isidentifier() else "f"
            before = "".join(f"{p.name}, " for p in parameters[:place])
            starred = f"*{parameter.name}"
            return (
                f"{name} takes {starred}: for a list of numbers write {name}({before}{starred}), "
                "with the star"
            )
    return ""


def advise_star(error: TypeError, f: Callable[..., Any], args: Sequence[Any]) -> None:
    """Put `star_advice`, if there is any, at the end of what a TypeError of `f(*args)` says."""
    if type(error) is TypeError and "with the star" not in str(error):
        advice = star_advice(f, args)
        if advice:
            error.args = (f"{error}; {advice}",)
