"""What a kind of number needs to be pushed through the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scalargrad.engine import operators
from scalargrad.engine.errors import refuse_operand
from scalargrad.engine.op import Op
from scalargrad.engine.real import is_real

Method = Callable[..., Any]


def _operator_of(op: Op) -> Method:
    return lambda self: self.record(op, (self,))


def _operators_of(op: Op) -> tuple[Method, Method]:
    """Return the methods for an operator with this kind of number on the left, and on the right."""

    def method(self: Tracer, other: Any) -> Any:
        if isinstance(other, Tracer):
            if other.priority > self.priority:
                return other.record(op, (self, other))
        elif isinstance(other, list | tuple):
            return refuse_operand(op, other)
        return self.record(op, (self, other))

    return method, lambda self, other: self.record(op, (other, self))


def _comparison_of(op: Op) -> Method:
    compared, _ = _operators_of(op)

    def method(self: Tracer, other: Any) -> Any:
        known = isinstance(other, Tracer) or is_real(other)
        return compared(self, other) if known else NotImplemented

    return method


class Tracer:
    """A kind of number that takes part in the ops done to it: operators and functions alike.

    Values are one, and symbols, complex steps and power series are. A subclass says in `record`
    what becomes of an op. The functions of one argument are methods, too (`functions.methods`).
    """

    __slots__ = ()

    # Where several kinds meet in an op, the one of the highest priority records it.
    priority = 0

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the result of `op` on `inputs`, at least one of which is of this kind."""
        raise NotImplementedError

    @staticmethod
    def call(op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the result of a `Function` on `inputs`: a number, or a tuple of numbers."""
        raise TypeError(
            f"{op.name} is a Function, which takes Values and plain numbers: write it with "
            "`primitive`, or in arithmetic"
        )

    __add__, __radd__ = _operators_of(operators.add)
    __sub__, __rsub__ = _operators_of(operators.sub)
    __mul__, __rmul__ = _operators_of(operators.mul)
    __truediv__, __rtruediv__ = _operators_of(operators.div)
    __pow__, __rpow__ = _operators_of(operators.power)
    __mod__, __rmod__ = _operators_of(operators.mod)
    __neg__ = _operator_of(operators.neg)
    __pos__ = _operator_of(operators.pos)
    __abs__ = _operator_of(operators.absolute)

    __gt__ = _comparison_of(operators.greater)
    __lt__ = _comparison_of(operators.less)
    __ge__ = _comparison_of(operators.at_least)
    __le__ = _comparison_of(operators.at_most)
    __eq__ = _comparison_of(operators.equal)
    __ne__ = _comparison_of(operators.unequal)
    __hash__ = object.__hash__

    def described(self) -> str:
        """Return how errors name this number."""
        return repr(self)


def foremost(inputs: tuple[Any, ...]) -> Tracer:
    """Return the Tracer among `inputs` whose kind says what becomes of an op on them."""
    found = None
    for x in inputs:
        if isinstance(x, Tracer) and (found is None or x.priority > found.priority):
            found = x
    assert found is not None
    return found
