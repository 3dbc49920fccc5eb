"""`Value`: a number that remembers the op and the parents that made it, and its gradient.

Building an expression of Values records a graph. `backward()` walks it from the result to the
leaves in reverse topological order and applies the chain rule, with the rules of `ops`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from itertools import compress
from numbers import Complex, Number, Real
from typing import Any

from scalargrad import ops
from scalargrad.errors import (
    FAILURES,
    describe_call,
    explained,
    refuse_conversion,
    refuse_data,
    refuse_floor_division,
    refuse_operand,
)
from scalargrad.ops import NaryOp, Op, Tracer

_new = object.__new__
# One pass at a time: passes write the gradients into the nodes, which threads may share.
_backward_lock = threading.RLock()
# What ops make instead of recording, by thread, the innermost last: within no_grad, and while a
# function is traced. Nearly always empty, and then asking it costs an op next to nothing.
_modes: dict[int, list[Mode | None]] = {}


def is_real(x: object) -> bool:
    """Return whether `x` is a plain real number: int, float, Fraction, Decimal, a numpy scalar."""
    if type(x) is float or type(x) is int:
        return True
    # Decimal is a Number, yet neither Real nor Complex in Python's numeric tower.
    return isinstance(x, Number) and (isinstance(x, Real) or not isinstance(x, Complex))


def _unary(op: Op) -> Callable[[Value], Value]:
    forward = op.forward

    def method(self: Value) -> Value:
        if _modes and (now := mode()) is not None:
            return now.record(op, (self,))
        try:
            data = forward(self.data)
        except FAILURES as error:
            raise explained(error, op, (self,)) from None
        node = _new(Value)
        node.data = data
        node.grad = 0
        node.label = ""
        node._op = op
        node._first = self
        node._second = None
        return node

    method.__doc__ = f"Return `scalargrad.{op.name}` of this Value."
    return method


def _binary(op: Op) -> Callable[[Value, Any], Value]:
    forward = op.forward

    def method(self: Value, other: Any) -> Value:
        if _modes and (now := mode()) is not None:
            if not isinstance(other, Value) and not is_real(other):
                return refuse_operand(op, other)  # type: ignore[no-any-return]
            return now.record(op, (self, other))
        if isinstance(other, Value):
            number = other.data
        elif type(other) is float or is_real(other):
            number = other
        else:
            return refuse_operand(op, other)  # type: ignore[no-any-return]
        try:
            data = forward(self.data, number)
        except FAILURES as error:
            raise explained(error, op, (self, other)) from None
        node = _new(Value)
        node.data = data
        node.grad = 0
        node.label = ""
        node._op = op
        node._first = self
        node._second = other
        return node

    return method


def _reflected(op: Op) -> Callable[[Value, Any], Value]:
    forward = op.forward

    def method(self: Value, other: Any) -> Value:
        if type(other) is not float and not is_real(other):
            return refuse_operand(op, other)  # type: ignore[no-any-return]
        if _modes and (now := mode()) is not None:
            return now.record(op, (other, self))
        try:
            data = forward(other, self.data)
        except FAILURES as error:
            raise explained(error, op, (other, self)) from None
        node = _new(Value)
        node.data = data
        node.grad = 0
        node.label = ""
        node._op = op
        node._first = other
        node._second = self
        return node

    return method


class Value(Tracer):
    """One real number in a graph of numbers: its data, its gradient, and how it came to be.

    `data` is any real number (int, float, Fraction, Decimal, a numpy scalar), kept as it is.
    `grad` is the derivative of the output that `backward` was last called on, by this number:
    accumulated over passes for a leaf, that of the last pass for a result. It starts at 0.
    `label` is a name for people to read. Comparisons compare the numbers; the hash goes by
    identity. Raises TypeError for data that is not a real number.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> y = a * b + a**2
    >>> y.backward()
    >>> y.data, a.grad, b.grad
    (-2.0, 1.0, 2.0)
    >>> a
    Value(data=2.0, grad=1.0, label='a')
    """

    # _first and _second are the operands, the second None for an op of one input: two slots cost
    # less than a tuple. A NaryOp has the tuple of its operands in the first, and in the second
    # whether each is a Value: the passes then need not ask them one by one.
    __slots__ = ("_first", "_op", "_second", "data", "grad", "label")

    # numpy scalars and arrays then leave `np.float64(2) * v` to us.
    __array_ufunc__ = None

    data: Any
    grad: Any
    label: str
    _op: Op | None
    _first: Any
    _second: Any

    def __init__(self, data: Any, label: str = "") -> None:
        if type(data) is not float and not is_real(data):
            refuse_data(data)
        self.data = data
        self.grad = 0
        self.label = label
        self._op = None
        self._first = None
        self._second = None

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Value:
        """Return the Value of `op` on `inputs`: Values and plain numbers."""
        if _modes and (now := mode()) is not None:
            return now.record(op, inputs)
        return _recorded(op, inputs)

    @property
    def op(self) -> str:
        """The name of the op that made this Value: "" for a leaf.

        >>> (Value(1.0) + 2).op
        '+'
        """
        return self._op.name if self._op is not None else ""

    @property
    def operands(self) -> tuple[Any, ...]:
        """What the op was applied to, in order: Values and plain numbers.

        >>> (Value(1.0) + 2).operands
        (Value(data=1.0, grad=0), 2)
        """
        if isinstance(self._first, Call):
            return self._first._inputs()
        return self._inputs()

    def _inputs(self) -> tuple[Any, ...]:
        if self._op is None:
            return ()
        if not self._op.partials:
            return self._first  # type: ignore[no-any-return]
        return (self._first,) if self._second is None else (self._first, self._second)

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands that are Values, in order, one that was used twice twice.

        >>> (Value(1.0) + 2).parents
        (Value(data=1.0, grad=0),)
        """
        return tuple(x for x in self.operands if isinstance(x, Value))

    def backward(self, gradient: Any = 1, create_graph: bool = False) -> None:
        """Set `.grad` throughout the graph of this Value: the derivatives of it, times `gradient`.

        Leaves add to the gradient that they had; every result gets that of this pass alone. With
        `create_graph` the gradients are Values, graphs that can be differentiated again, and
        `gradient` may be one too; Values and their `.grad` then refer to each other, and wait for
        Python's collector. Raises TypeError if `gradient` is not a real number, and the error of
        Python's arithmetic, naming the op, where a derivative does not exist: at the kink of
        `sqrt` at 0 ZeroDivisionError. Leaves may then hold a part of the gradient.

        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> (x * x).backward(gradient=10)
        >>> x.grad
        66.0
        """
        seed = seed_for(self, gradient, create_graph)
        with _backward_lock:
            if create_graph:
                slopes = {self: seed}
                pull_back(topological_order(self), slopes, as_graph=True)
                for node, slope in slopes.items():
                    had = node.grad if node._op is None else 0
                    if type(had) is int and had == 0 and isinstance(slope, Value):
                        node.grad = slope
                    elif not isinstance(node, Call):
                        node.grad = Value(had) + slope if is_real(had) else had + slope
            elif self._op is None:
                self.grad += seed
            else:
                nodes = topological_order(self)
                # Of the seed's kind, so that a rule's own 0 does not stay an int: 0 / 3 is a float.
                zero = type(seed)()
                for node in nodes:
                    node.grad = zero
                self.grad = seed
                nodes.reverse()
                _apply_chain_rule(nodes)

    def forward(self) -> Any:
        """Compute the graph of this Value again from its leaves' present data; return the number.

        Every result in the graph gets its new `.data`, and a following `backward()` gives the
        gradient at the new point. A condition of `where` is computed again if it is a Value;
        a comparison gave a plain bool, which stays as it was. Raises what the ops raise.

        >>> x = Value(3.0)
        >>> y = x * x + 1
        >>> x.data = 5.0
        >>> y.forward()
        26.0
        """
        for node in topological_order(self):
            op, inputs = node._op, node._inputs()
            assert op is not None
            try:
                node.data = op.forward(*[x.data if isinstance(x, Value) else x for x in inputs])
            except FAILURES as error:
                raise explained(error, op, inputs) from None
        return self.data

    def detach(self) -> Value:
        """Return a new leaf with this Value's data and label, cut off from its graph.

        >>> x = Value(3.0)
        >>> (x * x.detach()).backward()
        >>> x.grad
        3.0
        """
        if _modes and (now := tracing()) is not None:
            return now.record(ops.detach, (self,))
        return Value(self.data, self.label)

    def described(self) -> str:
        """Return how errors name this Value: by its label and number.

        >>> Value(2.0, label="x").described()
        'x=2.0'
        """
        return f"{self.label}={self.data!r}" if self.label else repr(self.data)

    def __repr__(self) -> str:
        grad = self.grad.data if isinstance(self.grad, Value) else self.grad
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data!r}, grad={grad!r}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec)

    def __bool__(self) -> bool:
        if _modes and (now := tracing()) is not None:
            return bool(now.record(ops.unequal, (self, 0)))
        return bool(self.data)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return _compare(ops.equal, self, other)

    def __ne__(self, other: object) -> bool:
        return _compare(ops.unequal, self, other)

    def __gt__(self, other: Any) -> bool:
        return _compare(ops.greater, self, other)

    def __lt__(self, other: Any) -> bool:
        return _compare(ops.less, self, other)

    def __ge__(self, other: Any) -> bool:
        return _compare(ops.at_least, self, other)

    def __le__(self, other: Any) -> bool:
        return _compare(ops.at_most, self, other)

    __add__ = _binary(ops.add)
    __radd__ = _reflected(ops.add)
    __sub__ = _binary(ops.sub)
    __rsub__ = _reflected(ops.sub)
    __mul__ = _binary(ops.mul)
    __rmul__ = _reflected(ops.mul)
    __truediv__ = _binary(ops.div)
    __rtruediv__ = _reflected(ops.div)
    __pow__ = _binary(ops.power)
    __rpow__ = _reflected(ops.power)
    __mod__ = _binary(ops.mod)
    __rmod__ = _reflected(ops.mod)
    __neg__ = _unary(ops.neg)
    __pos__ = _unary(ops.pos)
    __abs__ = _unary(ops.absolute)

    __float__ = __int__ = __complex__ = __index__ = refuse_conversion
    __round__ = __trunc__ = __floor__ = __ceil__ = refuse_conversion
    __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = refuse_floor_division

    acos = _unary(ops.acos)
    acosh = _unary(ops.acosh)
    asin = _unary(ops.asin)
    asinh = _unary(ops.asinh)
    atan = _unary(ops.atan)
    atanh = _unary(ops.atanh)
    cbrt = _unary(ops.cbrt)
    cos = _unary(ops.cos)
    cosh = _unary(ops.cosh)
    degrees = _unary(ops.degrees)
    digamma = _unary(ops.digamma)
    erf = _unary(ops.erf)
    erfc = _unary(ops.erfc)
    exp = _unary(ops.exp)
    exp2 = _unary(ops.exp2)
    expm1 = _unary(ops.expm1)
    fabs = _unary(ops.fabs)
    gamma = _unary(ops.gamma)
    gelu = _unary(ops.gelu)
    lgamma = _unary(ops.lgamma)
    log = _unary(ops.log)
    log10 = _unary(ops.log10)
    log1p = _unary(ops.log1p)
    log2 = _unary(ops.log2)
    radians = _unary(ops.radians)
    relu = _unary(ops.relu)
    sigmoid = _unary(ops.sigmoid)
    silu = _unary(ops.silu)
    sin = _unary(ops.sin)
    sinh = _unary(ops.sinh)
    softplus = _unary(ops.softplus)
    sqrt = _unary(ops.sqrt)
    tan = _unary(ops.tan)
    tanh = _unary(ops.tanh)

    def leaky_relu(self, negative_slope: Any = 0.01) -> Value:
        """Return `scalargrad.leaky_relu` of this Value."""
        return ops.leaky_relu(self, negative_slope)  # type: ignore[no-any-return]

    def elu(self, alpha: Any = 1.0) -> Value:
        """Return `scalargrad.elu` of this Value."""
        return ops.elu(self, alpha)  # type: ignore[no-any-return]


