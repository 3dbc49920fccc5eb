"""Random expressions: straight-line programs whose steps use any earlier results, again and again.

So reuse, diamonds, `x * x`, dead ends and constants on either side all occur, and a counterexample
shrinks to a few printed lines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

import scalargrad
from scalargrad.testing.functions import FUNCTIONS, Function

_SYMBOLS = ("+", "-", "*", "/", "**", "%")


@dataclass(frozen=True)
class Step:
    """One function applied to operands: a whole number n is the n-th result, else a constant.

    Constants stand wrapped in a tuple of one, to tell the constant 2 from result 2.
    """

    function: Function
    operands: tuple[int | tuple[Any], ...]

    def __call__(self, results: Sequence[Any], engine: ModuleType = scalargrad) -> Any:
        """Return the step's result, given all earlier ones."""
        inputs = [results[n] if isinstance(n, int) else n[0] for n in self.operands]
        return self.function(*inputs, engine=engine)

    def __str__(self) -> str:
        names = [f"v{n}" if isinstance(n, int) else f"{n[0]!r}" for n in self.operands]
        name = self.function.name
        return f" {name} ".join(names) if name in _SYMBOLS else f"{name}({', '.join(names)})"


@dataclass(frozen=True)
class Expression:
    """A function of `arity` numbers: its steps in order, the last one its result.

    Call it with numbers of any kind that `engine` takes: floats, Fractions, Values.

    >>> double = Step(FUNCTIONS["+"], (0, 0))
    >>> square = Step(FUNCTIONS["*"], (1, 1))
    >>> expression = Expression(1, (double, square))
    >>> expression(3)
    36
    >>> print(expression)
    v1 = v0 + v0
    v2 = v1 * v1
    """

    arity: int
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any, engine: ModuleType = scalargrad) -> Any:
        """Return the expression's value at `inputs`, which are `arity` numbers."""
        results = list(inputs)
        for step in self.steps:
            results.append(step(results, engine))
        return results[-1]

    def __str__(self) -> str:
        lines = (f"v{n} = {step}" for n, step in enumerate(self.steps, self.arity))
        return "\n".join(lines)

    def __repr__(self) -> str:
        names = ", ".join(f"v{n}" for n in range(self.arity))
        return f"<expression of {names}>\n{self}\n"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print as the program, not as a dataclass, in Hypothesis's counterexamples."""
        printer.text(repr(self))


@st.composite
def expressions(
    draw: st.DrawFn,
    functions: Iterable[Function] = tuple(FUNCTIONS.values()),
    numbers: st.SearchStrategy[Any] | None = None,
    max_inputs: int = 3,
    max_steps: int = 8,
    largest: float = 30.0,
) -> tuple[Expression, list[Any]]:
    """Draw an expression of `functions`, and inputs at which every step of it is tame.

    `numbers` draws the inputs and the constants: floats in [-3, 3] unless given. No intermediate
    result is larger in size than `largest`: a step that would be is replaced by a sum.

    >>> expression, inputs = expressions().example()  # doctest: +SKIP
    """
    numbers = st.floats(-3, 3, allow_subnormal=False) if numbers is None else numbers
    candidates = sorted(functions, key=lambda function: function.name)
    inputs = draw(st.lists(numbers, min_size=1, max_size=max_inputs))
    results = list(inputs)
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, max_steps))):
        function = draw(st.sampled_from(candidates))
        count = function.arity or 2 * draw(st.integers(1, 2))
        earlier = st.integers(0, len(results) - 1)
        operands = draw(st.tuples(*[earlier | st.tuples(numbers)] * count))
        if not any(isinstance(n, int) for n in operands):
            operands = (draw(earlier), *operands[1:])
        step = Step(function, operands)
        plain = [results[n] if isinstance(n, int) else n[0] for n in operands]
        if not function.is_tame(plain) or not abs(result := step(results)) <= largest:
            # An operand out of bounds: bring one into them instead of throwing the draw away.
            anchor = draw(earlier)
            step = Step(FUNCTIONS["-"], (anchor, (results[anchor] - draw(numbers),)))
            result = step(results)
        steps.append(step)
        results.append(result)
    return Expression(len(inputs), tuple(steps)), inputs
