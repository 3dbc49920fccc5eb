"""Small programs in the engine's own code, each with the reference's answers to it."""

import builtins
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scalargrad.testing.adapter import Adapter, letters, number
from scalargrad.testing.expressions import Expression
from scalargrad.testing.reference import evaluate, slopes

Function = Callable[[Sequence[complex]], complex]


@dataclass(frozen=True)
class Program:
    """Lines that build results from the inputs a, b, c, ...

    `reference` has a function of complex inputs for each of `outputs`. `margin` says how far the
    value and the derivatives of the first output may be from the reference's: more where rounding
    weighs more. `int_leaves` says to write whole numbers as ints.
    """

    inputs: tuple[float, ...]
    lines: tuple[str, ...]
    outputs: tuple[str, ...]
    reference: dict[str, Function] = field(default_factory=dict)
    margin: float = 1e-9
    int_leaves: bool = False

    @property
    def leaves(self) -> list[str]:
        return letters(len(self.inputs))

    def value(self, output: str) -> float:
        """Return the right value of an output."""
        return self.reference[output]([complex(x) for x in self.inputs]).real

    def numbers(self) -> list[float]:
        """Return the inputs and what the lines compute, where they are arithmetic."""
        scope: dict[str, complex] = dict(zip(self.leaves, map(complex, self.inputs), strict=True))
        exec("\n".join(self.lines), {"__builtins__": builtins}, scope)
        return [x.real for x in scope.values()]

    def gradient(self, output: str) -> list[float]:
        """Return the right derivatives of an output by all inputs."""
        return slopes(self.reference[output], self.inputs)

    def build(
        self, adapter: Adapter, inputs: Sequence[float] | None = None, seeded: str = ""
    ) -> list[str]:
        """Return the code from the inputs to the outputs, at other inputs if they are given.

        In forward mode the leaf `seeded` has the derivative 1, by itself.
        """
        point = self.inputs if inputs is None else inputs
        leaves = [
            adapter.leaf(n, str(int(x)) if self.int_leaves else x, float(n == seeded))
            for n, x in zip(self.leaves, point, strict=True)
        ]
        prepare = [line for output in self.outputs for line in adapter.prepare(output)]
        return [*leaves, *adapter.spell("\n".join(self.lines)).split("\n"), *prepare]

    def value_question(self, adapter: Adapter) -> "Question":
        """Return the question for the number of the first output."""
        output = self.outputs[0]
        lines, read = self.build(adapter), adapter.read(output)
        return Question(self, lines, [read], [[self.value(output)]], self._margin(adapter))

    def gradient_questions(
        self,
        adapter: Adapter,
        actions: Sequence[str] | None = None,
        sums: Sequence[Sequence[str]] | None = None,
        leaves: Sequence[str] | None = None,
        collect: bool = False,
    ) -> "list[Question]":
        """Return the question for the derivatives: in forward mode one for each leaf.

        `actions` are lines to run after the program: one backward pass of its first output
        unless given. `sums` lists what each gradient may be, as outputs whose derivatives are
        added up: the first output's derivative unless given. `leaves` are all inputs unless given.
        """
        first = self.outputs[0]
        actions = adapter.run_backward(first) if actions is None else actions
        sums = [[first]] if sums is None else sums
        leaves = self.leaves if leaves is None else leaves
        exact = {output: self.gradient(output) for group in sums for output in group}
        questions = []
        for some in [[leaf] for leaf in leaves] if adapter.mode == "forward" else [leaves]:
            lines = [*self.build(adapter, seeded=some[0]), *actions]
            reads = [adapter.gradient(first, leaf) for leaf in some]
            places = [self.leaves.index(leaf) for leaf in some]
            rights = [
                [math.fsum(exact[o][place] for o in group) for group in sums] for place in places
            ]
            margin = self._margin(adapter)
            questions.append(Question(self, lines, reads, rights, margin, places, sums, collect))
        return questions

    def _margin(self, adapter: Adapter) -> float:
        return max(self.margin, 100 * adapter.epsilon)