def _recorded(op: Op, inputs: tuple[Any, ...]) -> Value:
    all_values = False
    try:
        if len(op.partials) == 1:
            data = op.forward(inputs[0].data)
        else:
            numbers = [x.data for x in inputs if isinstance(x, Value)]
            all_values = len(numbers) == len(inputs)
            if not all_values:
                numbers = [x.data if isinstance(x, Value) else x for x in inputs]
            data = op.forward(*numbers)
    except FAILURES as error:
        raise explained(error, op, inputs) from None
    if type(data) is not float and not is_real(data):
        raise TypeError(
            f"{describe_call(op, inputs)} gave {data!r} ({type(data).__name__}), "
            "not a real number: give it Values and real numbers"
        )
    return make_node(Value, op, inputs, data, all_values)


def make_node(
    kind: type[Value], op: Op, inputs: tuple[Any, ...], data: Any, all_values: bool = False
) -> Value:
    """Return a new result of `op` on `inputs` with this data.

    `all_values` says that the inputs are known to be Values, each of them.
    """
    node = _new(kind)
    node.data = data
    node.grad = 0
    node.label = ""
    node._op = op
    if not op.partials:
        node._first = inputs
        node._second = all_values
    else:
        node._first = inputs[0]
        node._second = inputs[1] if len(inputs) == 2 else None
    return node


