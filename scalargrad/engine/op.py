"""An op: a plain function of numbers, and for each of its inputs the rule of its derivative.

In a rule `rule(g, y, a, b, ...)`, `g` is the derivative arriving from above (of the final result
by this op's output), `y` is the op's output, and `a`, `b`, ... are its inputs. It returns the
derivative of the final result by one input. For sin it is `g * cos(a)`, as in a textbook's table.

A rule is ordinary arithmetic and calls of our functions, so that any kind of number can be pushed
through it: floats give the usual backward pass, Fractions exact gradients, Values gradients that
can be differentiated again, symbols the text of a program, power series higher derivatives. So a
rule never branches on a number with `if`: it uses `choose` or `where`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Complex, Number, Real
from typing import Any

Rule = Callable[..., Any]


class Op:
    """A differentiable function: its forward on plain numbers, and its rules.

    Either `rules` has one for each input, or `joint` is a single one that returns the list of the
    derivatives by all inputs: for ops of any number of inputs. `hint` tells a user whose input was
    refused what the op takes. Two ops are the same only if they are the same object.

    >>> square = Op("square", lambda a: a * a, [lambda g, y, a: g * (2 * a)])
    >>> square.forward(3), square.derivatives([1], 9, [3])
    (9, [6])
    """

    __slots__ = (
        *("__weakref__", "accumulate", "forward", "function", "hint", "joint", "name", "rules"),
        "shares",
    )

    # What is called by users: `primitive` sets it.
    function: Callable[..., Any]

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        rules: Sequence[Rule] = (),
        joint: Rule | None = None,
        hint: str = "",
    ) -> None:
        self.name = name
        self.forward = forward
        self.rules = tuple(rules)
        # Nodes of one input or two are the smallest; those of more keep theirs in a tuple.
        if len(rules) > 2:
            joint = lambda g, y, *inputs: [rule(g, y, *inputs) for rule in rules]  # noqa: E731
        self.joint = joint
        self.hint = hint
        # `accumulate(g, inputs)` may do for `add_gradients` what the joint rule says, in less time:
        # it adds to the gradients of inputs that are all nodes.
        self.accumulate: Callable[[Any, Sequence[Any]], None] | None = None
        # Whether two results of the op on the same inputs may be one: not if a user's code runs.
        self.shares = True

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return for each input its rule's result for its own `g`, or None where that is None.

        On the way back each input that wants a derivative has the same g, that of the output. On
        the way forward each has its own tangent: a rule is linear in g, so it may stand there.
        """
        if self.rules:
            return [
                None if g is None else rule(g, y, *inputs)
                for rule, g in zip(self.rules, gs, strict=True)
            ]
        assert self.joint is not None
        first = next((g for g in gs if g is not None), None)
        if first is None:
            return list(gs)
        if all(g is None or g is first for g in gs):
            slopes = self.joint(first, y, *inputs)
            return [None if g is None else slope for g, slope in zip(gs, slopes, strict=True)]
        slopes = self.joint(1, y, *inputs)
        return [None if g is None else slope * g for g, slope in zip(gs, slopes, strict=True)]

    def __reduce__(self) -> Any:
        # By the name of its function, as Python pickles functions.
        return op_of, (self.function,)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def op_of(function: Callable[..., Any]) -> Op:
    """Return the op of a function that `primitive` made.

    >>> from scalargrad import sin
    >>> op_of(sin)
    <op sin>
    """
    op: Op = function.op  # type: ignore[attr-defined]
    return op


class Tracer:
    """A kind of number that takes part in the ops done to it: operators and functions alike.

    Values are one, and symbols, complex steps and power series are. A subclass says in `record`
    what becomes of an op. The operators are given to it where ops are defined.
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

    def described(self) -> str:
        """Return how errors name this number."""
        return repr(self)


def is_real(x: object) -> bool:
    """Return whether `x` is a plain real number: int, float, Fraction, Decimal, a numpy scalar.

    >>> is_real(1), is_real(1j), is_real("1")
    (True, False, False)
    """
    if type(x) is float or type(x) is int:
        return True
    # Decimal is a Number, yet neither Real nor Complex in Python's numeric tower.
    return isinstance(x, Number) and (isinstance(x, Real) or not isinstance(x, Complex))


def in_kind(number: int, like: Any) -> Any:
    """Return a whole number in the kind of `like`: a float for a float, a Fraction for a Fraction.

    So 1 / 3 on the way is exact in a Fraction. Bools and enumerations count as ints.

    >>> in_kind(1, 2.5), in_kind(0, True)
    (1.0, 0)
    """
    kind = type(like)
    if kind is float:
        return float(number)
    return number if isinstance(like, int) else kind(number)
