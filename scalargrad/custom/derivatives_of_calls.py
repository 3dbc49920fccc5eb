"""Derivatives of calls whose inside is not seen: plain functions that can be pickled, of any order.

A compiled program calls a `Function` as a whole. `run_forward` and `run_backward` are its call and
its gradient in numbers. `Outputs` is the call as a function of its inputs, and `Pullback` and
`Pushforward` make of such a function that of its derivatives, which they can be given in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scalargrad.custom.function import Function, function_op, run_backward
from scalargrad.custom.run import Run
from scalargrad.engine.context import afresh
from scalargrad.engine.graph import topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.passes import dependents, pull_back, push_forward
from scalargrad.engine.real import in_kind, is_real
from scalargrad.engine.value import Value, recorded

__all__ = ["Outputs", "Pullback", "Pushforward", "run_backward", "run_forward"]

_same = Op("same", lambda a: a, [lambda g, y, a: g])


def run_forward(function_class: type[Function], wanted: tuple[bool, ...]) -> Callable[..., Run]:
    """Return the function from the inputs of a call, in numbers, to its run.

    `wanted` says which of the inputs count as Values. `run_backward(run, *cotangents)` gives the
    derivatives, `run.outputs()` the result, and `run[k]` the k-th output.
    """
    return function_op(function_class, wanted).forward


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
        cotangents = numbers[len(self.wanted) :]
        as_graph = _any_value(numbers)
        with afresh():
            leaves, outputs = _called(self.function, self.wanted, numbers)
            slopes: dict[Any, Any] = {}
            for y, g in zip(outputs, cotangents, strict=True):
                if isinstance(y, Value):
                    seed = _seed(g, y, as_graph)
                    slopes[y] = slopes[y] + seed if y in slopes else seed
            within = set(leaves)
            nodes = dependents(topological_order(list(slopes), set(leaves)), within)
            pull_back(nodes, slopes, as_graph, within)
        return tuple(_found(slopes, x) for x in leaves)


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
        as_graph = _any_value(numbers)
        with afresh():
            leaves, outputs = _called(self.function, self.wanted, numbers)
            moved: dict[Any, Any] = {
                x: _seed(tangent, x, as_graph)
                for x, tangent in zip(leaves, numbers[len(self.wanted) :], strict=True)
            }
            ends = [y for y in outputs if isinstance(y, Value)]
            nodes = dependents(topological_order(ends, set(leaves)), set(leaves))
            push_forward(nodes, moved, as_graph, ends)
        return tuple(_found(moved, y) for y in outputs)


def _any_value(numbers: Sequence[Any]) -> bool:
    return any(isinstance(x, Value) for x in numbers)


def _called(
    function: Callable[..., Sequence[Any]], wanted: Sequence[bool], numbers: Sequence[Any]
) -> tuple[list[Value], Sequence[Any]]:
    """Return leaves in place of the wanted inputs, and what `function` gives of them."""
    inputs, leaves = list(numbers[: len(wanted)]), []
    for i, x in enumerate(inputs):
        if wanted[i]:
            # A Value's stand-in is a result of it, so that outer derivatives find their way.
            inputs[i] = recorded(_same, (x,)) if isinstance(x, Value) else Value(x)
            leaves.append(inputs[i])
    return leaves, function(*inputs)


def _seed(slope: Any, like: Value, as_graph: bool) -> Any:
    if type(slope) is int:
        slope = in_kind(slope, like._data)
    return Value(slope) if as_graph and is_real(slope) else slope


def _found(slopes: dict[Any, Any], x: Any) -> Any:
    """Return a derivative of or by `x`, zero in its kind where there is none."""
    if x in slopes:
        return slopes[x]
    return in_kind(0, x._data if isinstance(x, Value) else x)