def seed_for(output: Value, gradient: Any, as_graph: bool) -> Any:
    """Return the derivative to start a backward pass from `output` with: a Value for a graph.

    Raises TypeError if `gradient` is no real number, nor a Value for a graph.

    >>> seed_for(Value(0.5), 1, as_graph=False)
    1.0
    """
    if as_graph and isinstance(gradient, Value):
        return gradient
    if not is_real(gradient):
        cure = "; a Value goes with create_graph=True" if isinstance(gradient, Value) else ""
        raise TypeError(
            f"gradient must be a real number, got {gradient!r} ({type(gradient).__name__}){cure}"
        )
    if tracing() is not None:
        return gradient
    # A seed of the result's own kind, so that 1 / 3 on the way is exact in a Fraction.
    if type(gradient) is int and type(output.data) is not bool:
        gradient = type(output.data)(gradient)
    return Value(gradient) if as_graph else gradient


class Call(Value):
    """One call of a `Function` of several outputs: it stands, unseen, between them and the inputs.

    Its data is the tuple of the outputs, and each of them is an op on it that picks one.
    """

    __slots__ = ()


class no_grad(ContextDecorator):
    """In this block, or in the decorated function, ops on Values record nothing.

    Their results are leaves. It holds for the thread that enters it.

    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y, y.parents
    (Value(data=9.0, grad=0), ())
    """

    def __enter__(self) -> None:
        _enter(_CutOff(mode()))

    def __exit__(self, *error: object) -> None:
        _leave()


