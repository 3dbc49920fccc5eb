"""The inputs of a function that is checked: nested arguments as one list of numbers with names."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.transforms.nesting import Nest, flatten, flatten_like, items_of, unflatten


class Inputs:
    """Arguments of a function, each a number or nested lists, tuples and dicts of numbers.

    `numbers` are all of theirs as floats, in order; `names` say where each stands. Raises
    TypeError, saying where, for what is no number.
    """

    def __init__(self, arguments: Sequence[Any], spread: bool = False) -> None:
        self.arguments = tuple(arguments)
        self.spread = spread
        self.numbers: list[float] = []
        self.names: list[str] = []
        self._structures = []
        for i, argument in enumerate(arguments):
            numbers, structure = flatten(argument, f"input {i}")
            self.numbers += [float(x.data if isinstance(x, Value) else x) for x in numbers]
            self.names += _paths(argument, f"input {i}")
            self._structures.append(structure)
        described = zip(self.names, self.numbers, strict=True)
        self.names = [f"{name} ({number!r})" for name, number in described]

    @staticmethod
    def of(f: Callable[..., Any], inputs: Sequence[Any]) -> "Inputs":
        """Return the arguments of f: the inputs, or the items of one list that f does not take.

        So are `check(f, 2.0, 3.0)` and `check(f, [2.0, 3.0])` the same for a function of two
        numbers, and the latter is the list for a function of one list.
        """
        if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
            try:
                y = f(*inputs)
            except Exception as error:  # whatever f says of a list
                spread = Inputs(inputs[0], spread=True)
                try:
                    f(*spread.arguments)
                except TypeError:
                    raise error from None
                except (ArithmeticError, ValueError):
                    pass
                return spread
            if not (is_real(y) or isinstance(y, Tracer)):
                return Inputs(inputs[0], spread=True)
        return Inputs(inputs)

    def result(self, numbers: Sequence[Any]) -> Any:
        """Return these nested like the arguments: like the one there is, or a list of them."""
        nest = self.nested(numbers)
        return nest[0] if len(nest) == 1 and not self.spread else nest

    def nested(self, numbers: Sequence[Any]) -> list[Any]:
        """Return the arguments with these in place of their numbers."""
        nest: list[Any] = unflatten(Nest(list, None, tuple(self._structures)), numbers)
        return nest

    def numbers_of(self, gradient: Any) -> list[Any]:
        """Return the numbers of a gradient in the inputs' order.

        For several arguments it has one item for each, for one it is like that one. A list may
        stand for a tuple, and a numpy array for either. Raises TypeError for another nesting.
        """
        given = _plain_nest(gradient)
        wanted = [_plain_nest(argument) for argument in self.nested(self.numbers)]
        for nest in (wanted, *wanted) if len(wanted) == 1 else (wanted,):
            with suppress(TypeError):
                return flatten_like(flatten(nest)[1], given, "gradient")
        raise TypeError(
            f"the gradient must be nested like the inputs, {_places(nest)}, got {gradient!r}"
        )


def flat(nest: Any) -> list[Any]:
    """Return the numbers of a nest, in order."""
    return flatten(nest)[0]


def _plain_nest(nest: Any) -> Any:
    """Return the nest with lists for tuples and arrays, dicts for dataclasses, and numbers."""
    if isinstance(nest, Value):
        return nest.data
    parts = items_of(nest)
    if parts is not None:
        keys, items = parts[0], list(map(_plain_nest, parts[1]))
        return items if keys is None else dict(zip(keys, items, strict=True))
    return nest.tolist() if hasattr(nest, "tolist") else nest


def _places(nest: Any) -> str:
    if isinstance(nest, dict):
        return "{" + ", ".join(f"{key!r}: {_places(item)}" for key, item in nest.items()) + "}"
    if isinstance(nest, list):
        return "[" + ", ".join(map(_places, nest)) + "]"
    return "None" if nest is None else "a number"


def _paths(nest: Any, path: str) -> list[str]:
    parts = items_of(nest)
    if parts is None:
        return [] if nest is None else [path]
    keys, items = parts
    form = "[{!r}]" if keys is None or isinstance(nest, dict) else ".{}"
    named = zip(range(len(items)) if keys is None else keys, items, strict=True)
    return [p for key, item in named for p in _paths(item, path + form.format(key))]
