"""Ops of one's own, from their derivative rules."""

from __future__ import annotations

import doctest
import inspect
import io
import math
import pickle
import pydoc
import sys
import types
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Value,
    cos,
    exp,
    grad,
    hessian,
    hvp,
    jvp,
    log,
    no_grad,
    numerical_gradient,
    primitive,
)
from scalargrad.engine.op import Op
from scalargrad.engine.primitive import op_of
from scalargrad.functions.methods import all_ops, public_functions


@primitive(lambda g, y, x: g * cos(x), hint="sin takes an angle in radians")
def sin(x: Any) -> Any:
    """Return the sine of x: another than ours.

    >>> sin(0.0)
    0.0
    """
    if x > 1e6:
        raise ValueError("too far out")
    return math.sin(x)


@primitive(
    lambda g, y, x, scale: g * scale * exp(x * scale),
    lambda g, y, x, scale: g * x * exp(x * scale),
)
def growth(x: Any, scale: Any = 1.0) -> Any:
    """Return exp(x * scale)."""
    return math.exp(x * scale)


@primitive(
    lambda g, y, a, x, b: g * x,
    lambda g, y, a, x, b: g * a,
    lambda g, y, a, x, b: g,
)
def line(a: Any, x: Any, b: Any = 0) -> Any:
    """Return a * x + b."""
    return a * x + b


floats = st.floats(-3, 3)


@given(floats, floats, floats)
def test_ops_of_one_two_and_three_inputs(a: float, x: float, b: float) -> None:
    for function, inputs in ((sin, [x]), (growth, [x, a]), (line, [a, x, b])):
        leaves = [Value(x) for x in inputs]
        y = function(*leaves)
        y.backward()
        assert y.data == function(*inputs)
        assert y.parents == tuple(leaves)
        for leaf, (slope, error) in zip(leaves, numerical_gradient(function, inputs), strict=True):
            assert abs(leaf.grad - slope) <= error


@given(floats, floats)
def test_to_any_order(x: float, a: float) -> None:
    assert grad(grad(grad(sin)))(x) == pytest.approx(-math.cos(x), abs=1e-14)
    mixed = math.exp(a * x) * (1 + a * x)
    assert hessian(growth, (0, 1))(x, a)[0][1] == pytest.approx(mixed, rel=1e-12, abs=1e-12)
    assert jvp(line, (a, x, 1.0), (1.0, 2.0, 3.0))[1] == pytest.approx(x + 2 * a + 3, abs=1e-14)
    assert hvp(lambda a, x: line(a, x), (a, x), (1.0, 0.0)) == (0.0, 1.0)


def test_exact_numbers_stay_exact() -> None:
    assert grad(line, (0, 1))(Fraction(1, 3), Fraction(2, 7)) == (Fraction(2, 7), Fraction(1, 3))


def test_keywords_and_defaults() -> None:
    x = Value(0.5)
    assert growth(x).data == math.exp(0.5)
    assert growth(x, scale=2.0).data == growth(scale=2.0, x=x).data == math.exp(1.0)
    assert growth(scale=2.0, x=0.5) == math.exp(1.0)
    assert line(2.0, x).data == line(b=0, x=x, a=2.0).data == 1.0
    assert line(2.0, x=x).operands == (2.0, x, 0)
    wrong: list[tuple[Any, dict[str, Any]]] = [([], {}), ([x] * 4, {}), ([x, x], {"c": 1.0})]
    for inputs, keywords in wrong:
        with pytest.raises(TypeError, match=r"growth\(\).*argument"):
            growth(*inputs, **keywords)
        with pytest.raises(TypeError, match="argument"):
            line(*inputs, **keywords)


def test_one_derivative_that_is_not_wanted_is_not_computed() -> None:
    @primitive(
        lambda g, y, a, b, c: g * log(b) * c,
        lambda g, y, a, b, c: g * a / b * c,
        lambda g, y, a, b, c: g * (a * log(b)) / (c - 1.0),
    )
    def scaled(a: Any, b: Any, c: Any) -> Any:
        return a * math.log(b) * c

    a = Value(2.0)
    scaled(a, 3.0, 1.0).backward()
    assert a.grad == pytest.approx(math.log(3.0))
    assert grad(scaled)(2.0, 3.0, 1.0) == a.grad
    a.grad = 0
    scaled(a, 3.0, 1.0).backward(create_graph=True)
    with pytest.raises(ZeroDivisionError, match="in the derivative of scaled"):
        scaled(2.0, 3.0, Value(1.0)).backward()


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_the_number_of_rules_is_that_of_the_inputs(count: int) -> None:
    with pytest.raises(TypeError, match=r"one rule for each input of power.*was given \d"):

        @primitive(*[lambda g, y, a, b: g] * count)
        def power(a: Any, b: Any) -> Any:
            return a**b


def test_brackets_that_were_left_out() -> None:
    with pytest.raises(TypeError, match=r"as in @primitive\(lambda g, y, x: g \* cos\(x\)\)"):

        @primitive
        def square(x: Any) -> Any:
            return x * x


def test_errors_name_the_op_its_inputs_and_the_hint() -> None:
    with pytest.raises(
        ValueError, match=r"too far out, in sin\(x=10000000.0\); sin takes an angle in radians"
    ):
        sin(Value(1e7, label="x"))
    with pytest.raises(ValueError, match=r"^too far out$"):
        sin(1e7)

    @primitive(lambda g, y, x: g)
    def word(x: Any) -> Any:
        return str(x)

    with pytest.raises(TypeError, match=r"word\(1.0\) gave '1.0' \(str\), not a real number"):
        word(Value(1.0))


