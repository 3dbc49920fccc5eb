"""`Value`: a number that remembers the op and the operands that made it, and its gradient.

Building an expression of Values records a graph. `backward()` walks it from the result to the
leaves and applies the chain rule. `functions.methods` gives Value its operators and functions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scalargrad.engine import errors
from scalargrad.engine.context import active, differentiated, refuse_access
from scalargrad.engine.graph import Node, topological_order
from scalargrad.engine.passes import add_gradients, add_slopes, chosen, recompute, seed_for
from scalargrad.engine.real import number_of

if TYPE_CHECKING:
    from scalargrad.engine.operators import Operators
else:
    Operators = Node

# One pass at a time: passes write the gradients into the nodes, which threads may share.
backward_lock = threading.RLock()


class Value(Operators):
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
        with backward_lock:
            if create_graph or inputs is not None:
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

    __hash__ = object.__hash__

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
