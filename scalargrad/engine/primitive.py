"""`primitive`: a plain function and its rules become one function for every kind of number.

Plain numbers go to the function itself. Values record the op, unrolled here for one input, for
two, and for operators with a plain number on the left, since this is where a program spends its
time. Other kinds of number say themselves what becomes of the op (`Tracer.record`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import update_wrapper
from types import CodeType, FunctionType
from typing import Any, Protocol, TypeVar, overload

from scalargrad.engine.errors import FAILURES, explained, refuse_operand, refuse_result
from scalargrad.engine.modes import active, mode
from scalargrad.engine.op import Op, Rule, Tracer, is_real
from scalargrad.engine.value import Value

_new = object.__new__


class Unary(Protocol):
    """A function of one number: a Value gives a Value, a plain number a plain number."""

    __name__: str
    op: Op

    @overload
    def __call__(self, x: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, /) -> float: ...
    @overload
    def __call__(self, x: Any, /) -> Any: ...


class Binary(Protocol):
    """A function of two numbers: a Value among them gives a Value."""

    __name__: str
    op: Op

    @overload
    def __call__(self, x: Value, y: Any, /) -> Value: ...
    @overload
    def __call__(self, x: Any, y: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, y: float, /) -> float: ...
    @overload
    def __call__(self, x: Any, y: Any, /) -> Any: ...


F = TypeVar("F", bound=Callable[..., Any])


@overload
def primitive(rule: Rule, /, *, hint: str = "") -> Callable[[Callable[..., Any]], Unary]: ...
@overload
def primitive(
    rule: Rule, second: Rule, /, *, hint: str = ""
) -> Callable[[Callable[..., Any]], Binary]: ...
@overload
def primitive(*rules: Rule, hint: str = "") -> Callable[[F], F]: ...
def primitive(*rules: Rule, hint: str = "") -> Any:
    """Make a differentiable function of a plain one: a decorator, given a rule for each input.

    `rule(g, y, *inputs)` returns the derivative by its input: `g` is the derivative arriving from
    above, `y` the function's output. A rule is written in arithmetic and differentiable functions,
    and never branches on a number (`where` chooses); so the function can be differentiated to any
    order, and traced. `hint` is what errors say of the inputs that the function takes. The plain
    function gets plain numbers and returns a real number. Raises TypeError if the number of rules
    is not that of the inputs.

    >>> from scalargrad import grad
    >>> @primitive(lambda g, y, x: g * (3 * x * x))
    ... def cube(x):
    ...     return x * x * x
    >>> cube(2.0), grad(cube)(2.0), grad(grad(cube))(2.0)
    (8.0, 12.0, 12.0)
    """

    def decorate(forward: Callable[..., Any]) -> Any:
        code = getattr(forward, "__code__", None)
        if not rules or (code is not None and code.co_argcount not in (0, len(rules))):
            raise TypeError(
                f"primitive takes one rule for each input of {forward.__name__}, as in "
                f"@primitive(lambda g, y, x: g * cos(x)); it was given {len(rules)}"
            )
        return made(Op(forward.__name__.strip("_"), direct(forward), rules, hint=hint), forward)

    return decorate


def made(op: Op, like: Callable[..., Any]) -> Any:
    """Return the function that computes or records `op`: named and documented as `like`."""
    function: Any
    if len(op.rules) == 1:
        function = _unary(op)
    elif len(op.rules) == 2:
        function = _binary(op)
    else:
        function = _many(op, like)
    if isinstance(like, FunctionType):
        function = _renamed(function, like)
    update_wrapper(function, like)
    function.op = op
    op.function = function
    return function


def spelling_of(function: Any) -> Callable[[F], F]:
    """Say that a public function is another spelling of a primitive: it has its op."""

    def decorate(spelling: F) -> F:
        spelling.op = function.op  # type: ignore[attr-defined]
        return spelling

    return decorate


def direct(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that `forward` only passes its arguments on to, else `forward`.

    For `def sin(x): return math.sin(x)` that is math.sin: one call less in each op.

    >>> import math
    >>> direct(lambda x: math.sin(x)) is math.sin
    True
    """
    code = getattr(forward, "__code__", None)
    if code is not None and code.co_code in _PASSING_ON and len(code.co_names) == 2:
        module, name = code.co_names
        return getattr(forward.__globals__[module], name)  # type: ignore[attr-defined,no-any-return]
    return forward


