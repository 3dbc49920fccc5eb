"""Buffers of doubles as arguments of compiled functions: the results of lists, as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import compile, grad, hvp, value_and_grad
from tests.programs.test_c import COMPILER, cache  # noqa: F401
from tests.threads import in_threads

TARGETS = ["python", *["c"] * (COMPILER is not None)]


def loss(w: Any, x: Any) -> Any:
    return sg.tanh(sum(a * b for a, b in zip(w, x, strict=True))) * w[0]


def doubles(numbers: list[float]) -> array[float]:
    return array("d", numbers)


def of_numpy(numbers: list[float]) -> Any:
    numpy = pytest.importorskip("numpy")
    return numpy.array(numbers)


BUFFERS: dict[str, Callable[[list[float]], Any]] = {
    "array": doubles,
    "memoryview": lambda numbers: memoryview(doubles(numbers)),
    "read-only": lambda numbers: memoryview(doubles(numbers).tobytes()).cast("d"),
    "strided": lambda numbers: memoryview(doubles([x for y in numbers for x in (y, 7.0)]))[::2],
    "numpy": of_numpy,
    "numpy, strided": lambda numbers: of_numpy([x for y in numbers for x in (7.0, y)])[1::2],
}
KINDS = [
    pytest.param(kind, marks=pytest.mark.numpy if kind.startswith("numpy") else ())
    for kind in BUFFERS
]
COMPILED = {target: compile(value_and_grad(loss, (0, 1)), target=target) for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_results_are_those_of_lists_in_arrays(target: str, kind: str) -> None:
    @given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
    def check(numbers: list[float]) -> None:
        f = COMPILED[target]
        value, (by_w, by_x) = f(numbers, [1.0, -0.0, 0.5])
        buffer = BUFFERS[kind](numbers)
        found, (in_place, of_list) = f(buffer, [1.0, -0.0, 0.5])
        assert (found, of_list) == (value, by_x)
        assert type(of_list) is list
        assert type(in_place) is array
        assert (in_place.typecode, in_place.tolist()) == ("d", by_w)
        assert list(buffer) == numbers  # as it was

    check()


@pytest.mark.parametrize("target", TARGETS)
def test_nested_and_of_several_dimensions(target: str) -> None:
    w = doubles([1.0, 2.0, 3.0, 4.0])
    rows = memoryview(w).cast("b").cast("d", [2, 2])
    by_rows = compile(grad(lambda m: m[0][1] * m[1][0]), target=target)(rows)
    assert by_rows == [doubles([0.0, 3.0]), doubles([2.0, 0.0])]
    both = compile(grad(lambda p: p["w"][0] * p["b"][1][0] * p["c"]), target=target)
    found = both({"w": w, "b": (1.0, doubles([5.0])), "c": 2})
    assert found == {"w": doubles([10.0, 0.0, 0.0, 0.0]), "b": (0, doubles([2.0])), "c": 5.0}
    second = compile(lambda x: hvp(lambda y: y[0] * y[1] * y[1], [x], [[1.0, 1.0]]), target=target)
    assert second(doubles([2.0, 3.0])) == doubles([6.0, 10.0])
    # What is computed of a buffer, and is not its own place, is a list.
    doubled = compile(lambda xs: ([2 * x for x in xs], xs), target=target)
    assert doubled(doubles([1.0, 2.5])) == ([2.0, 5.0], doubles([1.0, 2.5]))
    empty = compile(value_and_grad(lambda xs, y: sum(xs) + y), target=target)
    assert empty(doubles([]), 2.0) == (2.0, doubles([]))


@pytest.mark.parametrize("target", TARGETS)
def test_lengths_and_types(target: str) -> None:
    f = compile(grad(lambda xs: sum(x * x for x in xs)), target=target)
    for count in (1, 2, 1, 3, 2):
        assert f(doubles([1.5] * count)) == doubles([3.0] * count)
        assert f([1.5] * count) == [3.0] * count
    with pytest.raises(TypeError, match="must be a number, or lists, tuples and dicts"):
        f(array("f", [1.5]))
    with pytest.raises(TypeError, match="must be a number, or lists, tuples and dicts"):
        f(bytearray(8))
    ints = memoryview(array("i", [1, 2]))
    assert f(ints) == [2, 4]  # of ints: as its list
    released = memoryview(doubles([1.0]))
    released.release()
    with pytest.raises(ValueError, match="released memoryview"):
        f(released)


@pytest.mark.parametrize("target", TARGETS)
def test_a_buffer_that_is_changed_between_calls_and_shared_by_threads(target: str) -> None:
    f = compile(grad(lambda xs: sum(x * x for x in xs)), target=target)
    w = doubles([1.0, 2.0])
    first = f(w)
    w[0] = 5.0
    w.append(3.0)  # nothing holds it
    assert first == doubles([2.0, 4.0])
    assert f(w) == doubles([10.0, 4.0, 6.0])

    def run(_: int) -> None:
        for _ in range(50):
            assert f(w) == doubles([10.0, 4.0, 6.0])

    in_threads(run, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_readers_take_buffers(kind: str) -> None:
    f: Any = compile(value_and_grad(loss, (0, 1)))
    buffer = BUFFERS[kind]
    for _ in range(3):
        expected = f(buffer([0.5, 0.25, 1.0]), [1.0, 2.0, 3.0])
    f._program = None  # the general way
    assert f(buffer([0.5, 0.25, 1.0]), [1.0, 2.0, 3.0]) == expected
    for other in (buffer([0.5, 0.25]), [0.5, 0.25, 1.0], array("f", [0.5, 0.25, 1.0]), None):
        with pytest.raises(TypeError, match="NoneType"):
            f(other, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("target", TARGETS)
def test_buffers_beside_numbers_of_all_kinds(target: str) -> None:
    weight = sg.Value(2.0)

    def f(a: Any, parts: Any, b: Any) -> Any:
        return [x * b - a for x in parts["w"]], parts["w"], sg.fsum(parts["v"]) / weight, a * b

    c, python = compile(f, target=target), compile(f)
    w, v = doubles([0.5, -1.5]), doubles([3.0])
    for a, b in ((1.0, 2.0), (1, 2), (1.0, 3), (0, -0.0), (2**60, 1), (1e308, 1e308), (1.0, 2.0)):
        for _ in range(2):
            expected = python(a, {"w": [0.5, -1.5], "v": [3.0]}, b)
            found = c(a, {"w": w, "v": memoryview(v)}, b)
            assert repr(found) == repr((expected[0], doubles(expected[1]), *expected[2:]))
    c.prepare(1.0, {"w": w, "v": v}, 2.0)
    quotient = compile(lambda xs, y: xs[0] / y, target=target)
    for y in (1.0, 2.0, 4.0):
        assert quotient(doubles([1.0]), y) == 1.0 / y
    with pytest.raises(ZeroDivisionError, match=r"1\.0"):
        quotient(doubles([1.0]), 0.0)
