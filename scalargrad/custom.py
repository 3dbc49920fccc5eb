"""Ops of your own: a `Function` has a forward and a backward that you write, as in PyTorch."""

import copy
import inspect
from collections.abc import Sequence
from numbers import Rational
from typing import Any

from scalargrad.ops import NaryOp, Number, Op
from scalargrad.value import FAILURES, Call, Value, explained, is_real, make_node


class Context:
    """What a `Function`'s forward leaves for its backward: saved values, and any attributes.

    `needs_input_grad` says of each input whether it is a Value, whose gradient is wanted.
    """

    saved_values: tuple[Any, ...] = ()

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *values: Any) -> None:
        """Keep inputs and outputs of forward for backward, which finds them in `saved_values`.

        When gradients of gradients are wanted, backward finds Values in their places. Constants
        may be kept as other attributes of the context.
        """
        self.saved_values = values


class Function:
    """An op with a hand-written forward and backward: derive from it, and use `apply`.

    `forward(ctx, *args)` is static, gets plain numbers in place of Values and all other arguments
    as they are, and returns a number or a tuple of numbers. `backward(ctx, *grad_outputs)` is
    static too, gets the derivative of the final result by each output (0 for one that was not
    used), and returns that by each input: a tuple, or a number alone for one input; None for an
    input that has no gradient, as every argument that is not a Value. If backward is written in
    arithmetic and the functions of scalargrad, on what `ctx.save_for_backward` kept of forward's
    inputs and outputs, it can be differentiated again.

    >>> class MultiplyAdd(Function):
    ...     @staticmethod
    ...     def forward(ctx, w, x, b):
    ...         ctx.save_for_backward(w, x)
    ...         return w * x + b
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         w, x = ctx.saved_values
    ...         return g * x, g * w, None
    >>> w, x = Value(2.0), Value(3.0)
    >>> y = MultiplyAdd.apply(w, x, 1.0)
    >>> y.backward()
    >>> y.data, w.grad, x.grad
    (7.0, 3.0, 2.0)
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Return the output, or a tuple of the outputs."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return the gradient of each input."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Return forward's result for `args` as a Value, or a tuple of Values for a tuple.

        If no argument is a Value, the result is forward's own. Raises TypeError, naming the
        class, if forward or backward is not static or is missing, or forward returns anything but
        real numbers; a later backward pass raises TypeError or ValueError if backward returns
        other than a gradient for each Value and None for each other argument.
        """
        for name in ("forward", "backward"):
            method = inspect.getattr_static(cls, name)
            if not isinstance(method, staticmethod):
                raise TypeError(f"{cls.__name__}.{name} must be static: put @staticmethod above it")
            if method is inspect.getattr_static(Function, name):
                raise TypeError(f"{cls.__name__} must define {name}, with @staticmethod")
        wanted = tuple(isinstance(x, Value) for x in args)
        op = _CustomOp(cls, wanted)
        numbers = [x.data if isinstance(x, Value) else x for x in args]
        try:
            data = op.forward(*numbers)
        except FAILURES as error:
            raise explained(error, op, args) from None
        if not any(wanted):
            return data
        if not isinstance(data, tuple):
            return make_node(Value, op, args, data)
        call = make_node(Call, op, args, data)
        return tuple(make_node(Value, _Pick(op.name, k), (call,), y) for k, y in enumerate(data))


class _Cotangents:
    """The derivatives by some of the outputs of one call; adding merges them."""

    def __init__(self, by_output: dict[int, Number]) -> None:
        self.by_output = by_output

    def __radd__(self, zero: int) -> "_Cotangents":
        return self

    def __add__(self, other: "_Cotangents") -> "_Cotangents":
        return _Cotangents({**self.by_output, **other.by_output})


class _Pick(Op):
    """One output of a call that has several."""

    __slots__ = ("place",)

    def __init__(self, name: str, place: int) -> None:
        super().__init__(
            name, lambda outputs: outputs[place], lambda g, y, call: _Cotangents({place: g})
        )
        self.place = place

    def jvp(self, tangents: Sequence[Any], y: Number, inputs: Sequence[Any]) -> Number:
        return tangents[0][self.place]


