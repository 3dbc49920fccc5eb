"""Random expressions: straight-line programs whose steps use any earlier results, again and again.

So reuse, diamonds, `x * x`, dead ends and constants on either side all occur, and a counterexample
shrinks to a few printed lines.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

import scalargrad
from scalargrad.testing.conditioning import Conditioned, of_constant, of_input, of_step
from scalargrad.testing.functions import FUNCTIONS, SYMBOLS, Operation


@dataclass(frozen=True)
class Step:
    """One function applied to operands: a whole number n is the n-th result, else a constant.

    Constants stand wrapped in a tuple of one, to tell the constant 2 from result 2.
    """

    function: Operation
    operands: tuple[int | tuple[Any], ...]

    def inputs(self, results: Sequence[Any]) -> list[Any]:
        """Return the numbers that the step is applied to, given all earlier results."""
        return [results[n] if isinstance(n, int) else n[0] for n in self.operands]

    def __call__(self, results: Sequence[Any], engine: ModuleType = scalargrad) -> Any:
        """Return the step's result, given all earlier ones."""
        return self.function(*self.inputs(results), engine=engine)

    def __str__(self) -> str:
        names = [f"v{n}" if isinstance(n, int) else f"{n[0]!r}" for n in self.operands]
        name = self.function.name
        return f" {name} ".join(names) if name in SYMBOLS else f"{name}({', '.join(names)})"


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


def expressions(
    ops: Iterable[str | Operation] = tuple(FUNCTIONS),
    inputs: int | None = None,
    max_ops: int = 8,
    *,
    numbers: st.SearchStrategy[Any] | None = None,
    largest: float = 30.0,
    condition: float = 1e3,
) -> st.SearchStrategy[tuple[Expression, list[Any]]]:
    """Return a strategy for pairs: an expression, and inputs at which every step of it is tame.

    `ops` are names in `FUNCTIONS`, or `Operation`s of your own. The expression has `inputs` inputs
    (one to three if None) and one to `max_ops` steps. `numbers` draws the inputs and the
    constants: floats in [-3, 3] unless given. No intermediate result is larger in size than
    `largest`, and none is ill-conditioned: were each input, each step's result and each partial
    derivative off by a relative d, the result and its derivatives by the inputs would be off by at
    most `condition` times d, to first order and relative to themselves. So two engines that compute
    with floats agree to about a relative 1e-15 times `condition`. With `math.inf` anything may
    cancel, as x - x does. A step that leaves a domain or those bounds becomes the nearest one that
    does not, so no draw is thrown away. Raises ValueError where `ops` is empty or a name is not in
    the table, where `condition` is below 1, and in drawing where no input of an op was found that
    keeps to the bounds.

    >>> from hypothesis import find
    >>> expression, inputs = find(expressions(["*"]), lambda drawn: drawn[0](*drawn[1]) > 3)
    >>> print(expression)
    v1 = v0 * v0
    """
    candidates = [_operation(op) for op in ops]
    if not condition >= 1:
        raise ValueError(f"condition must be 1 or more, got {condition!r}")
    if not candidates:
        raise ValueError("ops is empty: name at least one op, such as '+'")
    if numbers is None:
        numbers = st.integers(-3, 3).map(float) | st.floats(-3, 3, allow_subnormal=False)
    counts = (1, 3) if inputs is None else (inputs, inputs)
    # An operand says how many results to go back, or is one of two constants. So a step keeps its
    # meaning when one before it is deleted, and Hypothesis shrinks by deleting.
    operand = st.integers(0, counts[1] + max_ops + 1)
    op = st.sampled_from(range(len(candidates)))
    points = st.lists(numbers, min_size=counts[0], max_size=counts[1])

    @st.composite
    def step(draw: st.DrawFn) -> list[int]:
        chosen = draw(op)
        return [chosen, *(draw(operand) for _ in range(candidates[chosen].arity or 4))]

    steps = st.lists(step(), min_size=1, max_size=max_ops)

    # Not by `builds` or `map`, whose examples Hypothesis writes as calls of a function of ours.
    @st.composite
    def drawn(draw: st.DrawFn) -> tuple[Expression, list[Any]]:
        point, constants, choices = draw(points), draw(st.lists(numbers, max_size=2)), draw(steps)
        return _build(candidates, constants, choices, _Results(point, largest, condition))

    return drawn()


