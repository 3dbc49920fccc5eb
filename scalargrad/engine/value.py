"""`Value`: a number that remembers the op and the operands that made it, and its gradient.

Building an expression of Values records a graph: `recorded` does it for any op, and the methods of
operators, unrolled for speed, as it does. `backward()` walks the graph from the result to the
leaves and applies the chain rule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from scalargrad.engine import errors, operators
from scalargrad.engine.context import active, differentiated, here, refuse_access, tracing
from scalargrad.engine.errors import FAILURES, explained
from scalargrad.engine.fast import add_gradients
from scalargrad.engine.graph import Node, topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.passes import add_slopes, chosen, local_derivatives, recompute, seed_for
from scalargrad.engine.real import number_of
from scalargrad.engine.tracer import Tracer

if TYPE_CHECKING:
    from scalargrad.engine.methods import Methods
else:
    Methods = Node  # functions.methods gives it the functions of one argument

# One pass at a time: passes write the gradients into the nodes, which threads may share.
backward_lock = threading.RLock()


_new = object.__new__


def recorded(op: Op, inputs: tuple[Any, ...]) -> Value:
    """Return the Value of `op` on `inputs`, whatever the context."""
    numbers = [x._data for x in inputs if isinstance(x, Value)]
    all_values = len(numbers) == len(inputs)
    if not all_values:
        if not ORDINARY.issuperset(map(type, inputs)):
            inputs = tuple([x if isinstance(x, Value) else _plain(x) for x in inputs])
        numbers = [x._data if isinstance(x, Value) else x for x in inputs]
    try:
        data = op.forward(*numbers)
    except FAILURES as error:
        raise explained(error, op, inputs) from None
    if type(data) is not float:
        given, data = data, number_of(data)
        if data is None:
            errors.refuse_result(op, inputs, given)
    return make_node(op, inputs, data, inputs if all_values else None)


def _plain(x: Any) -> Any:
    number = number_of(x)
    return x if number is None else number


def make_node(
    op: Op, inputs: tuple[Any, ...], data: Any, sources: tuple[Any, ...] | None = None
) -> Value:
    """Return a new result of `op` on `inputs` with this data.

    `sources`, where the inputs are known to be Values, each of them, has those that are results.
    """
    node = _new(Value)
    node._data = data
    node._grad = 0
    node.label = ""
    node._op = op
    if op.joint is not None:
        node._first = inputs
        node._second = sources
    else:
        node._first = inputs[0]
        node._second = inputs[1] if len(inputs) == 2 else None
    return node


def record_value(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return the result of `op` on `inputs`: Values and plain numbers."""
    if not active or here().plain:
        return recorded(op, inputs)
    now = here()
    if now.trace is not None:
        y = now.trace.record(op, inputs)
    else:
        y = recorded(op, inputs)
        if now.watch is not None:
            now.watch.look(y, op, inputs)
    return y if now.records else y.detach()


Operator = Callable[["Value", Any], "Value"]


def function_of_one(op: Op) -> Callable[[Any], Value]:
    """Return the function of an op of one input, for any kind of number; a method of Value, too."""
    forward = op.forward

    def function(x: Any, /) -> Any:
        if type(x) is Value:
            if active and not here().plain:
                return record_value(op, (x,))
            try:
                data = forward(x._data)
            except FAILURES as error:
                raise explained(error, op, (x,)) from None
            if type(data) is not float:
                given, data = data, number_of(data)
                if data is None:
                    errors.refuse_result(op, (x,), given)
            node = _new(Value)
            node._data = data
            node._grad = 0
            node.label = ""
            node._op = op
            node._first = x
            node._second = None
            return node
        if isinstance(x, Tracer):
            return x.record(op, (x,))
        try:
            return forward(x)
        except TypeError as error:
            errors.refuse_plain(op, (x,), error)

    return function