@dataclass(frozen=True)
class Question:
    """Code to run, what to read then, and for each reading the numbers that are right.

    Asked for are a number, or derivatives by the inputs at `places`, each one of `sums`: outputs
    whose derivatives are added up. `collect` says to free the graph before the answer counts.
    """

    program: Program
    lines: Sequence[str]
    reads: Sequence[str]
    rights: Sequence[Sequence[float]]
    margin: float
    places: Sequence[int] = ()
    sums: Sequence[Sequence[str]] = ()
    collect: bool = False

    def part(self, n: int) -> "Question":
        """Return the question for the n-th reading alone."""
        places = self.places[n : n + 1]
        return replace(self, reads=[self.reads[n]], rights=[self.rights[n]], places=places)

    def shown(self, n: int = 0, right: float | None = None) -> str:
        """Return the line that prints the n-th reading, with the right number in a comment."""
        right = self.rights[n][0] if right is None else right
        return f"print({self.reads[n]})  # right: {number(right)}"

    def numbers(self, reply: dict[str, Any]) -> list[Any]:
        """Return the answers in a reply: what got no gradient has none to get."""
        values: list[Any] = reply["values"]
        return [0.0 if x is None else x for x in values] if self.places else values

    def accepts(self, n: int, found: Any) -> bool:
        """Return whether the n-th answer is one of the right numbers."""
        return isinstance(found, float) and any(
            abs(found - right) <= self.margin * (1 + abs(right)) for right in self.rights[n]
        )

    def is_answered(self, reply: dict[str, Any]) -> bool:
        """Return whether all answers are right."""
        return "values" in reply and all(
            self.accepts(n, found) for n, found in enumerate(self.numbers(reply))
        )


def from_expression(expression: Expression, point: Sequence[float], adapter: Adapter) -> Program:
    """Return the program of an expression, its tolerance set by how it takes rounding."""
    names, lines = adapter.lines(expression)

    def exact(z: Sequence[complex]) -> complex:
        return evaluate(expression, z)

    # Change each result by about the relative `size`; what that does to the answers is a bound
    # for what rounding does, which is much smaller (or, in single precision, no larger).
    size = max(1e-9, 4 * adapter.epsilon)
    noise = random.Random(0)
    factors = [1 + size * noise.choice((-1, 1)) for _ in expression.steps]

    def nudged(z: Sequence[complex]) -> complex:
        return evaluate(expression, z, factors.__getitem__)

    zs = [complex(x) for x in point]
    pairs = [
        (exact(zs), nudged(zs)),
        *zip(slopes(exact, point), slopes(nudged, point), strict=True),
    ]
    moved = [abs(p - q) / (1 + abs(p)) for p, q in pairs]
    output = names[-1]
    return Program(
        tuple(point), tuple(lines), (output,), {output: exact}, margin=2 * (size + max(moved))
    )


def without_dead_ends(
    expression: Expression, point: Sequence[float]
) -> tuple[Expression, list[float]]:
    """Return the expression without the steps and inputs that its result does not need.

    >>> from scalargrad.testing import FUNCTIONS, Step
    >>> print(without_dead_ends(Expression(2, (Step(FUNCTIONS["neg"], (1,)),)), [3.0, 4.0])[0])
    v1 = neg(v0)
    """
    arity, steps = expression.arity, expression.steps
    needed = {arity + len(steps) - 1}
    for n in reversed(range(len(steps))):
        if arity + n in needed:
            needed |= {m for m in steps[n].operands if isinstance(m, int)}
    places = {old: new for new, old in enumerate(sorted(needed))}
    kept = [step for n, step in enumerate(steps) if arity + n in needed]
    left = tuple(
        replace(s, operands=tuple(places[m] if isinstance(m, int) else m for m in s.operands))
        for s in kept
    )
    inputs = [x for n, x in enumerate(point) if n in needed]
    return Expression(len(inputs), left), inputs


def from_lines(inputs: Sequence[float], lines: str, outputs: str) -> Program:
    """Return the program of some lines of arithmetic, in which a, b, ... are the inputs.

    The reference runs the same lines on complex numbers, so they use operators and `sum` only.

    >>> from_lines([3.0], "b = a * a", "b").gradient("b")
    [6.0]
    """
    code = compile(lines, "<reference>", "exec")
    names = letters(len(inputs))

    def function(output: str) -> Function:
        def f(z: Sequence[complex]) -> complex:
            scope: dict[str, complex] = dict(zip(names, z, strict=True))
            exec(code, {"__builtins__": builtins}, scope)
            return scope[output]

        return f

    results = outputs.split()
    return Program(
        tuple(inputs),
        tuple(lines.split("\n")),
        tuple(results),
        {output: function(output) for output in results},
    )
