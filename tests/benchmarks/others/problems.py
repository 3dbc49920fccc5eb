"""What every tool computes: a value and its gradient by a list of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from tests.benchmarks import tuple_engine, workloads
from tests.benchmarks.others import arrays, scalar_program


@dataclass(frozen=True)
class Problem:
    """A loss of a list of numbers, and what the tools need of it."""

    numbers: list[float]
    # Takes numbers that have operators, and methods such as `relu` and `exp`.
    loss: Callable[[Sequence[Any]], Any]
    # The value, then the derivatives.
    reference: Callable[[], list[float]]
    of_floats: Callable[[Sequence[float]], float] | None = None
    # The same loss of a list of matrices of these shapes, given a namespace of array functions.
    shapes: list[tuple[int, int]] | None = None
    of_arrays: Callable[[Any], Callable[[list[Any]], Any]] | None = None


def generated(ops: int) -> Problem:
    program, numbers = scalar_program.draw(ops), scalar_program.point()
    return Problem(
        numbers,
        program.of_numbers(),
        lambda: program.value_and_gradient(numbers),
        of_floats=program.of_floats(),
    )


def moons() -> Problem:
    points, targets = workloads.moons()
    loss = workloads.moons_loss(points, targets)
    return _model(loss, arrays.MOONS_SHAPES, lambda np: arrays.moons_loss(np, points, targets))


def gpt() -> Problem:
    return _model(workloads.gpt_loss, arrays.GPT_SHAPES, arrays.gpt_loss)


def _model(loss: Any, shapes: list[tuple[int, int]], of_arrays: Any) -> Problem:
    rng = Random(5)
    numbers = [rng.gauss(0, 0.3) for _ in range(sum(rows * columns for rows, columns in shapes))]

    def reference() -> list[float]:
        leaves = [tuple_engine.Value(x) for x in numbers]
        y = loss(leaves)
        y.backward()
        return [y.data, *(leaf.grad for leaf in leaves)]

    return Problem(numbers, loss, reference, shapes=shapes, of_arrays=of_arrays)


# By the number of ops.
SIZES = {f"{ops:,} ops": ops for ops in (100, 1_000, 10_000, 100_000)}
OPS = {**SIZES, "moons MLP": 65_077, "GPT": 69_580}
PROBLEMS: dict[str, Callable[[], Problem]] = {
    **{name: partial(generated, ops) for name, ops in SIZES.items()},
    "moons MLP": moons,
    "GPT": gpt,
}
QUICK = ("100 ops", "1,000 ops", "moons MLP")