def operators_of(op: Op) -> tuple[Operator, Operator]:
    """Return the methods for an operator with this Value on the left, and on the right."""
    forward = op.forward

    def method(self: Value, other: Any) -> Value:
        if active and not here().plain:
            known = other if isinstance(other, Value) else number_of(other)
            if known is None:
                return errors.refuse_operand(op, other)  # type: ignore[no-any-return]
            return record_value(op, (self, known))  # type: ignore[no-any-return]
        if isinstance(other, Value):
            number = other._data
        elif type(other) is float:
            number = other
        else:
            number = number_of(other)
            if number is None:
                return errors.refuse_operand(op, other)  # type: ignore[no-any-return]
            other = number
        try:
            data = forward(self._data, number)
        except FAILURES as error:
            raise explained(error, op, (self, other)) from None
        node = _new(Value)
        node._data = data
        node._grad = 0
        node.label = ""
        node._op = op
        node._first = self
        node._second = other
        return node

    def reflected(self: Value, other: Any) -> Value:
        if type(other) is not float:
            number = number_of(other)
            if number is None:
                return errors.refuse_operand(op, other)  # type: ignore[no-any-return]
            other = number
        if active and not here().plain:
            return record_value(op, (other, self))  # type: ignore[no-any-return]
        try:
            data = forward(other, self._data)
        except FAILURES as error:
            raise explained(error, op, (other, self)) from None
        node = _new(Value)
        node._data = data
        node._grad = 0
        node.label = ""
        node._op = op
        node._first = other
        node._second = self
        return node

    return method, reflected


def comparison_of(op: Op) -> Callable[[Value, Any], bool]:
    """Return the method for a comparison: it gives a bool, and in a trace a condition."""
    forward = op.forward

    def method(self: Value, other: Any) -> Any:
        if active and (trace := here().trace) is not None:
            known = other if isinstance(other, Value) else number_of(other)
            return NotImplemented if known is None else trace.record(op, (self, known))
        number = other._data if isinstance(other, Value) else number_of(other)
        return NotImplemented if number is None else bool(forward(self._data, number))

    return method


