"""Symbols: numbers that are not known yet, and the trace of what is computed of them.

A symbol is a Value without data. While a function is traced, ops on symbols, and on any Values
that the function captures, make a graph of symbols; since the transforms and the rules work on
them as on Values, a gradient is traced like anything else. What would need the number itself
raises `TraceError`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Rational
from typing import Any, NoReturn

from scalargrad import ops
from scalargrad.captured import number_of
from scalargrad.custom import Cotangents, CustomOp, Function, Pick, Run
from scalargrad.errors import untraceable
from scalargrad.ops import NaryOp, Op, Tracer
from scalargrad.value import Mode, Value, in_mode, is_real, topological_order, tracing


def _refused(what: str, cure: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: Any) -> NoReturn:
        untraceable(what, cure)

    return method


_NO_NUMBER = "a traced number has no value until the program runs"
_FUNCTIONS = (
    "compute with arithmetic and the functions of scalargrad, which are traced (logsumexp and "
    "softmax need no maximum taken out); or name the argument in static_argnums"
)
_BRANCH = "a traced function cannot branch on a traced number"
_CHOOSE = (
    "write where(condition, a, b) for if, maximum(a, b) and minimum(a, b) for max and min; or name "
    "the argument in static_argnums"
)


class Symbol(Value):
    """A number that is not known yet: an input of a traced function, or what is computed of it."""

    __slots__ = ()

    @property
    def data(self) -> Any:
        """Raise TraceError: there is no number."""
        untraceable(f"{_NO_NUMBER}, so it has no .data", _FUNCTIONS)

    def __repr__(self) -> str:
        return f"<traced {self.label or self.op or 'input'}>"

    __hash__ = object.__hash__
    __bool__ = _refused(_BRANCH, _CHOOSE)
    __int__ = __float__ = __complex__ = __index__ = _refused(_NO_NUMBER, _FUNCTIONS)
    __round__ = __trunc__ = __floor__ = __ceil__ = _refused(_NO_NUMBER, _FUNCTIONS)
    __format__ = _refused(_NO_NUMBER, "print what the compiled function returns")
    backward = forward = _refused(
        "a traced function cannot run backward() or forward() within",
        "use grad or value_and_grad within, or compile(f).backward(...) from outside",
    )

    def __eq__(self, other: object) -> Any:
        return self.record(ops.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        return self.record(ops.unequal, (self, other))

    def __gt__(self, other: Any) -> Any:
        return self.record(ops.greater, (self, other))

    def __lt__(self, other: Any) -> Any:
        return self.record(ops.less, (self, other))

    def __ge__(self, other: Any) -> Any:
        return self.record(ops.at_least, (self, other))

    def __le__(self, other: Any) -> Any:
        return self.record(ops.at_most, (self, other))


# A Value computes at once; a symbol hands every operator and method on to the trace.
for _name, _method in vars(Tracer).items():
    if callable(_method) and _name not in ("__init__", "__new__", "record"):
        setattr(Symbol, _name, _method)


def symbol(label: str = "", op: Op | None = None, inputs: tuple[Any, ...] = ()) -> Symbol:
    """Return a new symbol: an input, or the result of `op`."""
    node = object.__new__(Symbol)
    node.grad = 0
    node.label = label
    node._op = op
    node._first = node._second = None
    if op is not None:
        if op.partials:
            node._first = inputs[0]
            node._second = inputs[1] if len(inputs) == 2 else None
        else:
            node._first, node._second = inputs, False
    return node


class Trace(Mode):
    """The mode in which ops make symbols: the same op on the same inputs makes one symbol."""

    def __init__(self, samples: dict[Value, Any]) -> None:
        # What was computed, in order; and by op and inputs.
        self.symbols: list[Symbol] = []
        self.made: dict[Any, Any] = {}
        self.samples = samples

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        # By id: equal Values are different numbers.
        key = (op, *[id(x) if isinstance(x, Value) else _constant(op, x) for x in inputs])
        if op is ops.pos:
            # A transform's stand-in for its argument, which must stay apart from all others.
            return self.new(op, inputs)
        simpler = _simplified(op, inputs)
        if simpler is not None:
            return simpler
        known = self.made.get(key)
        if known is None:
            known = self.made[key] = self.new(op, inputs)
        return known

    def new(self, op: Op, inputs: tuple[Any, ...]) -> Symbol:
        """Return a new symbol, whether or not there is one like it."""
        node = symbol("", op, inputs)
        self.symbols.append(node)
        return node

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        assert isinstance(op, CustomOp)
        # Only forward can tell how many outputs it has: try it on the numbers of this first call.
        with in_mode(None):
            outputs = op.forward(*[self.sample(x) if isinstance(x, Value) else x for x in inputs])
        call = self.new(FunctionCall(op.function, op.wanted), inputs)
        if not isinstance(outputs, tuple):
            return self.new(Pick(op.name, 0), (call,))
        return tuple(self.new(Pick(op.name, k), (call,)) for k in range(len(outputs)))

    def sample(self, x: Value) -> Any:
        """Return the number that the traced Value `x` has in this first call."""
        for node in topological_order(x, self.samples):
            assert node._op is not None
            self.samples[node] = node._op.forward(*map(self._sampled, node._inputs()))
        return self._sampled(x)

    def _sampled(self, x: Any) -> Any:
        if not isinstance(x, Value):
            return x
        return self.samples[x] if x in self.samples else number_of(x)


class FunctionCall(NaryOp):
    """A Function within a program: its outputs, and after them what its backward needs."""

    __slots__ = ("wanted",)

    def __init__(self, function: type[Function], wanted: tuple[bool, ...]) -> None:
        super().__init__(function.__name__, _Forward(function, wanted), self._backward_call)
        self.wanted = wanted

    def _backward_call(self, g: Any, y: Any, *inputs: Any) -> list[Any]:
        backward = NaryOp(f"{self.name}_backward", call_backward, _not_twice)
        places = range(1 + max(g.by_output))
        cotangents = [g.by_output.get(k, 0) for k in places]
        trace = tracing()
        assert isinstance(trace, Trace)
        call = trace.new(backward, (y, *cotangents))
        return [
            trace.new(Pick(backward.name, i), (call,)) if wanted else 0
            for i, wanted in enumerate(self.wanted)
        ]


@dataclass(frozen=True)
class _Forward:
    """Runs a Function's forward, and gives its outputs and the run, to be pickled by its class."""

    function: type[Function]
    wanted: tuple[bool, ...]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        run = Run(self.function, self.wanted)
        y = run.forward(*inputs)
        return (*y, run) if isinstance(y, tuple) else (y, run)