class Mode:
    """What a thread makes of ops on Values, where it is not to record them as usual."""

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Value:
        """Return the Value of `op` on `inputs`."""
        raise NotImplementedError

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the Value of a `Function` on `inputs`, or the tuple of its Values."""
        raise NotImplementedError


class _CutOff(Mode):
    """Within `no_grad`: as in the mode around it, but cut off from the graph."""

    def __init__(self, around: Mode | None) -> None:
        self.around = around

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Value:
        if self.around is None:
            return _recorded(op, inputs).detach()
        return self.around.record(ops.detach, (self.around.record(op, inputs),))

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        y = op(*inputs) if self.around is None else self.around.call(op, inputs)
        with in_mode(self.around):
            return tuple(x.detach() for x in y) if isinstance(y, tuple) else y.detach()


@contextmanager
def in_mode(now: Mode | None) -> Iterator[None]:
    """In this block, and this thread, ops on Values are done as `now` has it; None records."""
    _enter(now)
    try:
        yield
    finally:
        _leave()


def mode() -> Mode | None:
    """Return the mode that this thread is in."""
    stack = _modes.get(threading.get_ident())
    return stack[-1] if stack else None


def tracing() -> Mode | None:
    """Return the mode that this thread is in, `no_grad` aside."""
    now = mode()
    while isinstance(now, _CutOff):
        now = now.around
    return now


def recording() -> AbstractContextManager[None]:
    """In this block ops record, even within `no_grad`: for the graph of a transform's own."""
    now = tracing()
    # Being in no mode at all is faster than being in the mode None.
    return nullcontext() if mode() is now else in_mode(now)


def accumulate(leaves: Collection[Value], slopes: Collection[Any]) -> None:
    """Add to the gradient of each of `leaves`, as `backward` does."""
    with _backward_lock:
        for leaf, slope in zip(leaves, slopes, strict=True):
            leaf.grad += slope


def _enter(now: Mode | None) -> None:
    _modes.setdefault(threading.get_ident(), []).append(now)


def _leave() -> None:
    stack = _modes[threading.get_ident()]
    stack.pop()
    if not stack:
        del _modes[threading.get_ident()]


