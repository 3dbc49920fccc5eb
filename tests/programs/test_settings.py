"""compile as people use it: decorators with settings, methods, models, other processes, arrays."""

from __future__ import annotations

import pickle
import random
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from scalargrad import Value, compile, grad, map_grad, value_and_grad
from scalargrad.nn import MLP


def power(x: Any, n: Any) -> Any:
    return x if n == 1 else x * power(x, n - 1)


def test_static_arguments_of_the_decorator() -> None:
    @compile(static_argnums=1)
    def by_place(x: Any, n: Any) -> Any:
        return power(x, n)

    @compile(static_argnames="n")
    def by_name(x: Any, n: Any) -> Any:
        return power(x, n)

    assert by_place(2.0, 3) == by_name(2.0, 3) == by_name(2.0, n=3) == 8.0
    assert compile(power, static_argnames=["n"])(2.0, 3) == 8.0
    assert compile()(lambda x: x)(2.0) == 2.0
    with pytest.raises(TypeError, match=r"static_argnames must be names of arguments, of x, n "):
        compile(power, static_argnames="m")
    with pytest.raises(TypeError, match=r"must be hashable: .*; give a tuple for a list"):
        by_place(2.0, [3])


class Line:
    """With a compiled method."""

    def __init__(self) -> None:
        self.slope = Value(2.0)

    @compile
    def loss(self, x: Any, y: Any) -> Any:
        return (self.slope * x - y) ** 2

    @compile(static_argnames="n")
    def power(self, x: Any, n: int) -> Any:
        return self.slope * power(x, n)

    def plain(self, x: Any) -> Any:
        return self.slope * x


def test_methods_models_and_bound_methods() -> None:
    line = Line()
    assert line.loss.backward(3.0, 5.0) == 1.0
    assert line.slope.grad == 6.0
    assert line.power(2.0, 3) == 16.0
    assert compile(line.plain)(3.0) == 6.0
    model = MLP(2, [3, 1], rng=random.Random(0))
    assert compile(model)([0.5, -1.0]) == pytest.approx(model([0.5, -1.0]).data, rel=1e-15)
    assert compile(model.__call__)([0.5, -1.0]) == compile(model)([0.5, -1.0])


def test_a_compiled_model_has_the_attributes_of_the_model() -> None:
    model = MLP(2, [3, 1], rng=random.Random(0))
    compiled = compile(model)
    assert compiled.parameters() == model.parameters()
    assert compiled.layers is model.layers
    for name in ("weights", "_data"):
        with pytest.raises(AttributeError, match=name):
            getattr(compiled, name)
    with pytest.raises(AttributeError, match="'Compiled' object has no attribute 'parameters'"):
        getattr(compile(lambda x: x), "parameters")  # noqa: B009 - mypy knows that it is not there


def test_a_compiled_method_called_by_its_class() -> None:
    line = Line()
    assert Line.loss(line, 3.0, 5.0) == 1.0
    assert Line.loss.backward(line, 3.0, 5.0) == 1.0
    assert line.slope.grad == 6.0

    class Steeper(Line):
        @compile
        def loss(self, x: Any, y: Any) -> Any:
            return super().loss(x, y) + Line.loss(self, x, y)

    assert Steeper().loss(3.0, 5.0) == 2.0


def test_backward_that_reaches_no_value_says_so() -> None:
    for f in (lambda x: x * x, lambda x: 3.0):
        with pytest.raises(TypeError, match=r"reaches no Value.*value_and_grad\(f\)"):
            compile(f).backward(2.0)


def test_attributes_of_the_function_are_kept() -> None:
    def f(x: Any) -> Any:
        return x

    f.unit = "m"  # type: ignore[attr-defined]
    compiled: Any = compile(f)
    assert (compiled.unit, compiled.__name__, compiled.__wrapped__) == ("m", "f", f)


def test_a_pickle_keeps_the_attributes_that_can_be_pickled() -> None:
    def f(x: Any) -> Any:
        """Return twice x."""
        return 2 * x

    f.unit = "m"  # type: ignore[attr-defined]
    f.helper = lambda: None  # type: ignore[attr-defined]
    compiled: Any = compile(f)
    compiled.limits, compiled._note, compiled.lock = (0.0, 1.0), "kept", threading.Lock()
    assert compiled(1.5) == 3.0
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(compiled))))
    assert (again.unit, again.limits, again._note) == ("m", (0.0, 1.0), "kept")
    assert (again.__name__, again.__doc__) == ("f", "Return twice x.")
    assert not {"helper", "lock", "__wrapped__"} & set(vars(again))
    assert again(2.0) == 4.0
    with pytest.raises(TypeError, match="came from a pickle with its programs alone"):
        again([1.0])


