"""`map_grad` of a function with target "c": a batch in one call, with the bits of single calls."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import Value, compile, map_grad, value_and_grad
from scalargrad.programs.run import c_batch
from scalargrad.transforms.nesting import flatten, unflatten
from tests.programs.test_c import COMPILER, cache, outcome  # noqa: F401

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler is here")

scale = Value(0.75, label="scale")


def loss(params: Any, x: Any, y: Any) -> Any:
    value = sg.tanh(sg.sumprod(params["w"], x["xs"]) + params["b"]) * scale - y
    return value * value / x["size"]


def one_by_one(f: Any, calls: Any) -> Any:
    """Return what the sums are by definition: those of single calls, in order."""
    found = [flatten(f(*call)) for call in calls]
    total = reduce(lambda a, b: list(map(add, a, b)), [numbers for numbers, _ in found])
    return unflatten(found[0][1], total)


BOTH = [compile(value_and_grad(loss, (0, 1)), target=target) for target in ("c", "python")]
NUMBERS = st.floats(-2, 2) | st.sampled_from([0.0, -0.0, 1e308, -1e200, 1e-320, math.inf, math.nan])
SOME = NUMBERS | st.integers(-3, 3) | st.just(2**53)


@st.composite
def batches(draw: st.DrawFn) -> list[Any]:
    numbers = draw(st.sampled_from([st.floats(-2, 2), NUMBERS, SOME]))

    def params() -> Any:
        return {"w": [draw(numbers) for _ in range(2)], "b": draw(numbers)}

    shared = params()
    own = draw(st.booleans())
    kind = draw(st.sampled_from([list, tuple]))
    size = draw(st.sampled_from([2, 3.0, 0, 1.5]))
    return [
        (
            params() if own else shared,
            {"xs": kind([draw(numbers)] * 2), "size": size},
            draw(numbers),
        )
        for _ in range(draw(st.integers(1, 9)))
    ]


PARAMS = {"w": [0.5, -0.25], "b": 0.1}


def sample(k: float, y: Any = 1.0) -> Any:
    return PARAMS, {"xs": [k, -0.5], "size": 2.0}, y


@settings(suppress_health_check=list(HealthCheck))
@given(batches(), st.integers(1, 3), st.booleans())
@example([sample(0.5)], 1, False)
@example([sample(0.5), sample(1.5), sample(-1.0)], 2, True)
@example([sample(0.5, 1), sample(1.5, -1), sample(-1.0, 0)], 2, True)
@example([sample(0.5, 1), sample(1.5, -1.0), sample(-1.0, 1)], 2, True)
@example([sample(0.5), sample(math.nan), sample(-1.0)], 2, True)
def test_a_batch_has_the_bits_and_errors_of_its_calls(
    calls: list[Any], workers: int, in_threads: bool
) -> None:
    c, python = BOTH
    expected = outcome(one_by_one, python, calls)
    executor = ThreadPoolExecutor(workers) if in_threads else None
    with patch.object(c_batch, "_MOST_NUMBERS", 20):  # few calls at once
        assert outcome(map_grad, c, calls, executor) == expected
    assert outcome(map_grad, c, calls, executor) == expected
    assert outcome(map_grad, python, calls, executor) == expected


def counted(calls: list[Any], c: Any, executor: Any = None) -> tuple[Any, int]:
    """Return the result of map_grad, and how many single calls it made."""
    made = []
    original = type(c).__call__

    def call(self: Any, *args: Any) -> Any:
        made.append(args)
        return original(self, *args)

    with patch.object(type(c), "__call__", call):
        result = map_grad(c, calls, executor)
    return result, len(made)


def test_one_call_of_c_runs_the_whole_batch() -> None:
    c, python = BOTH
    calls = [sample(k / 7, float(k % 2)) for k in range(50)]
    expected = one_by_one(python, calls)
    with ThreadPoolExecutor(3) as executor:
        assert counted(calls, c, executor) == (expected, 0)
    assert counted(calls, c) == (expected, 0)
    assert counted([sample(0.5, k) for k in (1, -1, 1)], c)[1] == 0  # ints in the same place
    # Numbers that are arguments of their own, and what is captured.
    f = compile(value_and_grad(lambda w, x: (w * x - scale) ** 2), target="c")
    numbers = [(0.5, k / 3) for k in range(9)]
    for data in (2.5, 3):
        scale.data = data
        assert counted(numbers, f) == (one_by_one(f, numbers), 0)
    scale.data = 0.75


def test_buffers_in_a_batch() -> None:
    f = compile(value_and_grad(lambda w, xs: sg.sumprod(w, xs) ** 2), target="c")
    w = array("d", [0.5, -1.5])
    lists = [([0.5, -1.5], [k / 3, 1.0]) for k in range(9)]
    value, slopes = one_by_one(f, lists)
    arrays = [(w, array("d", xs)) for _, xs in lists]
    for calls in (arrays, [(w, memoryview(xs)) for _, xs in arrays], [(w, xs) for _, xs in lists]):
        assert counted(calls, f) == ((value, array("d", slopes)), 0)
    python = compile(value_and_grad(lambda w, xs: sg.sumprod(w, xs) ** 2))
    with ThreadPoolExecutor(2) as executor:
        assert map_grad(python, arrays, executor) == (value, array("d", slopes))
    with pytest.raises(ValueError, match="same nesting and lengths"):
        map_grad(f, [arrays[0], (array("d", [1.0]), array("d", [1.0]))])


def test_a_sum_that_begins_with_a_zero_keeps_its_sign() -> None:
    f = compile(value_and_grad(lambda w, x: w * x), target="c")
    for calls in ([(-0.0, 1.0)], [(-0.0, 1.0), (-0.0, 2.0)], [(-0.0, 1.0), (0.0, 2.0)]):
        assert repr(map_grad(f, calls)) == repr(one_by_one(f, calls))


def test_an_error_in_the_batch_is_that_of_its_call() -> None:
    f = compile(value_and_grad(lambda w, x: w / x), target="c")
    assert map_grad(f, [(1.0, 2.0), (3.0, 4.0)]) == (1.25, 0.75)
    with pytest.raises(ZeroDivisionError, match=r"\(w=1\.0\) / \(x=0\.0\)"):
        map_grad(f, [(1.0, 2.0), (1.0, 0.0), (5.0, 0.0)])
    with pytest.raises(TypeError, match=r"floats and ints, not Fraction"):
        map_grad(f, [(1.0, 2.0), (Fraction(1), 2.0)])
    with pytest.raises(OverflowError, match="int too large"):
        map_grad(f, [(1.0, 2.0), (10**400, 10**400)])
    with pytest.raises(ValueError, match="batch of one call at least"):
        map_grad(f, [])
    with pytest.raises(TypeError, match="item 1 is"):
        map_grad(f, [(1.0, 2.0), (1.0,)])


def test_rows_of_other_lengths_are_those_of_other_programs() -> None:
    f = compile(value_and_grad(lambda w, xs: sg.fsum([w * x for x in xs])), target="c")
    calls = [(2.0, [1.0, 2.0]), (2.0, [1.0])]
    assert map_grad(f, calls) == (8.0, 4.0)
    g = compile(value_and_grad(lambda w, xs: sg.fsum([w * x for x in xs]), argnums=1), target="c")
    with pytest.raises(ValueError, match="same nesting and lengths"):
        map_grad(g, calls)


def test_what_gives_no_pair_is_refused() -> None:
    f = compile(lambda w, x: w * x, target="c")
    with pytest.raises(TypeError, match="a function that returns a pair"):
        map_grad(f, [(1.0, 2.0), (3.0, 4.0)])
    ints = compile(lambda w, x: (w * x, x), target="c")
    assert repr(map_grad(ints, [(2, 3), (4, 5)])) == "(26, 8)"


def test_samples_that_are_nan_or_ints_and_a_batch_of_one() -> None:
    f = compile(value_and_grad(lambda w, x: (w[0] * x - w[1]) ** 2), target="c")
    w = array("d", [0.5, 1.0])
    value, slopes = map_grad(f, [(w, math.nan), (w, 1.0)])
    assert [math.isnan(x) for x in (value, *slopes)] == [True] * 3
    assert repr(map_grad(f, [(w, 3)])) == repr(f(w, 3)) == repr(f(w, 3.0))
    assert repr(map_grad(f, [(w, 3), (w, 3.5)])) == repr(map_grad(f, [(w, 3.0), (w, 3.5)]))
    assert w == array("d", [0.5, 1.0])
    for bad, error, words in (
        (array("f", [1.0, 2.0]), TypeError, "must be a number, or lists, tuples"),
        (b"12345678" * 2, TypeError, "must be a number, or lists, tuples"),
        (array("d"), IndexError, "out of range"),
    ):
        with pytest.raises(error, match=words):
            map_grad(f, [(w, 1.0), (bad, 1.0)])
    with pytest.raises(TypeError, match=r"b'abcdefgh' \(bytes\)|not b'abcdefgh'"):
        map_grad(f, [(w, 1.0), (w, b"abcdefgh")])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupt_ends_a_batch_and_changes_nothing(workers: int) -> None:
    f = compile(value_and_grad(lambda w, x: (w[0] * x - w[1]) ** 2), target="c")
    w = array("d", [0.5, 1.0])
    batch = [(w, k / 1000) for k in range(1000)]
    expected = map_grad(f, batch)
    parts: list[int] = []
    original = c_batch._Batch._results

    def interrupted(self: Any, size: int, first: int) -> Any:
        parts.append(first)
        if first > 300:
            raise KeyboardInterrupt
        return original(self, size, first)

    executor = ThreadPoolExecutor(workers) if workers else None
    with (
        patch.object(c_batch, "_MOST_NUMBERS", 100),
        patch.object(c_batch._Batch, "_results", interrupted),
        pytest.raises(KeyboardInterrupt),
    ):
        map_grad(f, batch, executor)
    assert len(parts) < 100  # the others were not begun
    assert w == array("d", [0.5, 1.0])
    assert map_grad(f, batch, executor) == map_grad(f, batch) == expected
    if executor:
        executor.shutdown()


@pytest.mark.slow
def test_a_long_batch_can_be_interrupted() -> None:
    code = (
        "import signal\n"
        "from scalargrad import compile, map_grad, value_and_grad, sin\n"
        # What a shell starts in the background ignores interrupts, and so would this.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def f(x):\n"
        "    for _ in range(3000): x = sin(x)\n"
        "    return x\n"
        "c = compile(value_and_grad(f), target='c')\n"
        "c(0.5)\n"
        "batch = [(k * 1e-6,) for k in range(1_000_000)]\n"
        "print('ready', flush=True)\n"
        "map_grad(c, batch)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            # Far less than the batch takes: a minute.
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=4)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "KeyboardInterrupt" in said
