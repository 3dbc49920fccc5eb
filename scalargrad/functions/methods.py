"""The operators and the functions of one argument as methods: of Value, and of every Tracer.

They are taken from the table: a function of one number that a family makes public is a method.
"""

from collections.abc import Callable
from typing import Any

from scalargrad.engine.context import tracing
from scalargrad.engine.errors import refuse_operand
from scalargrad.engine.fast import operator_of, reflected_of
from scalargrad.engine.op import Op
from scalargrad.engine.passes import local_derivatives
from scalargrad.engine.real import is_real
from scalargrad.engine.recording import record_value
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special
from scalargrad.functions.ufuncs import array_ufunc

FAMILIES = (arithmetic, choices, many, elementary, special, activations)

_BINARY = {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "truediv": arithmetic.div,
    "pow": elementary.power,
    "mod": arithmetic.mod,
}
_UNARY = {"neg": arithmetic.neg, "pos": arithmetic.pos, "abs": arithmetic.absolute}
_COMPARISONS = {
    "gt": choices.greater,
    "lt": choices.less,
    "ge": choices.at_least,
    "le": choices.at_most,
    "eq": choices.equal,
    "ne": choices.unequal,
}


def all_ops() -> dict[str, Op]:
    """Return the ops of all families, by name.

    >>> all_ops()["+"]
    <op +>
    """
    things = [thing for family in FAMILIES for thing in vars(family).values()]
    ops = [thing.op for thing in things if isinstance(getattr(thing, "op", None), Op)]
    return {op.name: op for op in ops}


def public_functions() -> dict[str, Callable[..., Any]]:
    """Return the public functions of all families, by name.

    >>> public_functions()["sin"](0.0)
    0.0
    """
    return {name: getattr(family, name) for family in FAMILIES for name in family.__all__}


def _takes_one(function: Any) -> bool:
    """Return whether a function can be called with one number: others have defaults."""
    op = getattr(function, "op", None)
    if op is None or op.joint is not None:
        return False
    like = getattr(function, "__wrapped__", function)
    return bool(like.__code__.co_argcount - len(like.__defaults__ or ()) == 1)


def _recorded(op: Op) -> Callable[..., Any]:
    def method(self: Tracer, other: Any) -> Any:
        if isinstance(other, Tracer):
            if other.priority > self.priority:
                return other.record(op, (self, other))
        elif isinstance(other, list | tuple):
            return refuse_operand(op, other)
        return self.record(op, (self, other))

    return method


def _reflected(op: Op) -> Callable[..., Any]:
    return lambda self, other: self.record(op, (other, self))


def _comparison(op: Op) -> Callable[..., Any]:
    forward = op.forward

    def method(self: Value, other: Any) -> Any:
        if not isinstance(other, Value) and not is_real(other):
            return NotImplemented
        if (now := tracing()) is not None:
            return now.record(op, (self, other))  # a symbol, which no bool can be made of
        return bool(forward(self._data, other._data if isinstance(other, Value) else other))

    return method


def _truth(self: Value) -> bool:
    if (now := tracing()) is not None:
        return bool(now.record(choices.unequal.op, (self, 0)))
    return bool(self._data)


def _detach(self: Value) -> Any:
    """Return a new leaf with this Value's data and label, cut off from its graph.

    >>> x = Value(3.0)
    >>> (x * x.detach()).backward()
    >>> x.grad
    3.0
    """
    if (now := tracing()) is not None:
        return now.record(arithmetic.detach.op, (self,))
    return Value(self._data, self.label)


def _give(kind: type, name: str, method: Any) -> None:
    setattr(kind, name, method)


for _name, _function in _BINARY.items():
    _give(Tracer, f"__{_name}__", _recorded(_function.op))
    _give(Tracer, f"__r{_name}__", _reflected(_function.op))
    _give(Value, f"__{_name}__", operator_of(_function.op))
    _give(Value, f"__r{_name}__", reflected_of(_function.op))
for _name, _function in _UNARY.items():
    _give(Tracer, f"__{_name}__", _function)
for _name, _function in _COMPARISONS.items():
    _give(Value, f"__{_name}__", _comparison(_function.op))
for _name, _function in public_functions().items():
    if _takes_one(_function):
        _give(Tracer, _name, _function)
_give(Tracer, "__array_ufunc__", array_ufunc)
_give(Value, "__bool__", _truth)
_give(Value, "detach", _detach)
_give(Value, "local_derivatives", local_derivatives)
_give(Value, "record", staticmethod(record_value))
