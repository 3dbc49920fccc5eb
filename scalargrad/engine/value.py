"""`Value`: a number that remembers the op and the operands that made it, and its gradient.

Building an expression of Values records a graph. `backward()` walks it from the result to the
leaves in reverse topological order and applies the chain rule. The operators and the functions of
one argument are given to Value in `scalargrad.functions.methods`, from the table of the rules.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scalargrad.engine.errors import (
    FAILURES,
    explained,
    refuse_conversion,
    refuse_copy,
    refuse_data,
    refuse_floor_division,
    refuse_gradient,
    refuse_result,
    shown,
)
from scalargrad.engine.graph import Node, contributions, operands_of, topological_order
from scalargrad.engine.modes import active, mode, refuse_access
from scalargrad.engine.op import Op, in_kind, is_real
from scalargrad.engine.outputs import Cotangents, Pick
from scalargrad.engine.passes import add_gradients, chosen, seed_for, slopes_by

if TYPE_CHECKING:
    from scalargrad.engine.operators import Operators
else:
    Operators = Node

_new = object.__new__
# One pass at a time: passes write the gradients into the nodes, which threads may share.
backward_lock = threading.RLock()


class Value(Operators):
    """One real number in a graph of numbers: its data, its gradient, and how it came to be.

    `data` is any real number (int, float, Fraction, Decimal, a numpy scalar), kept as it is.
    `grad` is the derivative of the output that `backward` was last called on, by this number:
    accumulated over passes for a leaf, that of the last pass for a result. It starts at 0, and
    None sets it to 0. `label` is a name for people to read. Comparisons compare the numbers; the
    hash goes by identity. Raises TypeError for data that is not a real number.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> y = a * b + a**2
    >>> y.backward()
    >>> y.data, a.grad, b.grad
    (-2.0, 1.0, 2.0)
    >>> a
    Value(data=2.0, grad=1.0, label='a')
    """

    __slots__ = ("_data", "_grad")

    # numpy scalars and arrays then leave `np.float64(2) * v` to us.
    __array_ufunc__ = None

    def __init__(self, data: Any, label: str = "") -> None:
        if type(data) is not float and not is_real(data):
            refuse_data(data)
        self._data = data
        self._grad = 0
        self.label = label
        self._op = None
        self._first = None
        self._second = None

    @property
    def data(self) -> float:
        """The number. Raises TypeError if it is set to anything else, and while a trace reads it.

        >>> x = Value(3.0)
        >>> x.data = 5.0
        >>> x.data
        5.0
        """
        if active:
            refuse_access()
        number: float = self._data  # any kind of real number, in truth
        return number

    @data.setter
    def data(self, number: Any) -> None:
        if active:
            refuse_access()
        if type(number) is not float and not is_real(number):
            refuse_data(number)
        self._data = number

    @property
    def grad(self) -> Any:
        """The derivative by this number: a number, or a Value after `create_graph`.

        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> x.grad
        6.0
        >>> x.grad = None
        >>> x.grad
        0
        """
        if active:
            refuse_access()
        return self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        if active:
            refuse_access()
        if gradient is None:
            gradient = 0
        elif not (type(gradient) is float or is_real(gradient) or isinstance(gradient, Value)):
            refuse_gradient(gradient)
        self._grad = gradient

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the Value of `op` on `inputs`: Values and plain numbers."""
        if active and (now := mode()) is not None:
            return now.record(op, inputs)
        return recorded(op, inputs)

    def backward(
        self,
        gradient: Any = 1,
        create_graph: bool = False,
        inputs: Iterable[Value] | None = None,
    ) -> None:
        """Set `.grad` throughout the graph of this Value: the derivatives of it, times `gradient`.

        Leaves add to the gradient that they had; every result gets that of this pass alone. With
        `inputs` only those get theirs, added to what they had. With `create_graph` the gradients
        are Values, graphs that can be differentiated again, and `gradient` may be one too; Values
        and their `.grad` then refer to each other, and wait for Python's collector. Raises
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
        with backward_lock:
            if create_graph or inputs is not None:
                targets = None if inputs is None else chosen(inputs)
                for x, slope in slopes_by(self, seed, targets, create_graph).items():
                    # The data of a Function's call is the tuple of its outputs.
                    if type(x._data) is float or is_real(x._data):
                        x._add_gradient(slope, create_graph, anew=targets is None)
            elif self._op is None:
                self._grad += seed
            else:
                nodes = topological_order([self])
                # Of the seed's kind, so that a rule's own 0 does not stay an int: 0 / 3 is a float.
                zero = in_kind(0, seed)
                for node in nodes:
                    node._grad = zero
                self._grad = seed
                nodes.reverse()
                add_gradients(nodes)

    def _add_gradient(self, slope: Any, as_graph: bool, anew: bool) -> None:
        if as_graph and not isinstance(slope, Value):
            slope = Value(slope)  # a rule's own 0
        had = 0 if anew and self._op is not None else self._grad
        if type(had) is int and had == 0:
            self._grad = slope
        else:
            self._grad = Value(had) + slope if as_graph and is_real(had) else had + slope

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
        from scalargrad.engine.code import lower, run  # only here: it takes a while to load

        nodes = topological_order([self])
        code, leaves = lower(nodes, [self])
        numbers = run(code, [leaf._data for leaf in leaves])
        for node, number in zip(nodes, numbers[len(leaves) :], strict=True):
            node._data = number
        return self._data

    def local_derivatives(self) -> tuple[Any, ...]:
        """Return the derivative of this Value by each of its parents alone, in their order.

        The chain rule multiplies each with what arrives from above. Raises what `backward` raises.

        >>> a, b = Value(2.0), Value(5.0)
        >>> (a * b).local_derivatives()
        (5.0, 2.0)
        """
        if active:
            refuse_access()
        node, g = self, in_kind(1, self._data)
        if isinstance(self._op, Pick):  # an output of a Function: its parents are the call's
            node = self._first
            g = Cotangents({self._op.place: g})
        gs = [g if isinstance(x, Node) else None for x in operands_of(node)]
        slopes = contributions(node, gs, as_graph=False) if gs else ()
        return tuple(slope for slope in slopes if slope is not None)

    def described(self) -> str:
        """Return how errors name this Value: by its label and number.

        >>> Value(2.0, label="x").described()
        'x=2.0'
        """
        return f"{self.label}={shown(self._data)}" if self.label else shown(self._data)

    def __repr__(self) -> str:
        grad = self._grad._data if isinstance(self._grad, Value) else self._grad
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={shown(self._data)}, grad={shown(grad)}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec)

    __hash__ = object.__hash__

    __float__ = __int__ = __complex__ = __index__ = refuse_conversion
    __round__ = __trunc__ = __floor__ = __ceil__ = refuse_conversion
    __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = refuse_floor_division

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy and pickle leaves. Raises TypeError for a result, whose graph does not travel."""
        if active:
            refuse_access()
        if self._op is not None:
            refuse_copy(self)
        return super().__reduce_ex__(max(2, protocol))


def recorded(op: Op, inputs: tuple[Any, ...]) -> Value:
    """Return the Value of `op` on `inputs`, in no mode."""
    numbers = [x._data for x in inputs if isinstance(x, Value)]
    all_values = len(numbers) == len(inputs)
    if not all_values:
        numbers = [x._data if isinstance(x, Value) else x for x in inputs]
    try:
        data = op.forward(*numbers)
    except FAILURES as error:
        raise explained(error, op, inputs) from None
    if type(data) is not float and not is_real(data):
        refuse_result(op, inputs, data)
    return make_node(op, inputs, data, all_values)


def make_node(op: Op, inputs: tuple[Any, ...], data: Any, all_values: bool = False) -> Value:
    """Return a new result of `op` on `inputs` with this data.

    `all_values` says that the inputs are known to be Values, each of them.
    """
    node = _new(Value)
    node._data = data
    node._grad = 0
    node.label = ""
    node._op = op
    if op.joint is not None:  # as graph.link has it
        node._first = inputs
        node._second = all_values
    else:
        node._first = inputs[0]
        node._second = inputs[1] if len(inputs) == 2 else None
    return node
