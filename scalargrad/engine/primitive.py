"""`primitive`: a plain function and its rules become one function for every kind of number.

Plain numbers go to the function itself, Values record the op (`fast` has both), and other kinds of
number say themselves what becomes of it (`Tracer.record`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import update_wrapper
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from scalargrad.engine.errors import refuse_plain, shown
from scalargrad.engine.fast import binary_function, record, unary_function
from scalargrad.engine.op import Op, Rule
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value

if TYPE_CHECKING:
    from scalargrad.engine.signatures import Binary, Unary

_STARRED = 0x04  # inspect.CO_VARARGS, which takes a while to load
_AS_IN = "as in @primitive(lambda g, y, x: g * cos(x))"

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

    for rule in rules:
        code = getattr(rule, "__code__", None)
        if code is not None and code.co_argcount < 3 and not code.co_flags & _STARRED:
            raise TypeError(f"a rule takes g, y and the inputs, {_AS_IN}; {rule.__name__} does not")

    def decorate(forward: Callable[..., Any]) -> Any:
        code = getattr(forward, "__code__", None)
        if not rules or (code is not None and code.co_argcount not in (0, len(rules))):
            raise TypeError(
                f"primitive takes one rule for each input of {forward.__name__}, {_AS_IN}; "
                f"it was given {len(rules)}"
            )
        return made(Op(forward.__name__.strip("_"), direct(forward), rules, hint=hint), forward)

    return decorate


def made(op: Op, like: Callable[..., Any]) -> Any:
    """Return the function that computes or records `op`: named and documented as `like`."""
    function: Any
    if len(op.rules) == 1:
        function = unary_function(op)
    elif len(op.rules) == 2:
        function = binary_function(op)
    else:
        function = _many(op, like)
    if isinstance(like, FunctionType):
        function = _renamed(function, like)
        if len(op.rules) == 2 and not like.__defaults__:
            function.__defaults__ = (_missing,)
    update_wrapper(function, like)
    function.op = op
    op.function = function
    return function


def named(name: str, module: str, op: Op) -> Any:
    """Return the function of an op that is written as an operator: it has a name of its own."""
    function = made(op, op.forward)
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    return function


def spelling_of(function: Any) -> Callable[[F], F]:
    """Say that a public function is another spelling of a primitive: it has its op."""

    def decorate(spelling: F) -> F:
        spelling.op = function.op  # type: ignore[attr-defined]
        return spelling

    return decorate


def op_of(function: Callable[..., Any]) -> Op:
    """Return the op of a function that `primitive` made.

    >>> from scalargrad import sin
    >>> op_of(sin)
    <op sin>
    """
    op: Op = function.op  # type: ignore[attr-defined]
    return op


def direct(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that `forward` only passes its arguments on to, else `forward`.

    For `def sin(x): return math.sin(x)` that is math.sin: one call less in each op.

    >>> import math
    >>> from scalargrad import sin
    >>> sin.op.forward is math.sin
    True
    """
    code = getattr(forward, "__code__", None)
    if code is not None and code.co_code in _PASSING_ON and len(code.co_names) == 2:
        module, name = code.co_names
        return getattr(forward.__globals__[module], name)  # type: ignore[no-any-return]
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
    if count and count == like.__code__.co_argcount:  # not so of one that takes *args
        code = code.replace(
            co_varnames=like.__code__.co_varnames[:count] + code.co_varnames[count:],
            co_posonlyargcount=like.__code__.co_posonlyargcount,
            co_name=like.__name__,
        )
    defaults = like.__defaults__ if count else None
    return FunctionType(code, like.__globals__, like.__name__, defaults, function.__closure__)


class _Missing(Tracer):
    """What stands for the second input of a call that has none: the error is more than Python's."""

    __slots__ = ()
    priority = 1000

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> NoReturn:
        """Raise the TypeError."""
        name, given = op.function.__name__, inputs[0]
        if isinstance(given, list | tuple):
            cure = f"{name}(*xs)" if len(given) == 2 else f"functools.reduce({name}, xs)"
            raise TypeError(
                f"{name} takes two numbers, not {shown(given)} ({type(given).__name__}): write "
                f"{cure}"
            )
        raise TypeError(f"{name} takes two numbers, as in {name}(a, b), and was given one")


_missing = _Missing()


def _many(op: Op, like: Callable[..., Any]) -> Callable[..., Any]:
    forward, value, tracer, record_, bind = op.forward, Value, Tracer, record, _bound
    type_, isinstance_, len_, type_error, refuse = type, isinstance, len, TypeError, refuse_plain
    code = getattr(like, "__code__", None)
    count = code.co_argcount if code is not None else 0

    def function(*inputs: Any, **keywords: Any) -> Any:
        if keywords or (count and len_(inputs) != count):
            inputs = bind(like, inputs, keywords)
        for x in inputs:
            if type_(x) is value or isinstance_(x, tracer):
                return record_(op, inputs)
        try:
            return forward(*inputs)
        except type_error as error:
            refuse(op, inputs, error)

    return function


def _bound(like: Callable[..., Any], inputs: Any, keywords: Any) -> tuple[Any, ...]:
    import inspect  # only here: it takes a while to load

    bound = inspect.signature(like).bind(*inputs, **keywords)
    bound.apply_defaults()
    return bound.args
