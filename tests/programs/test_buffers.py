"""Buffers of doubles as arguments of compiled functions: the results of lists, as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import compile, grad, hvp, optim, value_and_grad
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


# --- out=: results in buffers that the caller gives -----------------------------------------------


def halves(xs: Any, y: Any) -> Any:
    return {"value": sg.fsum(xs) * y, "parts": ([x / 2 for x in xs], xs)}


@pytest.mark.parametrize("target", TARGETS)
def test_out_is_written(target: str) -> None:
    f = compile(halves, target=target)
    expected = f([1.0, 2.0], 3.0)
    first, second = doubles([7.0, 7.0]), doubles([8.0, 9.0, 8.0, 9.0])
    every_other = memoryview(second)[::2]
    for _ in range(3):
        out = {"value": None, "parts": (first, every_other)}
        found = f(doubles([1.0, 2.0]), 3.0, out=out)
        assert found["value"] == expected["value"] == 9.0
        assert found["parts"][0] is first
        assert found["parts"][1] is every_other
        assert (first.tolist(), second.tolist()) == ([0.5, 1.0], [1.0, 9.0, 2.0, 9.0])
        first[0] = second[0] = 0.0
    assert f([1.0, 2.0], 3.0, out=None) == expected
    assert f([1.0, 2.0], 3.0, out={"value": 1.0, "parts": None}) == expected
    # Of an argument itself: it is read before.
    xs = doubles([1.0, 2.0])
    compile(lambda xs: [x + xs[1 - k] for k, x in enumerate(xs)], target=target)(xs, out=xs)
    assert xs == doubles([3.0, 3.0])
    rows: Any = memoryview(doubles([0.0] * 4)).cast("b").cast("d", [2, 2])
    compile(lambda xs: [xs, xs], target=target)(xs, out=rows)
    assert rows.tolist() == [[3.0, 3.0], [3.0, 3.0]]


@pytest.mark.parametrize("target", TARGETS)
def test_out_that_does_not_fit_changes_nothing(target: str) -> None:
    f = compile(halves, target=target)
    first = doubles([7.0, 7.0])
    for bad, error, words in (
        (doubles([1.0]), ValueError, r"out\['parts'\]\[1\] has room for 1 numbers, and the .* 2"),
        (array("f", [1.0, 2.0]), TypeError, r"\['parts'\]\[1\] must be a buffer of doubles that"),
        (memoryview(first).toreadonly(), TypeError, "which is read-only"),
        ("xy", TypeError, "must be a buffer of doubles that can be written to"),
        ([None], TypeError, r"out\['parts'\]\[1\] must be nested as the result"),
    ):
        with pytest.raises(error, match=words):
            f([1.0, 2.0], 3.0, out={"value": None, "parts": (first, bad)})
    with pytest.raises(TypeError, match="out must be nested as the result"):
        f([1.0, 2.0], 3.0, out={"value": None})
    with pytest.raises(ZeroDivisionError):
        compile(lambda xs: [1 / x for x in xs], target=target)([1.0, 0.0], out=first)
    assert first == doubles([7.0, 7.0])


def test_out_belongs_to_a_function_that_takes_it_and_not_to_a_trace() -> None:
    assert compile(lambda x, out: x * out)(2.0, out=3.0) == 6.0
    assert compile(lambda x, **rest: x * rest["out"])(2.0, out=3.0) == 6.0
    f = compile(lambda xs: [2 * x for x in xs])
    with pytest.raises(TypeError, match="out= takes numbers, which there are none of while"):
        compile(lambda xs: f(xs, out=doubles([0.0])))([1.0])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_training_step_on_buffers(name: str, target: str) -> None:
    init, update = (getattr(optim, f"{name}_{what}") for what in ("init", "update"))

    def step(parameters: Any, state: Any, x: Any) -> Any:
        value, slopes = value_and_grad(loss)(parameters["w"], x)
        return *update(parameters, {"w": slopes}, state, lr=0.1), value

    compiled = compile(step, target=target)
    wanted: Any = {"w": [1.0, 2.0, -0.5]}
    w = doubles(wanted["w"])
    parameters, state, expected = {"w": w}, init({"w": w}), init(wanted)
    assert repr(state) == repr(with_arrays_for_lists(expected))
    for k in range(4):
        x = [1.0, k / 3, -0.5]
        wanted, expected, value = compiled(wanted, expected, x)
        parameters, state, found = compiled(
            parameters, state, x, out=(parameters, state, None) if k else None
        )
        assert (found, w if k > 1 else parameters["w"]) == (value, parameters["w"])
        assert repr(parameters) == repr(with_arrays_for_lists(wanted))
        assert repr(state) == repr(with_arrays_for_lists(expected))
        w = parameters["w"]
    # Without a program, too.
    found, after = update(parameters, {"w": doubles([1.0, 2.0, 3.0])}, state)
    assert (found, after) == with_arrays_for_lists(update(wanted, {"w": [1.0, 2.0, 3.0]}, expected))
    with pytest.raises(TypeError, match="gradients"):
        update(parameters, {"w": doubles([1.0])}, state)


def with_arrays_for_lists(nest: Any) -> Any:
    if isinstance(nest, dict):
        return {key: with_arrays_for_lists(x) for key, x in nest.items()}
    if isinstance(nest, tuple):
        return tuple(map(with_arrays_for_lists, nest))
    return doubles(nest) if isinstance(nest, list) else nest


# --- buffers that are used or changed by others meanwhile -----------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_a_buffer_that_threads_change_and_resize(target: str) -> None:
    f = compile(value_and_grad(lambda xs: sum(x * x for x in xs)), target=target)
    w = doubles([1.0] * 200)
    lengths = {200: f(w)[0], 201: f([1.0] * 201)[0]}
    for length in lengths:
        f(doubles([1.0] * length))
    found: list[float] = []

    def run(k: int) -> None:
        for _ in range(100):
            if k:
                # What was given for the call is what the result is of, whole.
                value, slopes = f(w)
                found.append(value)
                assert slopes.tolist() == [2.0] * len(slopes)
            else:
                w.append(1.0)
                w.pop()

    in_threads(run, 3)
    assert set(found) <= set(lengths.values())


@pytest.mark.parametrize("target", TARGETS)
def test_a_buffer_is_let_go_after_the_call(target: str) -> None:
    def f(xs: Any) -> Any:
        return [1 / x for x in xs]

    inverse = compile(f, target=target)
    w, out = doubles([2.0]), doubles([0.0])
    for xs in (w, memoryview(w)):
        inverse(xs, out=out)
    xs.release()  # type: ignore[union-attr]
    w[0] = 0.0
    with pytest.raises(ZeroDivisionError):
        inverse(w)
    for buffer in (w, out):
        buffer.append(1.0)  # nothing holds it
    with memoryview(w), pytest.raises(BufferError):
        w.append(1.0)  # as it is while somebody does
    with pytest.raises(ValueError, match="released memoryview"):
        inverse(xs)
