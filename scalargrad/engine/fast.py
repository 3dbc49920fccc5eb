"""Functions and operators of Values, unrolled for speed: this is where a program spends its time.

They record as `value.recorded` does, for one input, for two, and with a plain number on the left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scalargrad.engine.context import active, here
from scalargrad.engine.errors import (
    FAILURES,
    explained,
    refuse_operand,
    refuse_plain,
    refuse_result,
)
from scalargrad.engine.op import Op
from scalargrad.engine.real import number_of
from scalargrad.engine.recording import record_within, recorded
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value

_new = object.__new__
_ORDINARY = frozenset((Value, float, int, bool))


def record(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return the result of `op` on inputs some of which are Tracers: by the foremost kind."""
    if not active and _ORDINARY.issuperset(map(type, inputs)):
        return recorded(op, inputs)
    return foremost(inputs).record(op, inputs)


def foremost(inputs: tuple[Any, ...]) -> Tracer:
    """Return the Tracer among `inputs` whose kind says what becomes of an op on them."""
    found = None
    for x in inputs:
        if isinstance(x, Tracer) and (found is None or x.priority > found.priority):
            found = x
    assert found is not None
    return found


# What the functions use is in their closures: their globals will be those of the function that
# they stand for, so that doctest and help find them there.
def unary_function(op: Op) -> Callable[..., Any]:
    """Return the function of one number, and method of Value, that computes or records `op`."""
    forward, value, tracer, refuse, failures = op.forward, Value, Tracer, refuse_result, FAILURES
    active_, here_, new, number, explain = active, here, _new, number_of, explained
    within = record_within
    type_, float_, isinstance_, type_error, refuse_plain_ = (
        *(type, float, isinstance, TypeError),
        refuse_plain,
    )

    def function(x: Any) -> Any:
        if type_(x) is value:
            if active_ and not here_().plain:
                return within(op, (x,))
            try:
                data = forward(x._data)
            except failures as error:
                raise explain(error, op, (x,)) from None
            if type_(data) is not float_:
                given, data = data, number(data)
                if data is None:
                    refuse(op, (x,), given)
            node = new(value)
            node._data = data
            node._grad = 0
            node.label = ""
            node._op = op
            node._first = x
            node._second = None
            return node
        if isinstance_(x, tracer):
            return x.record(op, (x,))
        try:
            return forward(x)
        except type_error as error:
            refuse_plain_(op, (x,), error)

    return function


def binary_function(op: Op) -> Callable[..., Any]:
    """Return the function of two numbers that computes or records `op`."""
    forward, tracer, record_, isinstance_ = op.forward, Tracer, record, isinstance

    def function(a: Any, b: Any) -> Any:
        if isinstance_(a, tracer) or isinstance_(b, tracer):
            return record_(op, (a, b))
        return forward(a, b)

    return function


def operator_of(op: Op) -> Callable[..., Any]:
    """Return the method of Value for an operator of two operands, this Value on the left."""
    forward = op.forward

    def method(self: Value, other: Any) -> Any:
        if active and not here().plain:
            known = other if isinstance(other, Value) else number_of(other)
            return refuse_operand(op, other) if known is None else record_within(op, (self, known))
        if isinstance(other, Value):
            number = other._data
        elif type(other) is float:
            number = other
        else:
            number = number_of(other)
            if number is None:
                return refuse_operand(op, other)
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

    return method


def reflected_of(op: Op) -> Callable[..., Any]:
    """Return the method of Value for an operator of two operands, this Value on the right."""
    forward = op.forward

    def method(self: Value, other: Any) -> Any:
        if type(other) is not float:
            number = number_of(other)
            if number is None:
                return refuse_operand(op, other)
            other = number
        if active and not here().plain:
            return record_within(op, (other, self))
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

    return method
