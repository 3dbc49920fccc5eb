"""The Values by which a transform differentiates: known by their graph, in any thread."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scalargrad import (
    TraceError,
    Value,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    taylor,
    value_and_grad,
    vjp,
)
from scalargrad import compile as compile_
from scalargrad.engine.context import differentiated
from scalargrad.optim import curve_fit, least_squares, minimize


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Any:
    yield
    assert not differentiated


def in_worker(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(30)


# Inner functions of y closed over x, each 3 x y^2 in the end: by x at y = 2 that is 12.
def cube(x: Any) -> Callable[[Any], Any]:
    return lambda y: x * y**3


INNER: dict[str, Callable[[Any], Any]] = {
    "grad": lambda x: grad(cube(x))(2.0),
    "value_and_grad": lambda x: value_and_grad(cube(x))(2.0)[1],
    "jvp": lambda x: jvp(cube(x), (2.0,), (1.0,))[1],
    "vjp": lambda x: vjp(cube(x), 2.0)[1](1.0)[0],
    "jacobian": lambda x: jacobian(lambda y: [cube(x)(y), y])(2.0)[0],
    "jacobian forward": lambda x: jacobian(lambda y: [cube(x)(y), y, y])(2.0)[0],
    "hessian": lambda x: hessian(cube(x))(2.0),  # 6 x y, which is 12 too
    "hvp": lambda x: hvp(cube(x), (2.0,), (1.0,)),
    "taylor": lambda x: taylor(cube(x), 2.0, 1)[1],
    "aux": lambda x: grad(lambda y: (y, cube(x)(y) * 1.5), has_aux=True)(2.0)[1],
}
OUTER: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: grad(f)(5.0),
    "grad by a Value": lambda f: grad(f)(Value(5.0)).data,
    "jvp": lambda f: jvp(f, (5.0,), (1.0,))[1],
    "vjp": lambda f: vjp(f, 5.0)[1](1.0)[0],
    "jacobian": lambda f: jacobian(lambda x: [f(x), x])(5.0)[0],
    "taylor": lambda f: taylor(f, 5.0, 1)[1],
    "compiled": lambda f: compile_(grad(f))(5.0),
}


@pytest.mark.parametrize("threads", [False, True], ids=["here", "in a worker"])
@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", INNER)
def test_what_is_closed_over_keeps_its_share(outer: str, inner: str, threads: bool) -> None:
    if threads and outer == "compiled":
        pytest.skip("a trace holds in its own thread")

    def f(x: Any) -> Any:
        slope = in_worker(lambda: INNER[inner](x)) if threads else INNER[inner](x)
        return slope * 2

    assert OUTER[outer](f) == 24.0


def test_a_transform_of_what_does_not_depend_on_it_gives_plain_numbers() -> None:
    w = Value(3.0)

    def f(x: Any) -> Any:
        found = grad(lambda y: y * y * w)(2.0)
        assert type(found) is float
        return x * found

    assert grad(f)(1.0) == 12.0


@pytest.mark.parametrize("threads", [False, True], ids=["here", "in a worker"])
def test_a_compiled_function_that_captures_the_argument(threads: bool) -> None:
    def f(x: Any) -> Any:
        inner = compile_(lambda y: x * y**2)
        total = 0.0
        for _ in range(3):  # written, found, and found at once
            total = total + (in_worker(lambda: inner(2.0)) if threads else inner(2.0))
        return total

    assert grad(f)(5.0) == 12.0
    assert jvp(f, (5.0,), (1.0,)) == (60.0, 12.0)
    assert grad(f)(Value(5.0)).data == 12.0


def test_a_compiled_function_that_is_given_the_argument_in_a_worker() -> None:
    square = compile_(lambda pair: pair[0] * pair[1])
    assert grad(lambda x: in_worker(lambda: square([x, x])))(3.0) == 6.0


def test_backward_of_a_compiled_function_that_captures_the_argument() -> None:
    def f(x: Any) -> Any:
        return compile_(lambda y: x * y**2).backward(2.0)

    with pytest.raises(TraceError, match="cannot run while another is differentiated"):
        grad(f)(5.0)


def test_a_compiled_function_runs_as_its_program_where_it_is_not_differentiated() -> None:
    w = Value(3.0)
    product = compile_(lambda y: w * y)

    def f(x: Any) -> Any:
        assert product.backward(2.0) == 6.0
        return product(2.0) * x

    assert grad(f)(5.0) == 6.0
    assert w.grad == 2.0


# --- copies --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Point:
    x: Any


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of a list": lambda x: copy.deepcopy([x])[0],
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "asdict": lambda x: dataclasses.asdict(Point(x))["x"],
    "astuple": lambda x: dataclasses.astuple(Point(x))[0],
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: grad(f)(5.0),
    "grad by a Value": lambda f: grad(f)(Value(5.0)).data,
    "jvp": lambda f: jvp(f, (5.0,), (1.0,))[1],
    "vjp": lambda f: vjp(f, 5.0)[1](1.0)[0],
    "hessian": lambda f: hessian(f)(5.0),
    "taylor": lambda f: taylor(f, 5.0, 1)[1],
    "compiled": lambda f: compile_(grad(f))(5.0),
    "minimize": lambda f: minimize(lambda p: f(p[0] - 1.0), [5.0]).x[0],
    "least_squares": lambda f: least_squares(lambda p: [f(p[0]), p[0]], [5.0]),
    "curve_fit": lambda f: curve_fit(lambda x, a: f(a) * x, [1.0, 2.0], [2.0, 4.0], [5.0]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("copied", COPIES)
def test_copies_of_arguments_are_refused(call: str, copied: str) -> None:
    with pytest.raises(TypeError, match=r"cop(y|ied)"):
        CALLS[call](lambda x: COPIES[copied](x) ** 2)


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"5.0 is an argument of grad .* use it as it is"):
        grad(copy.copy)(5.0)


def test_other_leaves_and_detached_arguments_are_copied_within() -> None:
    w = Value(3.0)
    assert grad(lambda x: x * copy.deepcopy(w) * copy.copy(x.detach()))(5.0) == 15.0