class Value(Methods):
    """One real number in a graph of numbers: its data, its gradient, and how it came to be.

    `data` is any real number (int, float, Fraction, Decimal, a numpy scalar), kept as it is; but a
    numpy integer, which would wrap around, becomes Python's int.
    `grad` is the derivative of the output that `backward` was last called on, by this number:
    accumulated over passes for a leaf, that of the last pass for a result. It starts at 0, and
    None sets it to 0. `label` is a name for people to read. Comparisons compare the numbers; the
    hash goes by identity, as that of PyTorch's tensors: so `v in {1.0}` is False also where
    `v == 1.0` holds, and a dict or set finds a Value only by itself. Raises TypeError for data that
    is not a real number.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> y = a * b + a**2
    >>> y.backward()
    >>> y.data, a.grad, b.grad
    (-2.0, 1.0, 2.0)
    >>> a
    Value(data=2.0, grad=1.0, label='a')
    """

    __slots__ = ("_data", "_grad")

    def __init__(self, data: Any, label: str = "") -> None:
        if type(data) is float:
            self._data = data
        elif (number := number_of(data)) is not None:
            self._data = number
        else:
            errors.refuse_data(data)
        self._grad = 0
        self.label = label
        self._op = self._first = self._second = None

    @property
    def data(self) -> float:
        """The number. Raises TypeError if it is set to anything else, and while a trace reads it.

        >>> Value(3.0).data
        3.0
        """
        if active:
            refuse_access()
        return self._data  # type: ignore[no-any-return] # any kind of real number, in truth

    @data.setter
    def data(self, number: Any) -> None:
        if active:
            refuse_access()
        kept = number_of(number)
        if kept is None:
            errors.refuse_data(number)
        self._data = kept

    @property
    def grad(self) -> Any:
        """The derivative by this number: a number, or a Value after `create_graph`.

        >>> Value(3.0).grad
        0
        """
        if active:
            refuse_access()
        return self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        if active:
            refuse_access()
        kept = 0 if gradient is None else number_of(gradient)
        if kept is None:
            if not isinstance(gradient, Value):
                errors.refuse_gradient(gradient)
            kept = gradient
        self._grad = kept

    def backward(
        self,
        gradient: Any = 1,
        create_graph: bool = False,
        inputs: Iterable[Value] | None = None,
    ) -> None:
        """Set `.grad` throughout the graph of this Value: the derivatives of it, times `gradient`.

        Leaves add to the gradient that they had; every result gets that of this pass alone. With
        `inputs` only those get theirs, added. With `create_graph` the gradients are Values, graphs
        to be differentiated again, and `gradient` may be one too; Values and their `.grad` then
        refer to each other, and wait for Python's collector. Raises
        TypeError if `gradient` is not a real number, and the error of Python's arithmetic, naming
        the op, where a derivative does not exist: at the kink of `sqrt` at 0 ZeroDivisionError.
        Leaves may then hold a part of the gradient.

        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> (x * x).backward(gradient=10)
        >>> x.grad
        66.0
        """
        if active:
            refuse_access()
        seed = seed_for(self, gradient, create_graph)
        watched = active and here().watch is not None
        with backward_lock:
            if create_graph or inputs is not None or watched:
                add_slopes(self, seed, create_graph, None if inputs is None else chosen(inputs))
            elif self._op is None:
                self._grad += seed
            else:
                add_gradients(topological_order([self]), seed)

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
        if active:
            refuse_access()
        recompute(topological_order([self]))
        return self._data

    def detach(self) -> Value:
        """Return a new leaf with this Value's data and label, cut off from its graph.

        >>> x = Value(3.0)
        >>> (x * x.detach()).backward()
        >>> x.grad
        3.0
        """
        if (trace := tracing()) is not None:
            return trace.record(operators.detach, (self,))  # type: ignore[no-any-return]
        return Value(self._data, self.label)

    def local_derivatives(self) -> tuple[Any, ...]:
        """Return the derivative of this Value by each of its parents alone, in their order.

        The chain rule multiplies each with what arrives from above. Raises what `backward` raises.

        >>> a, b = Value(2.0), Value(5.0)
        >>> (a * b).local_derivatives()
        (5.0, 2.0)
        """
        if active:
            refuse_access()
        return local_derivatives(self)

    def described(self) -> str:
        """Return how errors name this Value: by its label and number."""
        return (
            f"{self.label}={errors.shown(self._data)}" if self.label else errors.shown(self._data)
        )

    def __repr__(self) -> str:
        value = isinstance(self._grad, Value)
        grad = f"Value({errors.shown(self._grad._data)})" if value else errors.shown(self._grad)
        op = f", op={self.op!r}" if self._op is not None else ""
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={errors.shown(self._data)}, grad={grad}{op}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec)

    record = staticmethod(record_value)

    __add__, __radd__ = operators_of(operators.add)
    __sub__, __rsub__ = operators_of(operators.sub)
    __mul__, __rmul__ = operators_of(operators.mul)
    __truediv__, __rtruediv__ = operators_of(operators.div)
    __pow__, __rpow__ = operators_of(operators.power)
    __mod__, __rmod__ = operators_of(operators.mod)

    __neg__ = function_of_one(operators.neg)
    __pos__ = function_of_one(operators.pos)
    __abs__ = function_of_one(operators.absolute)

    __gt__ = comparison_of(operators.greater)
    __lt__ = comparison_of(operators.less)
    __ge__ = comparison_of(operators.at_least)
    __le__ = comparison_of(operators.at_most)
    __eq__ = comparison_of(operators.equal)
    __ne__ = comparison_of(operators.unequal)
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        if (trace := tracing()) is not None:
            return bool(trace.record(operators.unequal, (self, 0)))
        return bool(self._data)

    __float__ = __int__ = __complex__ = __index__ = errors.refuse_conversion
    __round__, __trunc__ = errors.refuse_round, errors.refuse_trunc
    __floor__, __ceil__ = errors.refuse_floor, errors.refuse_ceil
    __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = errors.refuse_floor_division

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy and pickle leaves.

        Raises TypeError for a result, whose graph does not travel, and for an argument of a
        transform such as `grad`, whose copy would have no derivative.
        """
        if active:
            refuse_access()
        if differentiated and self in differentiated:
            errors.refuse_copy_of_argument(self)
        if self._op is not None:
            errors.refuse_copy(self)
        return super().__reduce_ex__(max(2, protocol))


# The kinds that nearly all inputs have.
ORDINARY = frozenset((Value, float, int, bool))
