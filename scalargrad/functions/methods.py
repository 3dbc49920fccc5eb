"""The functions of one argument as methods: of Value, and of every Tracer.

They are taken from the table: a function of one number that a family makes public is a method.
"""

from collections.abc import Callable
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.engine.tracer import Tracer
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special

FAMILIES = (arithmetic, choices, many, elementary, special, activations)


def all_ops() -> dict[str, Op]:
    """Return the ops of all families, by name.

    >>> all_ops()["+"]
    <op +>
    """
    things = [thing for family in FAMILIES for thing in vars(family).values()]
    ops = [thing.op for thing in things if isinstance(getattr(thing, "op", None), Op)]
    return {op.name: op for op in ops}


def public_functions() -> dict[str, Callable[..., Any]]:
    """Return the public functions of all families, by name.

    >>> public_functions()["sin"](0.0)
    0.0
    """
    return {name: getattr(family, name) for family in FAMILIES for name in family.__all__}


def _takes_one(function: Any) -> bool:
    """Return whether a function can be called with one number: others have defaults."""
    op = getattr(function, "op", None)
    if op is None or op.joint is not None:
        return False
    like = getattr(function, "__wrapped__", function)
    return bool(like.__code__.co_argcount - len(like.__defaults__ or ()) == 1)


for _name, _function in public_functions().items():
    if _takes_one(_function):
        setattr(Tracer, _name, _function)
