"""`primitive`: a plain function and its rules become one function for every kind of number.

Plain numbers go to the function itself, Values record the op, and other kinds of number say
themselves what becomes of it (`Tracer.record`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from scalargrad.engine.context import active
from scalargrad.engine.errors import refuse_plain, shown
from scalargrad.engine.op import Op, Rule
from scalargrad.engine.tracer import Tracer, foremost
from scalargrad.engine.value import ORDINARY, function_of_one, recorded

if TYPE_CHECKING:
    from scalargrad.engine.signatures import Binary, Unary

_STARRED = 0x04  # inspect.CO_VARARGS, which takes a while to load
_AS_IN = "as in @primitive(lambda g, y, x: g * cos(x))"

F = TypeVar("F", bound=Callable[..., Any])
Forward = Callable[..., Any] | None


@overload
def primitive(
    rule: Rule, /, *, hint: str = "", forward: Forward = ...
) -> Callable[[Callable[..., Any]], Unary]: ...
@overload
def primitive(
    rule: Rule, second: Rule, /, *, hint: str = "", forward: Forward = ...
) -> Callable[[Callable[..., Any]], Binary]: ...
@overload
def primitive(*rules: Rule, hint: str = "", forward: Forward = ...) -> Callable[[F], F]: ...
def primitive(*rules: Rule, hint: str = "", forward: Forward = None) -> Any:
    """Make a differentiable function of a plain one: a decorator, given a rule for each input.

    `rule(g, y, *inputs)` returns the derivative by its input: `g` is the derivative arriving from
    above, `y` the function's output. A rule is written in arithmetic and differentiable functions,
    and never branches on a number (`where` chooses); so the function can be differentiated to any
    order, and traced. `hint` is what errors say of the inputs that the function takes. The plain
    function gets plain numbers and returns a real number; where it would only pass them on, as to
    `math.sin`, say `forward=math.sin`, which saves a call. Raises TypeError if the number of rules
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

    def decorate(function: Callable[..., Any]) -> Any:
        code = getattr(function, "__code__", None)
        if not rules or (code is not None and code.co_argcount not in (0, len(rules))):
            raise TypeError(
                f"primitive takes one rule for each input of {function.__name__}, {_AS_IN}; "
                f"it was given {len(rules)}"
            )
        op = Op(function.__name__.strip("_"), forward or function, rules, hint=hint)
        return made(op, function)

    return decorate


def made(op: Op, like: Callable[..., Any]) -> Any:
    """Return the function that computes or records `op`: named and documented as `like`."""
    code = getattr(like, "__code__", None)
    count = len(op.rules)
    function: Any
    if count not in (1, 2) or (code is not None and code.co_posonlyargcount != count):
        function = _function_of_many(op, like)
    else:
        function = function_of_one(op) if count == 1 else _function_of_two(op)
    update_wrapper(function, like)
    function.op = op
    op.function = function
    if code is not None and like.__qualname__ == like.__name__:
        # Where doctest looks for what was not defined in the module itself.
        like.__globals__.setdefault("__test__", {})[like.__name__] = function
    return function


def record(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return the result of `op` on inputs some of which are Tracers: by the foremost kind."""
    if not active and ORDINARY.issuperset(map(type, inputs)):
        return recorded(op, inputs)
    if op.lazily is not None and any(map(callable, inputs)):
        return op.lazily(*inputs)
    return foremost(inputs).record(op, inputs)


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


def _function_of_two(op: Op) -> Callable[..., Any]:
    forward = op.forward

    def function(a: Any, b: Any = _missing, /) -> Any:
        if isinstance(a, Tracer) or isinstance(b, Tracer):
            return record(op, (a, b))
        return forward(a, b)

    return function


def _function_of_many(op: Op, like: Callable[..., Any]) -> Callable[..., Any]:
    forward = op.forward
    code = getattr(like, "__code__", None)
    count = code.co_argcount if code is not None else 0
    defaults = getattr(like, "__defaults__", None) or ()

    def function(*inputs: Any, **keywords: Any) -> Any:
        if not keywords and 0 < count - len(inputs) <= len(defaults):
            inputs += defaults[len(inputs) - count :]
        elif keywords or (count and len(inputs) != count):
            if count == 2 and len(inputs) == 1 and not (keywords or like.__defaults__):
                _missing.record(op, inputs)
            inputs = _bound(like, inputs, keywords)
        for x in inputs:
            if isinstance(x, Tracer):
                return record(op, inputs)
        try:
            return forward(*inputs)
        except TypeError as error:
            refuse_plain(op, inputs, error)

    return function


def _bound(like: Callable[..., Any], inputs: Any, keywords: Any) -> tuple[Any, ...]:
    import inspect  # only here: it takes a while to load

    try:
        bound = inspect.signature(like).bind(*inputs, **keywords)
    except TypeError as error:
        raise TypeError(f"{like.__qualname__}() {error}") from None
    bound.apply_defaults()
    return bound.args
