"""Ops of your own: a `Function` has a forward and a backward that you write, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, NoReturn, TypeVar

from scalargrad.custom.copies import distinct, distinct_if_number, plain
from scalargrad.custom.run import Context, Run
from scalargrad.custom.twice import check_twice
from scalargrad.engine.context import active, afresh, here, tracing, within
from scalargrad.engine.errors import FAILURES, explained
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Tangents, pick
from scalargrad.engine.primitive import record
from scalargrad.engine.real import in_kind, is_real
from scalargrad.engine.tracer import Tracer, foremost
from scalargrad.engine.value import Value, make_node

F = TypeVar("F", bound=Callable[..., Any])


class Function:
    """An op with a hand-written forward and backward: derive from it, and use `apply`.

    `forward(ctx, *args)` is static, gets plain numbers in place of Values and all other arguments
    as they are, and returns a number or a tuple of numbers. It may also be written as
    `forward(*args)` with `setup_context(ctx, inputs, output)` beside it, where `inputs` is the
    tuple of the arguments, defaults among them. `backward(ctx, *grad_outputs)` is static too, gets
    the derivative of the final result by each output (0 for one that was not used), and returns
    that by each input: a tuple, or a number alone for one input; None for an input that has no
    gradient. A gradient for an argument that is not a Value is dropped, and None may be given for
    arguments that were left at their defaults: `ctx.needs_input_grad` has a bool for each
    argument, which says whether it is a Value.

    If backward is written in arithmetic and the functions of scalargrad, on what
    `ctx.save_for_backward` kept of forward's inputs and outputs, it can be differentiated again.
    If it is not, put `once_differentiable` above it. A backward that uses another number that
    forward computed, wherever it left it, raises TypeError when it is differentiated again: to
    find out, forward and backward then run some more times, at inputs close by.

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

    # The ops of this class, by which of the arguments are Values.
    _ops: dict[tuple[bool, ...], FunctionOp] = {}  # noqa: RUF012

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._ops = {}

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Return the output, or a tuple of the outputs."""
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep in `ctx` what backward needs, where forward does not take it."""
        raise NotImplementedError

    @staticmethod
    def backward(*args: Any, **kwargs: Any) -> Any:
        """Return the gradient of each input."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any, **keywords: Any) -> Any:
        """Return forward's result for `args` as a Value, or a tuple of Values for a tuple.

        If no argument is a Value, the result is forward's own. Raises TypeError, naming the
        class, if forward or backward is not static or is missing, for keyword arguments, or if
        forward returns anything but real numbers; a later backward pass raises TypeError or
        ValueError if backward returns other than a gradient for each Value.
        """
        if keywords:
            raise TypeError(
                f"{cls.__name__}.apply takes no keyword arguments: give {', '.join(keywords)} by "
                "position, in the order of forward's parameters"
            )
        wanted = tuple([isinstance(x, Tracer) for x in args])
        op = cls._ops.get(wanted) or function_op(cls, wanted)
        if len(args) != len(op.wanted):
            args += op.defaults[len(args) - len(op.wanted) :]
        for x in args:
            if type(x) is not Value and isinstance(x, Tracer) and not isinstance(x, Value):
                return foremost(args).call(op, args)
        if active and True in wanted and not here().plain:
            return _called_within(op, args)
        try:
            run = op.forward(*[x._data if isinstance(x, Value) else x for x in args])
        except FAILURES as error:
            raise explained(error, op, args) from None
        if True not in wanted:
            return run.outputs()
        call = make_node(op, args, run, None if False in op.wanted else args)
        if run.single and run.differentiable is None:
            return make_node(_first, (call,), run.numbers[0])
        return run.outputs(
            make_node(pick(k, run.has_derivative(k)), (call,), y) for k, y in enumerate(run.numbers)
        )


_first = pick(0)


def _called_within(op: FunctionOp, args: tuple[Any, ...]) -> Any:
    """Return what `apply` gives in a context that has a say in it."""
    now = here()
    if now.trace is not None:
        y = now.trace.call(op, args)
    else:
        with within(records=True, watch=None):
            y = op.function(*args)
        if now.watch is not None:
            now.watch.look(y, op, args)
    if now.records:
        return y
    return tuple(x.detach() for x in y) if isinstance(y, tuple) else y.detach()


class FunctionOp(Op):
    """The op of a Function, for some pattern of which arguments are Values: `wanted`.

    `forward` gives the `Run` of a call, and so the data of its node; `pick` gives its outputs.
    """

    __slots__ = ("backward_op", "defaults", "function_class", "setup", "wanted")

    def __init__(self, function_class: type[Function], wanted: tuple[bool, ...]) -> None:
        super().__init__(function_class.__name__, self._run, joint=self.pulled_back)
        self.shares = False
        self.function_class = function_class
        self.function = function_class.apply
        self.setup = _has_setup(function_class)
        # Arguments that setup_context gets, even where they were left out.
        self.defaults: tuple[Any, ...] = ()
        if self.setup:
            forward = function_class.forward
            self.defaults = getattr(forward, "__defaults__", None) or ()
            code = getattr(forward, "__code__", None)
            left_out = code.co_argcount - len(wanted) if code is not None else 0
            if 0 < left_out <= len(self.defaults):
                wanted += (False,) * left_out
        self.wanted = wanted
        self.backward_op = Op(
            f"{self.name}_backward",
            run_backward,
            joint=self._refuse_twice,
        )

    def __reduce__(self) -> Any:
        return function_op, (self.function_class, self.wanted)

    def refuse_output(self, y: object) -> NoReturn:
        """Raise the TypeError for an output of forward that is no real number."""
        raise TypeError(
            f"{self.name}.forward must return a real number or a tuple of them, "
            f"not {y!r} ({type(y).__name__})"
        )

    def _run(self, *inputs: Any) -> Run:
        given = [
            distinct(x) if wanted else distinct_if_number(x)
            for x, wanted in zip(inputs, self.wanted, strict=True)
        ]
        context = Context(self.wanted)
        with afresh():
            if not self.setup:
                result = self.function_class.forward(context, *given)
            else:
                result = self.function_class.forward(*given)
                self.function_class.setup_context(context, tuple(given), result)
        return Run(self, context, given, result)

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are: of Cotangents on the way back, else Tangents."""
        first = next((g for g in gs if g is not None), None)
        if first is None:
            return list(gs)
        if type(y) is not Run and (now := tracing()) is not None:
            return list(now.call_derivatives(self, gs, y, inputs))
        if type(first) is Cotangents:
            slopes = self.pulled_back(first, y, *inputs)
            return [None if g is None else slope for g, slope in zip(gs, slopes, strict=True)]
        run = y if type(y) is Run else y._data
        rows = []
        for k, output in enumerate(run.numbers):
            one = in_kind(1, output)
            seed = Cotangents({k: one if y is run else Value(one)})
            reached = run.has_derivative(k)
            rows.append(self.pulled_back(seed, y, *inputs) if reached else [None] * len(gs))
        return [
            None
            if g is None
            else Tangents([None if row[i] is None else row[i] * g for row in rows])
            for i, g in enumerate(gs)
        ]

    def pulled_back(self, g: Any, y: Any, *inputs: Any) -> list[Any]:
        """Return the derivative by each input: of a Run in numbers, of its node as a graph."""
        backward = self.function_class.backward
        if type(y) is Run:
            cotangents = y.cotangents(g)
            with afresh():
                slopes = self.checked(backward(y.context, *cotangents))
            return [x._data if isinstance(x, Value) else x for x in slopes]
        run: Run = y._data
        cotangents = run.cotangents(g)
        if _only_once(backward):
            call = (y, *cotangents)
            slopes = run_backward(
                run, *[x._data if isinstance(x, Value) else x for x in cotangents]
            )
            node = make_node(self.backward_op, call, slopes)
            return [
                make_node(pick(i), (node,), slope) if wanted else None
                for i, (slope, wanted) in enumerate(zip(slopes, self.wanted, strict=True))
            ]
        slopes = self.graph_of(cotangents, y, inputs)
        check_twice(run, g.by_output)
        return slopes

    def graph_of(self, cotangents: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return the derivatives as a graph: what backward makes of Values, at the node `y`."""
        run: Run = y._data
        context = run.context_of(
            inputs, lambda k: make_node(pick(k, run.has_derivative(k)), (y,), run.numbers[k])
        )
        with within(forbids=_FORBIDDEN.format(self.name)):
            return self.checked(self.function_class.backward(context, *cotangents))

    def checked(self, gradients: Any) -> list[Any]:
        """Return what backward gave: a number for each input, None where there is none."""
        if not isinstance(gradients, tuple | list):
            gradients = (gradients,)
        name, count = f"{self.name}.backward", len(self.wanted)
        if len(gradients) != count:
            if len(gradients) < count or any(g is not None for g in gradients[count:]):
                raise ValueError(
                    f"{name} must return one gradient for each of the {count} inputs, None where "
                    f"there is none; it returned {len(gradients)}"
                )
            gradients = gradients[:count]
        found = []
        for i, gradient in enumerate(gradients):
            if gradient is None or not self.wanted[i]:
                gradient = None
            elif type(gradient) is not float and not isinstance(gradient, Tracer):
                if not is_real(gradient):
                    raise TypeError(
                        f"{name} must return numbers; for input {i} it returned "
                        f"{gradient!r} ({type(gradient).__name__})"
                    )
                gradient = plain(gradient)
            found.append(gradient)
        return found

    def through(self, inputs: tuple[Any, ...], numbers: Sequence[Any]) -> Any:
        """Return what `apply` gives of `inputs` of another kind of number: it records the outputs.

        Each output is an op of its own on the inputs. `numbers` are those at which forward is to
        run, to leave its context.
        """
        run: Run = self.forward(*numbers)
        return run.outputs(record(output, inputs) for output in output_ops(run))

    def _refuse_twice(self, g: Any, y: Any, *inputs: Any) -> NoReturn:
        raise TypeError(
            f"{self.name} cannot be differentiated twice: its backward is marked as "
            "once_differentiable; write it in arithmetic and functions of scalargrad, and take "
            "the mark away"
        )


def function_op(function_class: type[Function], wanted: tuple[bool, ...]) -> FunctionOp:
    """Return the op of a Function for a call in which these arguments are Values: always the same.

    Raises TypeError if forward or backward is missing or not static.
    """
    ops = function_class._ops
    if wanted not in ops:
        op = FunctionOp(function_class, wanted)
        # With arguments left at their defaults it is the op of a call that gives them.
        ops[wanted] = ops.setdefault(op.wanted, op)
    return ops[wanted]


def output_ops(run: Run) -> list[Op]:
    """Return an op for each output of a Function, which gives it for any kind of number.

    Its rule is the Function's backward, with the context of `run`.
    """
    ops: list[Op] = []
    for k in range(len(run.numbers)):
        forward = partial(_output, run.op, k)
        ops.append(Op(run.op.name, forward, joint=partial(_rule, run, ops, k)))
        ops[k].function = partial(_recorded_output, ops[k])
    return ops


def _output(op: FunctionOp, place: int, *inputs: Any) -> Any:
    outputs = op.function(*inputs)
    return outputs[place] if isinstance(outputs, tuple) else outputs


def _recorded_output(op: Op, *inputs: Any) -> Any:
    if any(isinstance(x, Tracer) and not isinstance(x, Value) for x in inputs):
        return record(op, inputs)
    return op.forward(*inputs)


def _rule(run: Run, ops: list[Op], place: int, g: Any, y: Any, *inputs: Any) -> list[Any]:
    op, backward = run.op, run.op.function_class.backward
    if not run.has_derivative(place):
        return [None] * len(inputs)
    if _only_once(backward):
        op._refuse_twice(g, y)
    context = run.context_of(inputs, lambda k: y if k == place else ops[k].function(*inputs))
    slopes: list[Any] = op.checked(backward(context, *run.cotangents(Cotangents({place: g}))))
    check_twice(run, [place])
    return slopes


def run_backward(run: Run, *cotangents: Any) -> list[Any]:
    """Return the derivatives by the inputs of a run, in numbers, given those by its outputs.

    An input that is not a Value has 0.
    """
    slopes = run.op.pulled_back(Cotangents(dict(enumerate(cotangents))), run)
    return [0 if slope is None else slope for slope in slopes]


_FORBIDDEN = (
    "{}.backward reads or sets .data or .grad of a Value while a gradient of a gradient is wanted, "
    "which would lose a part of it: write it in arithmetic and functions of scalargrad, or put "
    "@once_differentiable below its @staticmethod"
)


def once_differentiable(backward: F) -> F:
    """Say of a Function's backward that its result is not differentiated again: a decorator.

    Such a backward gets plain numbers, always, and may do anything with them. Differentiating
    its result raises TypeError. It stands below `@staticmethod`, as in PyTorch.

    >>> import math
    >>> class Exp(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.result = math.exp(x)
    ...         return ctx.result
    ...
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         return g * ctx.result
    >>> x = Value(0.0)
    >>> Exp.apply(x).backward(create_graph=True)
    >>> x.grad
    Value(data=1.0, grad=0, op='Exp_backward')
    """

    @wraps(backward)
    def once(*args: Any) -> Any:
        return backward(*args)

    once.once_differentiable = True  # type: ignore[attr-defined]
    return once  # type: ignore[return-value]


def _only_once(backward: Any) -> bool:
    return getattr(backward, "once_differentiable", False)


def _has_setup(function_class: type[Function]) -> bool:
    """Return whether forward leaves the context to setup_context. Raises what `apply` does."""
    name = function_class.__name__
    own = {}
    for method in ("forward", "setup_context", "backward"):
        owner = next(base for base in function_class.__mro__ if method in vars(base))
        if not isinstance(vars(owner)[method], staticmethod):
            raise TypeError(f"{name}.{method} must be static: put @staticmethod above it")
        own[method] = owner is not Function
    for method in ("forward", "backward"):
        if not own[method]:
            raise TypeError(f"{name} must define {method}, with @staticmethod")
    return own["setup_context"]