_PASSING_ON = {
    (lambda x: math.sin(x)).__code__.co_code,
    (lambda x, y: math.atan2(x, y)).__code__.co_code,
    (lambda x, y, z: math.hypot(x, y, z)).__code__.co_code,
}


def _renamed(function: FunctionType, like: FunctionType) -> FunctionType:
    """Return `function` with the parameters, defaults and module of `like`, a real function."""
    code: CodeType = function.__code__
    count = code.co_argcount
    if count:
        code = code.replace(
            co_varnames=like.__code__.co_varnames[:count] + code.co_varnames[count:],
            co_posonlyargcount=like.__code__.co_posonlyargcount,
            co_name=like.__name__,
        )
    defaults = like.__defaults__ if count else None
    return FunctionType(code, like.__globals__, like.__name__, defaults, function.__closure__)


# What the functions below use is in their closures: their globals are those of `like`, for doctest
# and help to find them there.
def _unary(op: Op) -> Callable[..., Any]:
    forward, value, tracer, refuse, failures = op.forward, Value, Tracer, refuse_result, FAILURES
    active_, mode_, new, real, explain = active, mode, _new, is_real, explained

    def function(x: Any) -> Any:
        if type(x) is value:
            if active_ and (now := mode_()) is not None:
                return now.record(op, (x,))
            try:
                data = forward(x._data)
            except failures as error:
                raise explain(error, op, (x,)) from None
            if type(data) is not float and not real(data):
                refuse(op, (x,), data)
            node = new(value)
            node._data = data
            node._grad = 0
            node.label = ""
            node._op = op
            node._first = x
            node._second = None
            return node
        if isinstance(x, tracer):
            return x.record(op, (x,))
        return forward(x)

    return function


def _binary(op: Op) -> Callable[..., Any]:
    forward, tracer, record_ = op.forward, Tracer, record

    def function(a: Any, b: Any) -> Any:
        if isinstance(a, tracer) or isinstance(b, tracer):
            return record_(op, (a, b))
        return forward(a, b)

    return function


def _many(op: Op, like: Callable[..., Any]) -> Callable[..., Any]:
    forward, tracer, record_, bind = op.forward, Tracer, record, _bound
    code = getattr(like, "__code__", None)
    count = code.co_argcount if code is not None else 0

    def function(*inputs: Any, **keywords: Any) -> Any:
        if keywords or (count and len(inputs) != count):
            inputs = bind(like, inputs, keywords)
        for x in inputs:
            if isinstance(x, tracer):
                return record_(op, inputs)
        return forward(*inputs)

    return function


def _bound(like: Callable[..., Any], inputs: Any, keywords: Any) -> tuple[Any, ...]:
    import inspect  # only here: it takes a while to load

    bound = inspect.signature(like).bind(*inputs, **keywords)
    bound.apply_defaults()
    return bound.args


def record(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return the result of `op` on inputs of which some are Tracers: as the foremost kind has it."""
    tracers = [x for x in inputs if isinstance(x, Tracer)]
    return max(tracers, key=lambda x: x.priority).record(op, inputs)


# --- operators of Value ---------------------------------------------------------------------------


def operator_of(op: Op) -> Callable[..., Any]:
    """Return the method of Value for an operator of two operands, this Value on the left."""
    forward = op.forward

    def method(self: Value, other: Any) -> Any:
        if active and (now := mode()) is not None:
            if not isinstance(other, Value) and not is_real(other):
                return refuse_operand(op, other)
            return now.record(op, (self, other))
        if isinstance(other, Value):
            number = other._data
        elif type(other) is float or is_real(other):
            number = other
        else:
            return refuse_operand(op, other)
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
        if type(other) is not float and not is_real(other):
            return refuse_operand(op, other)
        if active and (now := mode()) is not None:
            return now.record(op, (other, self))
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
