"""Room for frames: a larger stack where many calls are of functions with large frames."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import pytest

from scalargrad import compile, value_and_grad
from scalargrad.nn import MLP
from scalargrad.programs.run.frames import make_room


def function(name: str, size: int, *called: str) -> FunctionType:
    """Return a function of so many variables that calls others."""
    lines = [f"    x{k} = 0" for k in range(size)] + [f"    {f}()" for f in called]
    namespace: dict[str, Any] = {}
    exec("\n".join([f"def {name}():", *lines, "    return 7"]), namespace)
    return namespace[name]  # type: ignore[no-any-return]


def stack_with_room(calls: int, *called: FunctionType) -> int:
    outer = function("outer", 10)
    make_room(outer, calls, called)
    assert outer() == 7
    return outer.__code__.co_stacksize


@pytest.mark.parametrize(
    ("sizes", "words"),
    [([200], 2048), ([2000], 2048), ([2040], 4096), ([1500, 1500], 4096), ([3000, 3000], 8192)],
)
def test_the_stack_takes_as_much_as_the_deepest_calls(sizes: list[int], words: int) -> None:
    called: list[FunctionType] = []
    for k, size in enumerate(sizes):
        called.append(function(f"f{k}", size, *[f.__name__ for f in called[-1:]]))
    assert stack_with_room(16, *called) == words - 10


def test_calls_side_by_side_take_no_more_than_one() -> None:
    called = [function(f"f{k}", 1500) for k in range(5)]
    assert stack_with_room(16, *called) == 2048 - 10


def test_few_calls_and_small_frames_need_no_room() -> None:
    assert stack_with_room(15, function("f", 2000)) < 20
    assert stack_with_room(16, function("f", 100)) < 20
    assert stack_with_room(0) < 20


def test_programs_of_many_calls_have_room() -> None:
    model = MLP(2, [16, 1])
    piece = compile(model)
    xs = [[0.1 * k, -0.2] for k in range(20)]
    many = compile(value_and_grad(lambda w: sum(piece(x) * w for x in xs)))
    few = compile(value_and_grad(lambda w: sum(piece(x) * w for x in xs[:3])))
    assert many(2.0)[0] == pytest.approx(2.0 * sum(model(x).data for x in xs), rel=1e-12)
    few(2.0)
    stacks = [
        next(iter(f._programs.values())).latest.function.__code__.co_stacksize for f in (many, few)
    ]
    assert stacks[0] > 1500 > stacks[1]