class _CustomOp(NaryOp):
    """One call of a Function: its class, and the context of the latest forward."""

    __slots__ = ("context", "function", "sources", "wanted")

    def __init__(self, function: type[Function], wanted: tuple[bool, ...]) -> None:
        super().__init__(function.__name__, self._forward, self._backward)
        self.function = function
        self.wanted = wanted

    def _forward(self, *inputs: Any) -> Any:
        name = f"{self.name}.forward"
        context = Context(self.wanted)
        inputs = tuple(
            _distinct(x) if wanted else x for x, wanted in zip(inputs, self.wanted, strict=True)
        )
        result = self.function.forward(context, *inputs)
        outputs = result if isinstance(result, tuple) else (result,)
        for y in outputs:
            if not is_real(y):
                raise TypeError(
                    f"{name} must return a real number or a tuple of them, "
                    f"not {y!r} ({type(y).__name__})"
                )
        self.context = context
        self.sources = [
            [i for i, x in enumerate((*inputs, *outputs)) if x is saved]
            for saved in context.saved_values
        ]
        return result

    def _backward(self, g: Any, y: Any, *inputs: Any) -> list[Any]:
        several = isinstance(g, _Cotangents)
        if several:
            count = len(y.data if isinstance(y, Value) else y)
            cotangents = [g.by_output.get(k, 0) for k in range(count)]
        else:
            cotangents = [g]
        context = self.context
        if isinstance(y, Value):
            context = copy.copy(context)
            context.saved_values = tuple(self._saved_as_graph(y, inputs, several))
        gradients = self.function.backward(context, *cotangents)
        return self._checked(gradients)

    def _checked(self, gradients: Any) -> list[Any]:
        name = f"{self.name}.backward"
        if not isinstance(gradients, tuple | list):
            gradients = (gradients,)
        if len(gradients) != len(self.wanted):
            raise ValueError(
                f"{name} must return one gradient for each of the {len(self.wanted)} inputs, "
                f"None where there is none; it returned {len(gradients)}"
            )
        for i, (gradient, wanted) in enumerate(zip(gradients, self.wanted, strict=True)):
            if gradient is None:
                continue
            if not wanted:
                raise ValueError(
                    f"{name} must return None for input {i}, which is not a Value; "
                    f"it returned {gradient!r}"
                )
            if not (isinstance(gradient, Value) or is_real(gradient)):
                raise TypeError(
                    f"{name} must return numbers; for input {i} it returned "
                    f"{gradient!r} ({type(gradient).__name__})"
                )
        return [0 if gradient is None else gradient for gradient in gradients]

    def _saved_as_graph(self, y: Value, inputs: tuple[Any, ...], several: bool) -> list[Any]:
        saved_as_graph = []
        for saved, sources in zip(self.context.saved_values, self.sources, strict=True):
            if not is_real(saved):
                saved_as_graph.append(saved)
                continue
            # An input that is also an output is the input; but Python keeps one object for each
            # small int, so that of ints one cannot tell.
            certain = [s for s in sources if s < len(inputs)] or sources
            if len(sources if isinstance(saved, int) else certain) > 1:
                raise TypeError(
                    f"{self.name} cannot be differentiated twice here: which of its inputs and "
                    f"outputs the saved {saved!r} is cannot be told; use floats"
                )
            if not certain:
                raise TypeError(
                    f"{self.name} cannot be differentiated twice: it saved {saved!r}, which is "
                    "neither an input nor an output of forward; save those, and compute the rest "
                    "in backward"
                )
            place = certain[0] - len(inputs)
            if place < 0:
                saved_as_graph.append(inputs[certain[0]])
            else:
                saved_as_graph.append(_Pick(self.name, place)(y) if several else y)
        return saved_as_graph

    def jvp(self, tangents: Sequence[Any], y: Any, inputs: Sequence[Any]) -> Any:
        outputs = y.data if isinstance(y, Call) else y
        if not isinstance(outputs, tuple):
            return super().jvp(tangents, y, inputs)
        rows = [self._backward(_Cotangents({k: 1}), y, *inputs) for k in range(len(outputs))]
        return tuple(
            sum(slope * t for slope, t in zip(row, tangents, strict=True) if t is not None)
            for row in rows
        )


def _distinct(x: Any) -> Any:
    """Return `x` as an object of its own, so that it can be told from an equal input."""
    return x * 1 if isinstance(x, float | Rational) else x