def _compare(op: Op, a: Value, b: Any) -> bool:
    if not isinstance(b, Value) and not is_real(b):
        return NotImplemented  # type: ignore[no-any-return]
    if _modes and (now := tracing()) is not None:
        condition: Any = now.record(op, (a, b))  # a symbol, which no bool can be made of
        return condition  # type: ignore[no-any-return]
    return bool(op.forward(a.data, b.data if isinstance(b, Value) else b))


def topological_order(output: Value, leaves: Collection[Value] = ()) -> list[Value]:
    """Return the results in the graph of `output`, each after its parents, `output` last.

    Leaves are left out, and so are `leaves` and what lies beyond them. Takes time and memory
    linear in the nodes, and never recurses.

    >>> x = Value(3.0)
    >>> square = x * x
    >>> y = square + x
    >>> [node.op for node in topological_order(y)]
    ['*', '+']
    """
    return order([output], leaves)


def order(outputs: Collection[Value], leaves: Collection[Value]) -> list[Value]:
    """Return the results in the graph of all of `outputs`, as `topological_order` does for one."""
    ordered: list[Value] = []
    seen: set[Value] = set(leaves)
    # A None on the stack says that all before the node below it is done.
    stack: list[Value | None] = [y for y in outputs if y._op is not None]
    while stack:
        node = stack.pop()
        if node is None:
            ordered.append(stack.pop())  # type: ignore[arg-type]
            continue
        if node in seen:
            continue
        seen.add(node)
        a, b = node._first, node._second
        if isinstance(a, Value) and a._op is not None and a not in seen:
            stack.append(node)
            stack.append(None)
            stack.append(a)
            if isinstance(b, Value) and b._op is not None and b not in seen:
                stack.append(b)
        elif isinstance(b, Value) and b._op is not None and b not in seen:
            stack.append(node)
            stack.append(None)
            stack.append(b)
        elif type(a) is tuple:
            stack.append(node)
            stack.append(None)
            if b:
                stack += [x for x in a if x._op is not None and x not in seen]
            else:
                stack += [x for x in a if isinstance(x, Value) and x._op and x not in seen]
        else:
            ordered.append(node)
    return ordered


def dependents(outputs: Collection[Value], leaves: Collection[Value]) -> list[Value]:
    """Return the results between `leaves` and `outputs`, each after its parents.

    >>> x, w = Value(3.0), Value(2.0)
    >>> [node.op for node in dependents([x * x + w.exp()], [x])]
    ['*', '+']
    """
    reached = set(leaves)
    between = []
    for node in order(outputs, leaves):
        a, b = node._first, node._second
        if type(a) is tuple:
            depends = not reached.isdisjoint(a if b else [x for x in a if isinstance(x, Value)])
        else:
            depends = (isinstance(a, Value) and a in reached) or (
                isinstance(b, Value) and b in reached
            )
        if depends:
            reached.add(node)
            between.append(node)
    return between


def pull_back(
    nodes: list[Value],
    slopes: dict[Value, Any],
    as_graph: bool,
    within: Collection[Value] | None = None,
) -> None:
    """Carry derivatives back through the graph: add to `slopes` those by all Values reached.

    `slopes` holds the outputs' own to begin with; `nodes` are the results to pass through, each
    after its parents; `within`, if given, are the Values whose derivatives are wanted. Nothing is
    written to the nodes. As a graph, the rules work on the Values themselves, and so give Values
    that can be differentiated again; else on their data.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> slopes = {y: 1.0}
    >>> pull_back([y], slopes, as_graph=False)
    >>> slopes[x]
    6.0
    """
    traced = tracing() is not None
    seed = next(iter(slopes.values()), 0)
    zero = type(seed)() if is_real(seed) else 0
    # In a graph, the terms of a sum of three or more become one node.
    terms: dict[Value, list[Any]] = {}

    def add(x: Value, slope: Any) -> None:
        if type(slope) is int and slope == 0:
            if traced:
                return  # a rule's own zero: a program need not multiply by it
            slope = zero  # of the seed's kind, as in `backward`
        if x not in slopes:
            slopes[x] = slope
        elif not as_graph or traced:
            slopes[x] = slopes[x] + slope
        elif x in terms:
            terms[x].append(slope)
        else:
            terms[x] = [slopes[x], slope]

    def total(x: Value) -> Any:
        if x in terms:
            found = terms.pop(x)
            slopes[x] = found[0] + found[1] if len(found) == 2 else ops.total(*found)
        return slopes[x]

    for node in reversed(nodes):
        if node not in slopes:
            continue
        op, a, b = node._op, node._first, node._second
        assert op is not None
        g = total(node)
        y: Any = node if as_graph else node.data
        try:
            if not op.partials:
                inputs = a if as_graph else [x.data if isinstance(x, Value) else x for x in a]
                wanted = [isinstance(x, Value) and (within is None or x in within) for x in a]
                gradients = op.vjp(g, y, inputs, wanted)
                for x, slope in zip(compress(a, wanted), gradients, strict=True):
                    add(x, slope)
            elif b is None:
                add(a, op.partials[0](g, y, a if as_graph else a.data))
            else:
                p, q = a, b
                if not as_graph:
                    p = a.data if isinstance(a, Value) else a
                    q = b.data if isinstance(b, Value) else b
                if isinstance(a, Value) and (within is None or a in within):
                    add(a, op.partials[0](g, y, p, q))
                if isinstance(b, Value) and (within is None or b in within):
                    add(b, op.partials[1](g, y, p, q))
        except FAILURES as error:
            raise explained(error, op, node.operands, "the derivative of ") from None
    for x in list(terms):
        total(x)