def call_backward(outputs_and_run: tuple[Any, ...], *cotangents: Any) -> list[Any]:
    """Return what a Function's backward gives for what its `FunctionCall` gave."""
    run = outputs_and_run[-1]
    by_output = Cotangents(dict(enumerate(cotangents)))
    return run.backward(by_output, None, *run.inputs)  # type: ignore[no-any-return]


def _not_twice(g: Any, y: Any, *inputs: Any) -> list[Any]:
    untraceable(
        "the backward of a Function is a call in the program, which has no derivative",
        "differentiate it twice without compile, or write its arithmetic in the function itself",
    )


def constant_key(x: Any) -> Any:
    """Return what tells the number `x` from all that are not the same in kind, sign and digits."""
    return type(x), x if isinstance(x, Rational) else repr(x)


def _constant(op: Op, x: Any) -> Any:
    if not is_real(x):
        raise TypeError(f"{op.name} takes Values and real numbers, not {x!r} ({type(x).__name__})")
    return constant_key(x)


def _is(x: Any, number: int) -> bool:
    return (type(x) is int or type(x) is float) and x == number


def _negated(x: Any) -> Any:
    """Return what `x` is the negative of, if it is a negation."""
    return x._first if isinstance(x, Symbol) and x._op is ops.neg else None


def _simplified(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return something simpler that equals `op` of `inputs` to the last bit, or None."""
    a, b = (*inputs, None)[:2]
    if op is ops.add:
        if _is(a, 0) or _is(b, 0):
            return b if _is(a, 0) else a
        if _negated(b) is not None:
            return a - _negated(b)
        if _negated(a) is not None:
            return b - _negated(a)
    elif op is ops.sub:
        if _is(b, 0) or _is(a, 0):
            return a if _is(b, 0) else -b
        if _negated(b) is not None:
            return a + _negated(b)
    elif op is ops.mul:
        if _is(a, 1) or _is(b, 1):
            return b if _is(a, 1) else a
        if _is(a, -1) or _is(b, -1):
            return -b if _is(a, -1) else -a
        if _negated(a) is not None:
            return -(_negated(a) * b)
        if _negated(b) is not None:
            return -(a * _negated(b))
    elif op is ops.div:
        if _is(b, 1):
            return a
        if _negated(a) is not None:
            return -(_negated(a) / b)
    elif op is ops.power:
        if _is(b, 0) or _is(b, 1):
            return a if _is(b, 1) else 1
    elif op is ops.neg:
        return _negated(a)
    elif op is ops.select and not isinstance(a, Value):
        return inputs[1] if a else inputs[2]
    return None
