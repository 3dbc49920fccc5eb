"""Ops of your own: a `Function` has a forward and a backward that you write, as in PyTorch."""

import copy
from collections.abc import Sequence
from numbers import Rational
from typing import Any

from scalargrad.engine.errors import FAILURES, explained




class Context:
    """What a `Function`'s forward leaves for its backward: saved values, and any attributes.

    `needs_input_grad` says of each input whether it is a Value, whose gradient is wanted.
    """

    saved_values: tuple[Any, ...] = ()

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *values: Any) -> None:
        """Keep inputs and outputs of forward for backward, which finds them in `saved_values`.

        When gradients of gradients are wanted, backward finds Values in their places, also of
        those that are kept as other attributes of the context. All else that is kept so is taken
        for a constant.
        """
        self.saved_values = values


class Function:
    """An op with a hand-written forward and backward: derive from it, and use `apply`.

    `forward(ctx, *args)` is static, gets plain numbers in place of Values and all other arguments
    as they are, and returns a number or a tuple of numbers. `backward(ctx, *grad_outputs)` is
    static too, gets the derivative of the final result by each output (0 for one that was not
    used), and returns that by each input: a tuple, or a number alone for one input; None for an
    input that has no gradient, as every argument that is not a Value: `ctx.needs_input_grad` has
    a bool for each, which says whether it is one. If backward is written in arithmetic and the
    functions of scalargrad, on what `ctx.save_for_backward` kept of forward's inputs and outputs,
    it can be differentiated again.

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
            method = next(vars(base)[name] for base in cls.__mro__ if name in vars(base))
            if not isinstance(method, staticmethod):
                raise TypeError(f"{cls.__name__}.{name} must be static: put @staticmethod above it")
            if method is vars(Function)[name]:
                raise TypeError(f"{cls.__name__} must define {name}, with @staticmethod")
        wanted = tuple(isinstance(x, Value) for x in args)
        op = CustomOp(cls, wanted)
        if any(wanted) and (now := mode()) is not None:
            return now.call(op, args)
        return op(*args)


class Cotangents:
    """The derivatives by some of the outputs of one call; adding gathers them.

    Each is made for one such sum, which may therefore change it.
    """

    def __init__(self, by_output: dict[int, Number]) -> None:
        self.by_output = by_output

    def __radd__(self, zero: int) -> "Cotangents":
        return self

    def __add__(self, other: "Cotangents") -> "Cotangents":
        for place, g in other.by_output.items():
            self.by_output[place] = self.by_output[place] + g if place in self.by_output else g
        return self


class Pick(Op):
    """One output of a call that has several."""

    __slots__ = ("place",)

    def __init__(self, name: str, place: int) -> None:
        super().__init__(
            name, lambda outputs: outputs[place], lambda g, y, call: Cotangents({place: g})
        )
        self.place = place

    def jvp(self, tangents: Sequence[Any], y: Number, inputs: Sequence[Any]) -> Number:
        return tangents[0][self.place]


class CustomOp(NaryOp):
    """The op of one call of a Function."""

    __slots__ = ("function", "wanted")

    def __init__(self, function: type[Function], wanted: tuple[bool, ...]) -> None:
        self.function, self.wanted = function, wanted
        run = Run(function, wanted)
        super().__init__(function.__name__, run.forward, run.backward)

    def __call__(self, *inputs: Any) -> Any:
        """Return forward's result: as a Value or the tuple of Values if an input is a Value."""
        numbers = [x.data if isinstance(x, Value) else x for x in inputs]
        try:
            data = self.forward(*numbers)
        except FAILURES as error:
            raise explained(error, self, inputs) from None
        if not any(isinstance(x, Value) for x in inputs):
            return data
        if not isinstance(data, tuple):
            return make_node(Value, self, inputs, data)
        call = make_node(Call, self, inputs, data)
        return tuple(make_node(Value, Pick(self.name, k), (call,), y) for k, y in enumerate(data))

    def jvp(self, tangents: Sequence[Any], y: Any, inputs: Sequence[Any]) -> Any:
        outputs = y.data if isinstance(y, Call) else y
        if not isinstance(outputs, tuple):
            return super().jvp(tangents, y, inputs)
        rows = [self.rule(Cotangents({k: 1}), y, *inputs) for k in range(len(outputs))]
        return tuple(
            sum(slope * t for slope, t in zip(row, tangents, strict=True) if t is not None)
            for row in rows
        )


