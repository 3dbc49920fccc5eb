"""What a kind of number needs to be pushed through the rules."""

from __future__ import annotations

from typing import Any

from scalargrad.engine.op import Op


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