def squared_error(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2


MODEL = MLP(2, [3, 1], rng=random.Random(0))


def model_loss(x: Any, y: Any) -> Any:
    return (MODEL(x) - y) ** 2


def test_map_grad_in_other_processes_on_functions_never_called() -> None:
    with ProcessPoolExecutor(1) as pool:
        never_called = compile(value_and_grad(squared_error))
        batch = [(2.0, 1.0, 3.0), (2.0, 4.0, 5.0), (2.0, 1, 3)]
        assert map_grad(never_called, batch, pool) == (11.0, 20.0)
        with_model = compile(value_and_grad(model_loss))
        rows = [([0.5, -1.0], 1.0), ([1.0, 2.0], 0.0)]
        value, slopes = map_grad(with_model, rows, pool)
        assert value == pytest.approx(sum(model_loss(*row).data for row in rows))
        expected = [grad(model_loss)(*row) for row in rows]
        assert slopes == pytest.approx([a + b for a, b in zip(*expected, strict=True)])


def test_map_grad_of_calls_that_do_not_add_up() -> None:
    f = compile(value_and_grad(lambda v: sum(x * x for x in v)))
    words = "take arguments of the same nesting and lengths"
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match=words):
        map_grad(f, [([1.0],), ([1.0, 2.0],)], pool)


def pair(x: float) -> tuple[float, float]:
    return x * x, 2 * x


def test_map_grad_in_other_processes_of_what_is_not_compiled() -> None:
    with ProcessPoolExecutor(1) as pool:
        words = r"function that can be sent to other processes, such as compile\(value_and_grad"
        with pytest.raises(TypeError, match=words):
            map_grad(value_and_grad(squared_error), [(1.0, 2.0, 3.0)], pool)
        assert map_grad(pair, [(3.0,), (1.0,)], pool) == (10.0, 8.0)


class Array:
    """As a numpy array has it."""

    shape = (2,)

    def __init__(self, numbers: list[float]) -> None:
        self.numbers = numbers

    def tolist(self) -> list[float]:
        return self.numbers


class Scalar(float):
    """As a numpy scalar has it."""

    shape = ()

    def tolist(self) -> float:
        return float(self)


class Point(NamedTuple):
    x: Any
    y: Any


def squares(x: Any) -> Any:
    if isinstance(x, list | tuple | dict):
        return sum(map(squares, x.values() if isinstance(x, dict) else x))
    return x * x


@pytest.mark.parametrize(
    ("argument", "plain"),
    [
        (Array([2.0, 3.0]), [2.0, 3.0]),
        ([Array([2.0]), 3.0], [[2.0], 3.0]),
        ({"w": [Array([2.0])], "b": Scalar(3.0)}, {"w": [[2.0]], "b": 3.0}),
        (Point(Array([1.0, 2.0]), 3), Point([1.0, 2.0], 3)),
        ([1.0, Scalar(2.0)], [1.0, 2.0]),
        (Scalar(2.0), 2.0),
    ],
)
def test_arrays_and_scalars_anywhere_in_the_arguments(argument: Any, plain: Any) -> None:
    f, slope = compile(squares), compile(grad(squares))
    for result in (f(argument), f(x=argument), f(argument)):
        assert result == f(plain)
        assert type(result) is float
    assert f.cache_info().currsize == 1
    assert repr(slope(argument)) == repr(slope(plain))
    many = compile(lambda *xs, **named: squares(xs) + squares(named))
    assert many(argument, 1.0, z=argument) == many(plain, 1.0, z=plain)


def test_a_static_scalar() -> None:
    f = compile(power, static_argnums=1)
    assert [f(2.0, n) for n in (3, Scalar(3))] == [8.0, 8.0]
    assert type(f(2.0, Scalar(3))) is float


def test_arrays_of_what_is_no_number() -> None:
    for argument in ([Array(["a"])], [object()]):  # type: ignore[list-item]
        with pytest.raises(TypeError):
            compile(squares)(argument)
    with pytest.raises(TypeError, match=r"takes plain numbers, not Value"):
        compile(squares)([Array([Value(1.0)])])  # type: ignore[list-item]


def test_arrays_are_lists() -> None:
    assert compile(lambda v: v[0] * v[1])(Array([2.0, 3.0])) == 6.0
    with pytest.raises(TypeError, match=r"give a numpy array's \.tolist\(\)"):
        grad(lambda v: v[0])(Array([2.0, 3.0]))


def test_what_a_compiled_function_shows() -> None:
    f = compile(squared_error)
    assert repr(f) == "<compiled squared_error(w, x, y), 0 programs>"
    f(1.0, 2.0, 3.0)
    assert repr(f) == "<compiled squared_error(w, x, y), 1 program>"
    assert repr(Line().loss).startswith("<bound <compiled loss(self, x, y), ")
