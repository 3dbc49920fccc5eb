"""`.backward` of compiled functions: its text reads data of Values and adds to their `.grad`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from scalargrad import Value, compile, log, sqrt
from scalargrad.engine.value import backward_lock


def test_gradients_are_added_when_all_is_computed() -> None:
    w, v = Value(2.0, label="w"), Value(0.0)
    compiled = compile(lambda x: w * x + sqrt(v * x))
    v.data = 4.0
    compiled.backward(1.0)
    before = w.grad, v.grad
    v.data = 0.0
    with pytest.raises(ZeroDivisionError):
        compiled.backward(1.0)
    assert (w.grad, v.grad) == before


def test_an_error_of_the_value_alone_leaves_gradients() -> None:
    w = Value(2.0)
    compiled = compile(lambda: log(w))
    compiled.backward()
    w.data = -1.0  # the derivative is -1
    with pytest.raises(ValueError, match="log"):
        compiled.backward()
    assert w.grad == 0.5


def test_backward_takes_captured_numbers_of_any_kind_in_turns() -> None:
    w, v = Value(2.0), Value(1.0)
    compiled = compile(lambda x: w * w * x + v)
    numbers: list[Any] = [1.5, Fraction(1, 3), Decimal("0.5"), 3, True, 2.5]
    for number in numbers:
        w.data = v.data = number
        w.grad = v.grad = 0
        x = 2 if number is True else type(number)(2)
        eager = w * w * x + v
        eager.backward()
        expected = eager.data, w.grad, v.grad
        w.grad = v.grad = 0
        found = compiled.backward(x), w.grad, v.grad
        assert found == expected
        assert list(map(type, found)) == list(map(type, expected))
    assert compiled.cache_info().currsize == 1


def test_the_text_of_backward_reads_and_adds() -> None:
    w, b = Value(2.0, label="w"), Value(0.5)
    compiled = compile(lambda x: w * x + b)
    compiled.backward(3.0)
    assert compiled.source == (
        "def f(x, values, lock):\n"
        "    w_value, v = values\n"
        "    w = w_value._data\n"
        "    p = v._data\n"
        "    t1 = w * x + p\n"
        "    t2 = like(1, t1)\n"
        "    with lock:\n"
        "        w_value._grad += t2 * x\n"
        "        v._grad += t2\n"
        "    return t1\n"
    )


LABELS = ["values", "lock", "x", "v", "p", "w", "w_value", "captured", "g", "zip"]
NAMED = [Value(k + 1.0, label=label) for k, label in enumerate(LABELS)]
PIECE = compile(lambda x: sum(w * x for w in NAMED))


@pytest.mark.parametrize(
    "f",
    [
        lambda values, lock: sum(w * values for w in NAMED),
        lambda v, g: sum(w * v for w in NAMED),
        lambda captured, zip: PIECE(captured),
        lambda values, v: PIECE(values),
    ],
)
def test_names_of_the_text_are_given_once(f: Any) -> None:
    for w in NAMED:
        w.grad = 0
    assert compile(f).backward(2.0, 1.0) == 110.0
    assert [w.grad for w in NAMED] == [2.0] * len(NAMED)


@pytest.mark.parametrize("packed", [False, True])
def test_other_passes_wait_while_gradients_are_added(packed: bool) -> None:
    class Slow(float):
        def __add__(self, other: Any) -> Any:
            alone.append(not other_thread_can_take_the_lock())
            return float(self) + other

    alone: list[bool] = []
    ws = [Value(1.0), Value(2.0)]
    for w in ws:
        w._grad = Slow(0.5)
    f: Callable[..., Any] = lambda x: ws[0] * x + ws[1]  # noqa: E731
    piece: Any = compile(f) if packed else f
    compile(lambda x: piece(x) + piece(2 * x)).backward(3.0)
    assert [w.grad for w in ws] == [9.5, 2.5]
    assert alone == [True, True]


def other_thread_can_take_the_lock() -> bool:
    found = []

    def take() -> None:
        found.append(backward_lock.acquire(blocking=False))
        if found[0]:
            backward_lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found[0]