def _operation(op: str | Operation) -> Operation:
    if isinstance(op, Operation):
        return op
    if op not in FUNCTIONS:
        raise ValueError(f"{op!r} is no name in FUNCTIONS: give one of its names, or an Operation")
    return FUNCTIONS[op]


class _Results:
    """The inputs and the results so far, and what rounding does to them."""

    def __init__(self, point: Sequence[Any], largest: float, condition: float) -> None:
        self.inputs, self.largest, self.condition = list(point), largest, condition
        self.numbers = list(point)
        self.steps: list[Step] = []
        self._conditioned = [of_input(float(x), place, len(point)) for place, x in enumerate(point)]

    def take(self, step: Step) -> bool:
        """Append the step, unless it is not tame, its result too large or ill-conditioned."""
        inputs = step.inputs(self.numbers)
        if not step.function.is_tame(inputs):
            return False
        number = step.function(*inputs)
        if abs(number) > self.largest:
            return False
        if self.condition < math.inf:
            operands = [
                self._conditioned[n] if isinstance(n, int) else self._constant(n[0])
                for n in step.operands
            ]
            try:
                conditioned = of_step(step.function, operands)
            except (ArithmeticError, ValueError):  # too close to the end of a domain
                return False
            if not conditioned.condition <= self.condition:
                return False
            self._conditioned.append(conditioned)
        self.numbers.append(number)
        self.steps.append(step)
        return True

    def _constant(self, number: Any) -> Conditioned:
        return of_constant(float(number), len(self.inputs))


def _build(
    candidates: list[Operation],
    constants: list[Any],
    choices: list[list[int]],
    results: _Results,
) -> tuple[Expression, list[Any]]:
    """Return the expression that the choices mean, each made legal if it is not."""
    for choice in choices:
        for step in _nearest(candidates, choice, len(results.numbers), constants):
            if results.take(step):
                break
    if not results.steps:
        # No op takes these inputs, as when `ops` is only "log" and all of them are negative.
        results = _single(candidates[choices[0][0]], results)
    return Expression(len(results.inputs), tuple(results.steps)), results.inputs


def _single(function: Operation, results: _Results) -> _Results:
    """Return the results of one step, with another first input at which the function is tame."""
    arity = max(function.arity, 1 if function.arity else 2)
    last = [intervals[-1] for intervals in function.columns(arity)]
    # Each input another number: the distance of two that are equal is not tame.
    exact = [
        [low + share / (k + 1) * (high - low) for k, (low, high) in enumerate(last)]
        for share in (0.5, 0.25, 0.75)
    ]
    for tame in ([_whole(*interval) for interval in last], *exact):
        operands: list[int | tuple[Any]] = [0, *((x,) for x in tame[1:])]
        other = _Results([tame[0], *results.inputs[1:]], results.largest, results.condition)
        if other.take(Step(function, tuple(operands))):
            return other
    raise ValueError(
        f"no input of {function.name} was found whose result is at most {results.largest} in size "
        f"and {results.condition} in condition: allow more"
    )


def _whole(low: float, high: float) -> float:
    """Return the middle of an interval, or a whole number near it if one is in the interval."""
    whole = float(math.floor((low + high) / 2))
    return whole if low <= whole <= high else (low + high) / 2


def _nearest(
    candidates: list[Operation], choice: list[int], count: int, constants: list[Any]
) -> Iterator[Step]:
    """Yield the step that was chosen, then those with other operands, then those of other ops."""
    first, *picks = choice
    places: list[int | tuple[Any]] = [*range(count - 1, -1, -1), *((x,) for x in constants)]
    for offset in range(len(candidates)):
        function = candidates[(first + offset) % len(candidates)]
        arity = function.arity or 2 + 2 * (picks[-1] % 2)
        chosen = [places[n % len(places)] for n in itertools.islice(itertools.cycle(picks), arity)]
        if not any(isinstance(n, int) for n in chosen):
            chosen[0] = count - 1
        yield Step(function, tuple(chosen))
        if arity <= 2:
            anything = [*places, (1,), (2,)]
            others = itertools.product(range(count - 1, -1, -1), *[anything] * (arity - 1))
            yield from (Step(function, operands) for operands in others)