class Run:
    """The latest forward of one call of a Function, and the backward that goes with it.

    It knows nothing of its op, which refers to it: they would be a cycle.
    """

    context: Context
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    def __init__(self, function: type[Function], wanted: tuple[bool, ...]) -> None:
        self.function = function
        self.name = function.__name__
        self.wanted = wanted

    def forward(self, *inputs: Any) -> Any:
        context = Context(self.wanted)
        inputs = tuple(
            _distinct(x) if wanted else x for x, wanted in zip(inputs, self.wanted, strict=True)
        )
        result = self.function.forward(context, *inputs)
        outputs = result if isinstance(result, tuple) else (result,)
        for y in outputs:
            if not is_real(y):
                raise TypeError(
                    f"{self.name}.forward must return a real number or a tuple of them, "
                    f"not {y!r} ({type(y).__name__})"
                )
        self.context, self.inputs, self.outputs = context, inputs, outputs
        plain = tuple(int(y) if type(y) is _Int else y for y in outputs)
        return plain if isinstance(result, tuple) else plain[0]

    def backward(self, g: Any, y: Any, *inputs: Any) -> list[Any]:
        cotangents = [g]
        if isinstance(g, Cotangents):
            cotangents = [g.by_output.get(k, 0) for k in range(len(self.outputs))]
        as_graph = isinstance(y, Value)
        context = self._context_as_graph(y, inputs) if as_graph else self.context
        gradients = self._checked(self.function.backward(context, *cotangents))
        return gradients if as_graph else [x.data if isinstance(x, Value) else x for x in gradients]

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
                    f"{name} must return None for input {i}, which is not a Value, as "
                    f"ctx.needs_input_grad[{i}] says; it returned {gradient!r}"
                )
            if not (isinstance(gradient, Value) or is_real(gradient)):
                raise TypeError(
                    f"{name} must return numbers; for input {i} it returned "
                    f"{gradient!r} ({type(gradient).__name__})"
                )
        return [0 if gradient is None else gradient for gradient in gradients]

    def _context_as_graph(self, y: Value, inputs: tuple[Any, ...]) -> Context:
        """Return the context with Values in place of the inputs and outputs that it keeps."""
        context = copy.copy(self.context)
        for name, kept in vars(self.context).items():
            # Small ints are one object each, whatever they come from: this may be a constant.
            place = None if type(kept) in (bool, int) else self._place(kept)
            if place is not None:
                setattr(context, name, self._stand_in(place, y, inputs))
        saved_as_graph = []
        for saved in self.context.saved_values:
            place = self._place(saved)
            if place is None and saved is not None:
                raise TypeError(
                    f"{self.name} cannot be differentiated twice: it saved {saved!r}, which is "
                    "neither an input nor an output of forward; save those, and compute the rest "
                    "in backward"
                )
            saved_as_graph.append(place if place is None else self._stand_in(place, y, inputs))
        context.saved_values = tuple(saved_as_graph)
        return context

    def _place(self, kept: Any) -> int | None:
        """Return where among inputs and outputs `kept` is: an input that is also an output there.

        The Value's numbers are objects of their own, and so are results of float arithmetic.
        """
        inputs = [i for i, x in enumerate(self.inputs) if x is kept]
        outputs = [k for k, y in enumerate(self.outputs, len(self.inputs)) if y is kept]
        places = inputs or outputs
        # Equal constants, and outputs that are one float, may stand for each other.
        matters = any(self.wanted[i] for i in inputs) if inputs else isinstance(kept, int)
        if len(places) > 1 and matters:
            raise TypeError(
                f"{self.name} cannot be differentiated twice here: which of its inputs and "
                f"outputs the saved {kept!r} is cannot be told; use floats"
            )
        return places[0] if places else None

    def _stand_in(self, place: int, y: Value, inputs: tuple[Any, ...]) -> Any:
        if place < len(inputs):
            return inputs[place]
        return Pick(self.name, place - len(inputs))(y) if isinstance(y, Call) else y


class _Int(int):
    """An int that is an object of its own: Python keeps but one of each small one."""


def _distinct(x: Any) -> Any:
    """Return `x` as an object of its own, so that it can be told from an equal input."""
    if isinstance(x, int):
        return _Int(x)
    return x * 1 if isinstance(x, float | Rational) else x