def test_a_result_that_is_not_real_is_refused_for_two_inputs_too() -> None:
    @primitive(lambda g, y, a, b: g, lambda g, y, a, b: g)
    def pair(a: Any, b: Any) -> Any:
        return a, b

    with pytest.raises(TypeError, match=r"pair\(1.0, 2.0\) gave \(1.0, 2.0\) \(tuple\)"):
        pair(Value(1.0), 2.0)


def test_methods() -> None:
    class Angle(Value):
        sine = sin
        grown = growth

    x = Angle(0.5)
    y = x.sine()
    y.backward()
    assert x.grad == math.cos(0.5)
    assert x.grown(scale=2.0).data == math.exp(1.0)


def test_ops_are_told_apart_by_identity_and_not_by_name() -> None:
    x = Value(1.0)
    mine, ours = sin(x), scalargrad.sin(x)
    assert mine.op == ours.op == "sin"
    assert op_of(sin) is not op_of(scalargrad.sin)
    assert op_of(scalargrad.sin).function is scalargrad.sin
    assert "sin" in all_ops()
    assert all_ops()["sin"] is op_of(scalargrad.sin)


def test_what_it_makes_is_a_real_function() -> None:
    for function, forward in ((sin, "sin"), (growth, "growth"), (line, "line")):
        assert isinstance(function, types.FunctionType)
        assert (function.__name__, function.__module__) == (forward, __name__)
        assert str(inspect.signature(function)).startswith(
            {"sin": "(x:", "growth": "(x:", "line": "(a:"}[forward]
        )
    assert inspect.signature(growth).parameters["scale"].default == 1.0
    text = pydoc.plain(pydoc.render_doc(sin))
    assert "sin(x: 'Any')" in text
    assert "Return the sine of x: another than ours." in text


def test_doctest_finds_its_examples() -> None:
    here = {
        test.name.split(".")[-1] for test in doctest.DocTestFinder().find(sys.modules[__name__])
    }
    assert "sin" in here
    found = doctest.DocTestFinder().find(sin, "sin", globs={"sin": sin})
    assert sum(len(test.examples) for test in found) == 1
    assert doctest.DocTestRunner().run(found[0], out=io.StringIO().write).failed == 0
    family = scalargrad.functions.elementary
    names = {test.name.split(".")[-1] for test in doctest.DocTestFinder().find(family)}
    assert set(family.__all__) <= names


def test_pickling_goes_by_the_name_of_the_function() -> None:
    assert pickle.loads(pickle.dumps(op_of(sin))) is op_of(sin)
    assert pickle.loads(pickle.dumps(sin)) is sin
    assert pickle.loads(pickle.dumps(op_of(scalargrad.log))) is op_of(scalargrad.log)
    for function in public_functions().values():
        assert pickle.loads(pickle.dumps(function)) is function

    @primitive(lambda g, y, x: g)
    def local(x: Any) -> Any:
        return x

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(op_of(local))


@pytest.mark.parametrize("name", sorted(all_ops()))
def test_every_op_of_ours_is_pickled(name: str) -> None:
    op = all_ops()[name]
    assert pickle.loads(pickle.dumps(op)) is op


def test_names_of_builtins_in_the_users_module_do_no_harm() -> None:
    program = (
        "from scalargrad import Value, primitive\n"
        "type = float = isinstance = len = max = tuple = map = None\n"
        "@primitive(lambda g, y, x: 2 * g * x)\n"
        "def square(x): return x * x\n"
        "@primitive(lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)\n"
        "def times(a, b=2.0): return a * b\n"
        "@primitive(*[lambda g, y, a, b, c: g] * 3)\n"
        "def plus(a, b, c=1.0): return a + b + c\n"
        "y = plus(times(square(Value(3.0))), 1.0)\n"
    )
    names: dict[str, Any] = {"__name__": "program"}
    exec(program, names)
    assert names["y"].data == 20.0


def test_no_grad_and_other_kinds() -> None:
    with no_grad():
        assert sin(Value(0.5)).parents == ()
        assert growth(Value(0.5), 2.0).parents == ()
        assert line(Value(0.5), 2.0).parents == ()


def test_a_callable_that_is_no_function() -> None:
    class Cube:
        __name__ = "cube"

        def __call__(self, x: Any) -> Any:
            return x**3

    cube = primitive(lambda g, y, x: g * (3 * x * x))(Cube())
    assert grad(cube)(2.0) == 12.0
    root = primitive(lambda g, y, x: g / (2 * y))(math.sqrt)
    assert grad(root)(4.0) == 0.25
    assert isinstance(root.op, Op)


def test_rules_are_counted_where_the_inputs_can_be() -> None:
    def one(g: Any, y: Any, a: Any, b: Any) -> Any:
        return g

    assert primitive(one, one)(lambda *xs: xs[0] + xs[1])(2.0, 3.0) == 5.0
    assert primitive(one, one)(lambda a, b: a + b)(2.0, 3.0) == 5.0
    for function in (lambda a: a, lambda a, b, c: a):
        with pytest.raises(TypeError, match="primitive takes one rule for each input"):
            primitive(one, one)(function)
