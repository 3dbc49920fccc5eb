"""Derivatives as functions that can be pickled, and differentiated in turn: for compiled programs.

A program calls a `Function` as a whole. `Outputs` is the call as a function of its inputs, and
`Pullback` and `Pushforward` make of such a function that of its derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scalargrad.custom.function import Function
from scalargrad.engine.context import afresh
from scalargrad.transforms.functional import jvp, vjp


@dataclass(frozen=True)
class Outputs:
    """A Function as a function from the inputs of a call to the tuple of its outputs.

    Its inputs are numbers, Values and whatever else the Function takes.
    """

    function_class: type[Function]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        outputs = self.function_class.apply(*inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)


@dataclass(frozen=True)
class Pullback:
    """The derivatives of a function in reverse mode, as a function.

    It takes the inputs of `function`, and after them the cotangent of each of its outputs; it
    gives the tuple of the derivatives by each of the inputs that are `wanted`. From plain numbers
    it gives plain numbers; from Values, Values that can be differentiated again.

    >>> product = Pullback(lambda x, y: (x * y,), (True, True))
    >>> product(3.0, 5.0, 1.0)
    (5.0, 3.0)
    >>> Pullback(product, (True, True, False))(3.0, 5.0, 1.0, 10.0, 0.0)
    (0.0, 10.0)
    """

    function: Callable[..., Sequence[Any]]
    wanted: tuple[bool, ...]

    def __call__(self, *numbers: Any) -> tuple[Any, ...]:
        with afresh():
            _, pull = vjp(*_by_wanted(self.function, self.wanted, numbers))
            found: tuple[Any, ...] = pull(numbers[len(self.wanted) :])
        return found


@dataclass(frozen=True)
class Pushforward:
    """The derivatives of a function in forward mode, as a function.

    It takes the inputs of `function`, and after them the tangent of each that is `wanted`; it
    gives the tuple of the tangents of the outputs. Numbers and Values are as in `Pullback`.

    >>> Pushforward(lambda x, y: (x * y, x), (True, True))(3.0, 5.0, 1.0, 10.0)
    (35.0, 1.0)
    """

    function: Callable[..., Sequence[Any]]
    wanted: tuple[bool, ...]

    def __call__(self, *numbers: Any) -> tuple[Any, ...]:
        with afresh():
            f, *primals = _by_wanted(self.function, self.wanted, numbers)
            found: tuple[Any, ...] = jvp(f, primals, numbers[len(self.wanted) :])[1]
        return found


def _by_wanted(
    function: Callable[..., Sequence[Any]], wanted: Sequence[bool], numbers: Sequence[Any]
) -> list[Any]:
    """Return the function of the wanted inputs alone, and these."""
    inputs = list(numbers[: len(wanted)])
    places = [i for i, is_wanted in enumerate(wanted) if is_wanted]

    def of_wanted(*chosen: Any) -> tuple[Any, ...]:
        for i, x in zip(places, chosen, strict=True):
            inputs[i] = x
        return tuple(function(*inputs))

    return [of_wanted, *[inputs[i] for i in places]]
