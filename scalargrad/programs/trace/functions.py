"""Functions in a trace: what their forward and backward compute is not seen, only called.

A call is one symbol, and its outputs are picked from it. Its gradient is a call of backward with
what forward left; derivatives of that are calls of plain functions that compute them eagerly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scalargrad.custom.run import Run
from scalargrad.engine.context import in_trace, tracing
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Tangents, pick
from scalargrad.functions.choices import like
from scalargrad.transforms.pullbacks import Outputs, Pullback, Pushforward


class OpaqueOp(Op):
    """A plain function from numbers to a tuple of numbers, whose derivatives are such functions.

    The first `kept` operands are for its forward only, and are no inputs of `function`.
    """

    __slots__ = ("arguments",)

    def __init__(
        self,
        name: str,
        function: Callable[..., Sequence[Any]],
        wanted: tuple[bool, ...],
        run: Callable[..., Any] | None = None,
        kept: int = 0,
    ) -> None:
        super().__init__(name, run or function, joint=_unused)
        self.shares = False
        self.arguments = (name, function, wanted, run, kept)

    def __reduce__(self) -> Any:
        return opaque_op, self.arguments

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are: of Cotangents on the way back, else Tangents."""
        name, function, wanted, _, kept = self.arguments
        own = list(inputs[kept:])
        outer: Any = tracing()
        first = next(g for g in gs if g is not None)
        if type(first) is Cotangents:
            found = _pulled_back(outer, name, function, wanted, own, y, first)
            return [Cotangents({})] * kept + [
                None if g is None else slope for g, slope in zip(gs[kept:], found, strict=True)
            ]
        moves = [None if type(g) is Tangents else g for g in gs[kept:]]
        return [None] * kept + _pushed_forward(outer, name, function, own, moves)


@lru_cache(maxsize=1024)
def opaque_op(
    name: str,
    function: Callable[..., Sequence[Any]],
    wanted: tuple[bool, ...],
    run: Callable[..., Any] | None = None,
    kept: int = 0,
) -> OpaqueOp:
    """Return the op for a plain function: the same one for the same function."""
    return OpaqueOp(name, function, wanted, run, kept)


def _unused(g: Any, y: Any, *inputs: Any) -> list[Any]:
    raise AssertionError("derivatives does this op's work")


def traced_call(trace: Any, op: Any, inputs: tuple[Any, ...]) -> Any:
    """Return the symbol of a Function's output, or the tuple of those of its outputs."""
    # Only forward can tell how many outputs it has: try it on the numbers of this first call.
    numbers = [trace.sample(x) for x in inputs]
    with in_trace(None):
        run: Run = op.forward(*numbers)
    call = trace.new_tuple(op, inputs)
    places = range(len(run.numbers))
    call.parts = {k: trace.new(pick(k, run.has_derivative(k)), (call,)) for k in places}
    return run.outputs(call.parts.values())


def traced_derivatives(
    trace: Any, op: Any, gs: Sequence[Any], y: Any, inputs: Sequence[Any]
) -> list[Any]:
    """Return the derivatives of a Function's call `y`, as symbols."""
    function = Outputs(op.function_class)
    first = next(g for g in gs if g is not None)
    if type(first) is not Cotangents:
        return _pushed_forward(trace, op.name, function, list(inputs), gs)
    places = tuple(first.by_output)
    count = len(trace.sample(y).numbers)
    cotangents = [
        first.by_output[k] if k in first.by_output else like(0, y.element(k)) for k in range(count)
    ]
    name = f"{op.name}_backward"
    derivative = Pullback(function, op.wanted)
    backward = opaque_op(name, derivative, (*op.wanted, *[True] * count), _Backward(places), kept=1)
    node = trace.new_tuple(backward, (y, *inputs, *cotangents))
    slopes = _picked(node, op.wanted)
    return [None if g is None else slope for g, slope in zip(gs, slopes, strict=True)]


@dataclass(frozen=True)
class _Backward:
    """The derivatives by the inputs that are wanted, of the run that forward left.

    `places` are those of the outputs that were used.
    """

    places: tuple[int, ...]

    def __call__(self, run: Run, *inputs_and_cotangents: Any) -> tuple[Any, ...]:
        wanted = run.op.wanted
        cotangents = inputs_and_cotangents[len(wanted) :]
        slopes = run.op.pulled_back(Cotangents({k: cotangents[k] for k in self.places}), run)
        return tuple(
            0 if x is None else x for x, is_wanted in zip(slopes, wanted, strict=True) if is_wanted
        )


def _pulled_back(
    trace: Any,
    name: str,
    function: Callable[..., Sequence[Any]],
    wanted: tuple[bool, ...],
    inputs: list[Any],
    y: Any,
    g: Cotangents,
) -> list[Any]:
    """Return the symbols of the derivatives of `function` by its inputs: 0 by those not wanted."""
    count = len(trace.sample(y))
    cotangents = [
        g.by_output[k] if k in g.by_output else like(0, y.element(k)) for k in range(count)
    ]
    derivative = Pullback(function, wanted)
    op = opaque_op(f"{name}_backward", derivative, (*wanted, *[True] * count))
    return _picked(trace.new_tuple(op, (*inputs, *cotangents)), wanted)


def _picked(node: Any, wanted: tuple[bool, ...]) -> list[Any]:
    """Return the outputs of a `Pullback`: there is one for each input that is wanted, else 0."""
    places = iter(range(len(wanted)))
    return [node.element(next(places)) if w else 0 for w in wanted]


def _pushed_forward(
    trace: Any,
    name: str,
    function: Callable[..., Sequence[Any]],
    inputs: list[Any],
    tangents: Sequence[Any],
) -> list[Any]:
    """Return the symbols of the tangents of the outputs, in the place of the first that moves."""
    moving = tuple(t is not None for t in tangents)
    moves = [t for t in tangents if t is not None]
    op = opaque_op(
        f"{name}_forward", Pushforward(function, moving), (*moving, *[True] * len(moves))
    )
    node = trace.new_tuple(op, (*inputs, *moves))
    places = range(len(trace.sample(node)))
    found: list[Any] = [None] * len(inputs)
    found[moving.index(True)] = Tangents([node.element(k) for k in places])
    return found
