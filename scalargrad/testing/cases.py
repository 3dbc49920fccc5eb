"""Small programs in the engine's own code, each with the reference's answers to it."""

import builtins
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scalargrad.testing.adapter import Adapter, letters
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
    reference: dict[str, Function]
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

    def slope(self, output: str, leaf: str) -> float:
        """Return the right derivative of an output by an input."""
        return self.gradient(output)[self.leaves.index(leaf)]

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


def from_lines(inputs: Sequence[float], lines: str, outputs: str, margin: float = 1e-9) -> Program:
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
        margin,
    )