def push_forward(nodes: list[Value], tangents: dict[Value, Any], as_graph: bool) -> None:
    """Carry derivatives forward through the graph: add to `tangents` those of all `nodes`.

    `tangents` holds those of the inputs to begin with, along one direction; `nodes` and `as_graph`
    are as in `pull_back`. A node that no tangent reaches gets none.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> tangents = {x: 1.0}
    >>> push_forward([y], tangents, as_graph=False)
    >>> tangents[y]
    6.0
    """
    for node in nodes:
        op, a, b = node._op, node._first, node._second
        assert op is not None
        y: Any = node if as_graph else node.data
        try:
            if type(op) is not Op:
                inputs = node._inputs()
                moves = [tangents.get(x) if isinstance(x, Value) else None for x in inputs]
                if not as_graph:
                    inputs = tuple(x.data if isinstance(x, Value) else x for x in inputs)
                if any(move is not None for move in moves):
                    tangents[node] = op.jvp(moves, y, inputs)
            elif b is None:
                if a in tangents:
                    tangents[node] = op.partials[0](tangents[a], y, a if as_graph else a.data)
            else:
                by_a = isinstance(a, Value) and a in tangents
                by_b = isinstance(b, Value) and b in tangents
                p, q = a, b
                if not as_graph:
                    p = a.data if isinstance(a, Value) else a
                    q = b.data if isinstance(b, Value) else b
                if by_a:
                    move = op.partials[0](tangents[a], y, p, q)
                    if by_b:
                        move = move + op.partials[1](tangents[b], y, p, q)
                    tangents[node] = move
                elif by_b:
                    tangents[node] = op.partials[1](tangents[b], y, p, q)
        except FAILURES as error:
            raise explained(error, op, node.operands, "the derivative of ") from None


def _apply_chain_rule(nodes: list[Value]) -> None:
    """Add to the parents of each of `nodes`, in order, what its gradient contributes to theirs.

    This is `pull_back` for plain numbers, written for speed: the gradients are in the nodes.
    """
    try:
        for node in nodes:
            op, a, b = node._op, node._first, node._second
            assert op is not None
            partials = op.partials
            if not partials:
                assert isinstance(op, NaryOp)
                if b:
                    slopes = op.rule(node.grad, node.data, *[x.data for x in a])
                    for x, slope in zip(a, slopes, strict=True):
                        x.grad += slope
                else:
                    inputs = [x.data if isinstance(x, Value) else x for x in a]
                    slopes = op.rule(node.grad, node.data, *inputs)
                    for x, slope in zip(a, slopes, strict=True):
                        if isinstance(x, Value):
                            x.grad += slope
            elif b is None:
                a.grad += partials[0](node.grad, node.data, a.data)
            elif isinstance(b, Value):
                if isinstance(a, Value):
                    g, y, a_data, b_data = node.grad, node.data, a.data, b.data
                    a.grad += partials[0](g, y, a_data, b_data)
                    b.grad += partials[1](g, y, a_data, b_data)
                else:
                    b.grad += partials[1](node.grad, node.data, a, b.data)
            else:
                a.grad += partials[0](node.grad, node.data, a.data, b)
    except FAILURES as error:
        assert op is not None
        raise explained(error, op, node.operands, "the derivative of ") from None
