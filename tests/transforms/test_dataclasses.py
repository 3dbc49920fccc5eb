"""Dataclasses, named tuples and None, wherever nests of numbers go."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import (
    Value,
    check_gradient,
    compile,
    formula,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    map_grad,
    value_and_grad,
    vjp,
)
from scalargrad.programs.run.c_compiler import COMPILERS
from scalargrad.transforms.nesting import flatten, flatten_like, mapped, unflatten, values_in

TARGETS = ["python", *["c"] * any(map(shutil.which, COMPILERS))]


@dataclass(frozen=True)
class Layer:
    w: Any
    b: Any = None

    def __post_init__(self) -> None:
        float(self.w[0])  # as in code that checks its arguments: no tracer would pass


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Net:
    layers: Any
    scale: Any


@dataclass(frozen=True)
class Slots:
    __slots__ = ("x", "y")
    x: Any
    y: Any


numbers = st.integers(-20, 20).map(lambda i: i / 4)


@st.composite
def nets(draw: st.DrawFn) -> Net:
    def layer() -> Layer:
        w = draw(st.lists(numbers, min_size=2, max_size=2))
        return Layer(w, draw(st.none() | numbers))

    return Net({"a": layer(), "b": [layer()]}, Pair(draw(numbers), draw(st.none() | numbers)))


def loss(net: Any, x: Any) -> Any:
    total = 0.0
    for layer in (net.layers["a"], net.layers["b"][0]):
        y = layer.w[0] * x + layer.w[1] * x**2 + (0.0 if layer.b is None else layer.b)
        total = total + net.scale.left * y * y
    return total if net.scale.right is None else total * net.scale.right


def by_hand(net: Net, x: float) -> tuple[float, list[float]]:
    """Return the value and the derivatives by all numbers, in the order of the fields."""
    layers = [net.layers["a"], net.layers["b"][0]]
    ys = [v.w[0] * x + v.w[1] * x**2 + (v.b or 0.0) for v in layers]
    left, right = net.scale
    squares, factor = sum(y * y for y in ys), 1.0 if right is None else right
    slopes = []
    for v, y in zip(layers, ys, strict=True):
        outer = 2 * left * factor * y
        slopes += [outer * x, outer * x**2, *([] if v.b is None else [outer])]
    slopes += [squares * factor, *([] if right is None else [left * squares])]
    return left * factor * squares, slopes


@given(net=nets(), x=numbers)
def test_gradients_come_back_in_the_same_nesting(net: Net, x: float) -> None:
    value, slopes = by_hand(net, x)
    found, slope = value_and_grad(loss)(net, x)
    given_, structure = flatten(net)
    assert found == pytest.approx(value, rel=1e-12, abs=1e-9)
    assert flatten(slope)[1] == structure
    assert type(slope.layers["a"]) is Layer
    assert flatten(slope)[0] == pytest.approx(slopes, rel=1e-12, abs=1e-9)
    assert grad(loss)(net, x) == slope == jacobian(loss)(net, x) == vjp(loss, net, x)[1](1.0)[0]
    ones = unflatten(structure, [1.0] * len(given_))
    assert jvp(lambda n: loss(n, x), (net,), (ones,))[1] == pytest.approx(sum(slopes), abs=1e-8)
    rows = flatten(hessian(loss)(net, x))[0]
    turned = flatten(hvp(lambda n: loss(n, x), (net,), (ones,)))[0]
    n = len(given_)
    sums = [sum(rows[i * n : (i + 1) * n]) for i in range(n)]
    assert turned == pytest.approx(sums, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("target", TARGETS)
def test_compiled_functions_take_and_give_them(target: str) -> None:
    net = Net({"a": Layer([1.0, 2.0]), "b": [Layer([0.5, 3.0], 4.0)]}, Pair(2.0, None))
    whole = compile(value_and_grad(loss), target=target)
    for _ in range(2):  # traced, then read
        assert whole(net, 1.5) == value_and_grad(loss)(net, 1.5)
    other = Net({"a": Layer([1.0, 2.0], 0.25), "b": [Layer([0.5, 3.0])]}, Pair(2.0, 3.0))
    assert whole(other, 1.5) == value_and_grad(loss)(other, 1.5)
    assert whole(net, 2.0) == value_and_grad(loss)(net, 2.0)
    made = compile(lambda n: Net([Pair(n.scale.left, None)], n.layers["a"].w[1]), target=target)
    assert made(net) == Net([Pair(2.0, None)], 2.0)
    swapped = compile(grad(lambda s: s.x**2 * s.y), target=target)
    assert swapped(Slots(3.0, 5.0)) == Slots(30.0, 9.0)
    again = pickle.loads(pickle.dumps(whole))
    assert again(net, 1.5) == whole(net, 1.5)


def test_a_changed_argument_is_seen() -> None:
    def changes(net: Any) -> Any:
        net.scale = net.scale.left
        return net.scale * 2

    with pytest.raises(TypeError, match="changed its argument net in place"):
        compile(changes)(Net([], Pair(1.0, None)))


def test_batches_checks_and_formulas() -> None:
    point = Pair(Layer([1.0, 2.0]), 3.0)

    def f(p: Any) -> Any:
        return p.left.w[0] * p.right + p.left.w[1]

    scaled = compile(value_and_grad(lambda p, x: f(p) * x))
    value, slope = map_grad(scaled, [(point, 2.0)], None)
    assert value == 10.0
    assert slope == Pair(Layer([6.0, 2.0]), 2.0)
    assert check_gradient(f, grad(f), point)
    assert check_gradient(f, lambda p: Pair(Layer([3.0, 1.0]), 1.0), point)
    with pytest.raises(AssertionError, match=r"input 0\[0\]\.w\[1\]"):
        check_gradient(f, lambda p: Pair(Layer([3.0, 7.0]), 1.0), point)
    assert "p[0].w[0]" in str(formula(f, point))


def test_helpers_of_nests() -> None:
    net = Net({"a": Layer([1.0])}, Pair(None, Value(2.0)))
    found, structure = flatten(net)
    assert [float(getattr(x, "data", x)) for x in found] == [1.0, 2.0]
    assert flatten_like(structure, Net({"a": Layer([5.0])}, Pair(None, 6.0)), "it") == [5.0, 6.0]
    assert values_in(net) == [net.scale.right]
    assert mapped(lambda x: x, net) is net
    assert mapped(lambda x: x and 3.0, net) == Net({"a": Layer([3.0])}, Pair(None, 3.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grad(loss)(None, 1.0), r"argument 0 must be a number, .*not None \(NoneType\)"),
        (lambda: grad(loss)(Pair("a", 1.0), 1.0), r"argument 0\[0\] must be a number, .*'a'"),
        (lambda: grad(loss)(Net("a", 1.0), 1.0), r"argument 0\.layers must be a number, .*'a'"),
        (lambda: grad(loss)(Net, 1.0), "argument 0 must be a number, .*class"),
        (
            lambda: jvp(lambda s: s.x, (Slots(1.0, 2.0),), (Pair(1.0, 2.0),)),
            r"tangents\[0\] must be a Slots, not Pair",
        ),
        (
            lambda: jvp(lambda s: s.x, (Slots(1.0, None),), (Slots(1.0, 2.0),)),
            r"tangents\[0\]\.y must be None, not 2\.0",
        ),
        (lambda: grad(lambda x: None)(1.0), "the function's result must be .*not None"),
    ],
)
def test_what_is_no_nest(call: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call()
