"""An op: a plain function of numbers, and for each of its inputs the rule of its derivative.

In a rule `rule(g, y, a, b, ...)`, `g` is the derivative arriving from above (of the final result
by this op's output), `y` is the op's output, and `a`, `b`, ... are its inputs. It returns the
derivative of the final result by one input. For sin it is `g * cos(a)`, as in a textbook's table.
None says that there is no path from the input to the result here, as from the side that `where`
did not take: what nothing reaches is not visited, so nothing can fail there.

A rule is arithmetic and calls of our functions, so that any kind of number can be pushed through:
floats give the backward pass, Fractions exact gradients, Values gradients of gradients, symbols
programs, power series all derivatives. So a rule never branches with `if`: `choose` and `where` do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

Rule = Callable[..., Any]


class Op:
    """A differentiable function: its forward on plain numbers, and its rules.

    Either `rules` has one for each input, or `joint` is a single one that returns the list of the
    derivatives by all inputs: for ops of any number of inputs. `hint` tells a user whose input was
    refused what the op takes; `written` is how errors write an op that users have no name for, as
    in "{0} / {1}". Two ops are the same only if they are the same object.

    >>> square = Op("square", lambda a: a * a, [lambda g, y, a: g * (2 * a)])
    >>> square.forward(3), square.derivatives([1], 9, [3])
    (9, [6])
    """

    __slots__ = (
        "__weakref__",
        "forward",
        "function",
        "hint",
        "joint",
        "lazily",
        "name",
        "rules",
        "shares",
        "written",
    )

    function: Callable[..., Any]  # what is called by users

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        rules: Sequence[Rule] = (),
        joint: Rule | None = None,
        hint: str = "",
        written: str = "",
    ) -> None:
        self.name = name
        self.forward = forward
        self.rules = tuple(rules)
        if len(rules) > 2:
            joint = lambda g, y, *inputs: [rule(g, y, *inputs) for rule in rules]  # noqa: E731
        self.joint = joint
        self.hint = hint
        self.written = written
        # Whether two results of the op on the same inputs may be one: not if a user's code runs.
        self.shares = True
        # What to call in its place where an input is a function, which is not called in vain.
        self.lazily: Callable[..., Any] | None = None

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
        given = [g for g in gs if g is not None]
        if not given:
            return list(gs)
        same = all(g is given[0] for g in given)
        slopes = self.joint(given[0] if same else 1, y, *inputs)
        pairs = zip(gs, slopes, strict=True)
        return [
            None if g is None or slope is None else slope if same else slope * g
            for g, slope in pairs
        ]

    def __reduce__(self) -> Any:
        # By the name of its function, as Python pickles functions.
        return attrgetter("op"), (self.function,)

    def __repr__(self) -> str:
        return f"<op {self.name}>"
