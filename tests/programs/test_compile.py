"""`compile`: its programs compute what the function computes, read well, and are never wrong."""

from __future__ import annotations

import ast
import gc
import inspect
import itertools
import linecache
import math
import operator
import pickle
import random
import subprocess
import sys
import threading
import traceback
from collections import namedtuple
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from decimal import Decimal
from fractions import Fraction
from functools import partial, reduce
from multiprocessing import get_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import (
    Function,
    TraceError,
    Value,
    compile,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    log,
    logsumexp,
    map_grad,
    maximum,
    no_grad,
    sin,
    softmax,
    sqrt,
    value_and_grad,
    vjp,
    where,
)
from scalargrad.losses import cross_entropy, hinge, mse
from scalargrad.nn import MLP, Linear, Sequential
from scalargrad.optim import SGD, Adam
from scalargrad.programs.run.compiled import Compiled
from scalargrad.testing.expressions import Expression, expressions
from scalargrad.testing.functions import FUNCTIONS
from scalargrad.transforms.nesting import flatten
from tests.threads import in_threads

Pair = namedtuple("Pair", "first second")

ALL_BUT_SUMPROD = [function for function in FUNCTIONS.values() if function.name != "sumprod"]
SMOOTH = [FUNCTIONS[name] for name in ("+", "-", "*", "sin", "cos", "tanh", "atan", "sigmoid")]


def identical(a: Any, b: Any) -> bool:
    """Return whether two nests have the same shape and equal numbers; a nan equals a nan."""
    (xs, left), (ys, right) = flatten(a), flatten(b)
    return left == right and all(x == y or (x != x and y != y) for x, y in zip(xs, ys, strict=True))


def numbers_in(nest: Any) -> list[Any]:
    return flatten(nest)[0]


def plain_sum(xs: Iterable[Any]) -> Any:
    """Return the sum, each addition rounded: `sum` of floats is more exact from Python 3.12 on."""
    return reduce(operator.add, xs, 0)


def as_function(expression: Expression) -> Callable[..., Any]:
    """Return the expression as a function of numbers alone."""
    return lambda *inputs: expression(*inputs)


def _function(program: Any) -> Any:
    return program.latest.function


# --- the same numbers ---------------------------------------------------------------------------


@given(expressions(ALL_BUT_SUMPROD))
def test_value_and_gradient_are_the_eager_ones_bit_for_bit(
    drawn: tuple[Expression, list[Any]],
) -> None:
    # Nothing is reordered, and every simplification is exact, but for the sign of a zero.
    expression, inputs = drawn
    f = as_function(expression)
    both = value_and_grad(f, tuple(range(expression.arity)))
    assert identical(compile(f)(*inputs), f(*inputs))
    assert identical(compile(both)(*inputs), both(*inputs))


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=250))
def test_sumprod_is_written_as_a_plain_sum(pairs: list[tuple[float, float]]) -> None:
    p, q = map(list, zip(*pairs, strict=True))
    compiled = compile(value_and_grad(lambda p, q: sg.sumprod(p, q), (0, 1)))
    value, gradients = compiled(p, q)
    exact = sum(Fraction(a) * Fraction(b) for a, b in pairs)
    # n products and n - 1 sums, each rounded once; a subnormal product by up to 5e-324.
    size = math.fsum(abs(a * b) for a, b in pairs)
    bound = len(pairs) * (Fraction(sys.float_info.epsilon) * Fraction(size) + Fraction(5e-324))
    assert abs(Fraction(value) - exact) <= bound
    assert gradients == (q, p)


@given(expressions(SMOOTH, max_ops=5, largest=10.0))
def test_second_derivatives_are_the_eager_ones(drawn: tuple[Expression, list[Any]]) -> None:
    expression, inputs = drawn
    f = hessian(as_function(expression), tuple(range(expression.arity)))
    # The same terms, but the trace merges equal ones, and so adds some in another order.
    ours, eager = numbers_in(compile(f)(*inputs)), numbers_in(f(*inputs))
    size = max([1.0, *map(abs, eager)])
    assert ours == pytest.approx(eager, rel=0, abs=1e-9 * size)


@given(
    expressions(
        [FUNCTIONS[name] for name in "+-*/"], numbers=st.fractions(-3, 3, max_denominator=9)
    )
)
def test_fractions_stay_exact(drawn: tuple[Expression, list[Any]]) -> None:
    expression, inputs = drawn
    f = value_and_grad(as_function(expression), tuple(range(expression.arity)))
    ours = compile(f)(*inputs)
    assert all(isinstance(x, int | Fraction) for x in numbers_in(ours))
    assert identical(ours, f(*inputs))


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan, -0.0, 0.0, 1e308, 5e-324, 3, True])
def test_edges_of_floats(x: float) -> None:
    def f(x: Any) -> Any:
        return [x + 1.5, x - x, x * 2.0, maximum(x, 1.0), sg.relu(x), sg.softplus(x), abs(x), x**2]

    try:
        expected = f(x)
    except OverflowError:
        with pytest.raises(OverflowError):
            compile(f)(x)
    else:
        assert identical(compile(f)(x), expected)


# --- nested arguments and results ---------------------------------------------------------------

NUMBERS = st.floats(-3, 3)
KEYS = st.text(max_size=4) | st.integers(-3, 3) | st.tuples(st.integers(0, 3)) | st.none()
NESTS = st.recursive(
    NUMBERS,
    lambda nests: (
        st.lists(nests, max_size=4)
        | st.lists(nests, max_size=3).map(tuple)
        | st.tuples(nests, nests).map(lambda two: Pair(*two))
        | st.dictionaries(KEYS, nests, max_size=3)
    ),
    max_leaves=12,
)


def pick_apart(*nests: Any, **more: Any) -> Any:
    """Return every argument as it is, and a function of all of their numbers."""
    xs = numbers_in([nests, more])
    return nests, plain_sum(i * x * x for i, x in enumerate(xs, 1)), more


@given(st.lists(NESTS, max_size=3), st.dictionaries(st.sampled_from("abc"), NESTS, max_size=2))
def test_any_nesting_of_arguments_and_results(nests: list[Any], more: dict[str, Any]) -> None:
    assert identical(compile(pick_apart)(*nests, **more), pick_apart(*nests, **more))


@given(NESTS)
def test_gradients_come_in_the_nesting_of_the_argument(nest: Any) -> None:
    f = value_and_grad(lambda nest: pick_apart(nest)[1])
    compiled = compile(f)
    assert identical(compiled(nest), f(nest))
    unused_lines_in(compiled.source, allowed={"_"})


def test_ways_to_pass_arguments() -> None:
    def f(x: Any, /, y: Any = 2.0, *rest: Any, scale: Any = 1.0, **more: Any) -> Any:
        return (x - y + 10 * sum(rest)) * scale + 100 * more.get("extra", 0)

    compiled = compile(f)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((3.0,), {}),
        ((3.0, 5.0), {}),
        ((3.0,), {"y": 5.0}),
        ((3.0, 5.0, 7.0, 11.0), {"scale": 2.0}),
        ((3.0,), {"scale": 2.0, "extra": 4.0}),
        ((3.0, 5.0), {"extra": 4.0}),
    ]
    for args, kwargs in calls * 2:
        assert compiled(*args, **kwargs) == f(*args, **kwargs)
    # One program for each set of arguments, however they were passed.
    assert compiled.cache_info()[:2] == (7, 5)
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        compiled()


def test_a_default_may_be_anything() -> None:
    model = MLP(2, [3, 1], rng=random.Random(0))

    def f(x: Any, model: Any = model, activation: Any = sg.tanh) -> Any:
        return activation(model(x))

    assert compile(f)([1.0, 2.0]) == pytest.approx(f([1.0, 2.0]).data, rel=1e-15)


def test_classes_of_lists_and_tuples_are_kept() -> None:
    class Row(list[Any]):
        pass

    (row, pair) = compile(lambda x: [Row([x, x]), Pair(x, x)])(2.0)
    assert (type(row), row) == (Row, [2.0, 2.0])
    assert (type(pair), pair) == (Pair, (2.0, 2.0))


def test_keys_of_any_kind_and_long_ones_are_kept() -> None:
    key = object()
    long = {f"a  'key' with \"spaces\"\n and %s \\ number {i}": 0.5 * i for i in range(20)}
    given: dict[Any, float] = {key: 1.0, math.inf: 2.0, (1, "a"): 3.0, None: 4.0, **long}
    assert compile(lambda d: {k: 2 * v for k, v in d.items()})(given) == {
        k: 2 * v for k, v in given.items()
    }


# --- static arguments ---------------------------------------------------------------------------


def power(x: Any, n: int, half: Any = None, name: str = "x") -> Any:
    for _ in range(n):
        x = x * x
    x = x / 2 if half else x
    return x if name == "x" else -x


def test_strings_none_and_bools_are_static() -> None:
    compiled = compile(power, static_argnums=1)
    for args in itertools.product([3.0], [0, 1, 2], [None, True, False], ["x", "y"]):
        assert compiled(*args) == power(*args)
    assert compiled.cache_info().currsize == 18
    assert compile(lambda d: d["x"] * 2 if d["twice"] else d["x"])({"x": 3.0, "twice": True}) == 6.0


@pytest.mark.parametrize("places", [1, (1,), [-3], (1, 3, 2)])
def test_static_argnums(places: Any) -> None:
    compiled = compile(power, static_argnums=places)
    assert compiled(2.0, 3, None, "x") == compiled(2.0, n=3, name="x", half=None) == 256.0


def test_equal_static_arguments_of_other_kinds_are_not_the_same() -> None:
    compiled = compile(lambda x, n: x if n is True else -x, static_argnums=1)
    assert [compiled(2.0, n) for n in (1, True, 1.0)] == [-2.0, 2.0, -2.0]


def test_static_arguments_that_cannot_be() -> None:
    with pytest.raises(TypeError, match=r"static arguments must be hashable: .*'list'"):
        compile(power, static_argnums=1)(2.0, [1])
    with pytest.raises(TypeError, match="whole numbers from -4 to 3 here, not 4"):
        compile(power, static_argnums=4)
    with pytest.raises(TypeError, match=r"static_argnums must be places of arguments.*not 'n'"):
        compile(power, static_argnums="n")  # type: ignore[arg-type]


# --- composition --------------------------------------------------------------------------------


def f2(x: Any, y: Any) -> Any:
    return x * y * exp(-x) + sin(y) / x


def vector(v: Any) -> Any:
    return [v[0] * v[1], sin(v[0]) / v[1], v[1] ** 3]


COMPOSED: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "grad": (grad(f2), (1.5, 2.5)),
    "grad of grad": (grad(grad(f2, 1), 0), (1.5, 2.5)),
    "value_and_grad": (value_and_grad(f2, (0, 1)), (1.5, 2.5)),
    "hessian": (hessian(lambda v: f2(*v)), ([1.5, 2.5],)),
    "jacobian": (jacobian(vector), ([1.5, 2.5],)),
    "jvp": (lambda x, t: jvp(vector, (x,), (t,)), ([1.5, 2.5], [1.0, -2.0])),
    "vjp": (lambda x, c: vjp(vector, x)[1](c), ([1.5, 2.5], [1.0, -2.0, 0.5])),
    "hvp": (lambda x, t: hvp(lambda v: f2(*v), (x,), (t,)), ([1.5, 2.5], [1.0, -2.0])),
    "grad within": (lambda x: grad(lambda y: y**3 * x)(x) + jacobian(vector)([x, x])[0][0], (1.5,)),
    "compiled within": (lambda x: compile(f2)(x, 2 * x) + x, (1.5,)),
    "grad of compiled": (grad(compile(f2)), (1.5, 2.5)),
    "grad of compiled, compiled": (compile(grad(compile(f2))), (1.5, 2.5)),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composition_with_the_transforms(name: str) -> None:
    f, inputs = COMPOSED[name]
    assert numbers_in(compile(f)(*inputs)) == pytest.approx(numbers_in(f(*inputs)), rel=1e-14)


@pytest.mark.parametrize(
    "inner",
    [
        lambda u: grad(u)(2.0),
        lambda u: grad(grad(u))(2.0),
        lambda u: value_and_grad(u)(0.2)[0] * value_and_grad(u)(0.2)[1],
        lambda u: hessian(lambda v: u(v[0]) * v[1])([0.5, 0.7])[0][1],
        lambda u: jvp(u, (0.3,), (2,))[1],
        lambda u: vjp(u, 0.3)[1](2)[0],
        lambda u: hvp(u, (0.4,), (1.0,)),
    ],
)
def test_derivatives_at_plain_numbers_within(inner: Callable[[Any], Any]) -> None:
    w = Value(3.0)

    def f(x: Any) -> Any:
        return x * inner(lambda z: sin(w * z) * w) + w * x

    compiled, gradient = compile(f), compile(grad(f))
    assert (compiled(1.5), gradient(1.5)) == (plain(f(1.5)), plain(grad(f)(1.5)))
    w.data = 4.0
    assert (compiled(1.5), gradient(1.5)) == (plain(f(1.5)), plain(grad(f)(1.5)))
    # Called with plain numbers they give plain numbers, through which there is no gradient.
    compiled.backward(1.5)
    assert w.grad == 1.5


def plain(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def test_a_transform_sees_what_a_compiled_function_detaches() -> None:
    assert grad(compile(lambda x: x * x.detach()))(3.0) == 3.0
    assert grad(lambda x: compile(lambda y: x * y)(2.0))(3.0) == 2.0


def test_as_a_decorator() -> None:
    @compile
    def area(width: float, height: float) -> float:
        """Return the area."""
        return width * height

    class Scale:
        @partial(compile, static_argnums=0)
        def apply(self, x: Any) -> Any:
            return 2 * x

    assert area(2.0, height=3.0) == 6.0
    assert (area.__name__, area.__doc__) == ("area", "Return the area.")
    assert area.source.startswith("def area(width, height):")
    assert Scale().apply(3.0) == 6.0


def test_functions_without_a_name() -> None:
    model = MLP(2, [3, 1], rng=random.Random(0))
    assert compile(model)([1.0, 2.0]) == pytest.approx(model([1.0, 2.0]).data, rel=1e-15)
    assert compile(partial(f2, y=2.5))(1.5) == f2(1.5, 2.5)


@pytest.mark.parametrize("name", ["sin", "exp", "hypot", "maximum", "fsum", "tanh"])
def test_a_function_called_like_an_op_does_not_call_itself(name: str) -> None:
    function = getattr(sg, name)
    inputs = {"hypot": (3.0, 4.0), "maximum": (1.0, 2.0), "fsum": ([1.0, 2.0],)}.get(name, (0.5,))
    assert compile(function)(*inputs) == function(*inputs)


# --- captured Values and backward ---------------------------------------------------------------


def test_captured_values_are_read_when_called() -> None:
    w, b = Value(2.0, "w"), Value(1.0, "b")
    compiled = compile(lambda x: w * x + b)
    assert compiled(3.0) == 7.0
    w.data, b.data = 5.0, 0.5
    assert compiled(3.0) == 15.5
    (w * 10 + b).backward()
    SGD([w, b], lr=0.1).step()
    assert compiled(3.0) == 3 * w.data + b.data == 3 * 4.0 + 0.4
    assert compiled.cache_info()[:2] == (2, 1)


def test_backward_adds_to_the_leaves_as_the_eager_pass_does() -> None:
    def loss(x: Any) -> Any:
        hidden = [(w * x + b).tanh() for w in ws]
        return sum(h * h for h in hidden) * where(x > 0, 1, 2) + sg.sumprod(ws, ws)

    ws, b, unused = [Value(0.5), Value(-1.5)], Value(0.25), Value(9.0)
    leaves = [*ws, b, unused]
    compiled = compile(loss)
    for x in (0.5, -2.0, 3):
        expected = loss(x)
        expected.backward()
        eager = [v.grad for v in leaves]
        for v in leaves:
            v.grad = 0
        assert compiled.backward(x) == pytest.approx(expected.data, rel=1e-14)
        assert [v.grad for v in leaves] == pytest.approx(eager, rel=1e-14)
        compiled.backward(x)
        assert [v.grad for v in leaves] == pytest.approx([2 * g for g in eager], rel=1e-14)
        for v in leaves:
            v.grad = 0


@given(expressions(ALL_BUT_SUMPROD))
def test_backward_of_random_expressions(drawn: tuple[Expression, list[Any]]) -> None:
    expression, inputs = drawn
    ours, eager = [Value(x) for x in inputs], [Value(x) for x in inputs]
    y = expression(*eager)
    if not y.op:
        return
    y.backward()
    assert compile(lambda: expression(*ours)).backward() == y.data
    # Where several terms meet in a leaf, the eager pass adds them to the leaf in its own order.
    size = max([1.0, *(abs(x.grad) for x in eager)])
    for a, b in zip(ours, eager, strict=True):
        assert a.grad == pytest.approx(b.grad, rel=1e-12, abs=1e-12 * size)


def test_functions_of_no_arguments() -> None:
    w = Value(3.0)
    square = compile(lambda: w * w)
    assert (square.backward(), w.grad, square()) == (9.0, 6.0, 9.0)
    assert compile(lambda: 4.0)() == 4.0
    assert compile(lambda: w).backward() == 3.0
    assert w.grad == 7.0


def test_a_captured_result_is_differentiated_to_its_leaves() -> None:
    w = Value(3.0)
    square = w * w
    assert compile(lambda x: square * x).backward(2.0) == 18.0
    assert w.grad == 12.0


def test_backward_wants_one_number() -> None:
    def pair(x: float) -> tuple[float, float]:
        return x, x

    with pytest.raises(TypeError, match=r"backward needs a function that returns one number; pair"):
        compile(pair).backward(1.0)


def test_compiled_functions_take_plain_numbers() -> None:
    with pytest.raises(TypeError, match=r"f2 is compiled and takes plain numbers, not Val.*\.data"):
        compile(f2)(Value(1.0), 2.0)


# --- networks -----------------------------------------------------------------------------------


def training_losses(compiled: bool, optimiser: Callable[..., Any], steps: int = 12) -> list[float]:
    """Train a small network on a few points of two half circles; return the loss of each step."""
    rng = random.Random(1)
    angles = [math.pi * i / 7 for i in range(8)]
    points = [[math.cos(a), math.sin(a)] for a in angles]
    points += [[1 - math.cos(a), 0.5 - math.sin(a)] for a in angles]
    labels = [-1] * 8 + [1] * 8
    model = MLP(2, [6, 5, 1], rng=rng)
    parameters = model.parameters()
    step = optimiser(parameters)

    def loss() -> Any:
        scores = [model(point) for point in points]
        return hinge(scores, labels) + 1e-4 * sg.sumprod(parameters, parameters)

    program = compile(loss)
    losses = []
    for _ in range(steps):
        step.zero_grad()
        if compiled:
            losses.append(program.backward())
        else:
            value = loss()
            value.backward()
            losses.append(value.data)
        step.step()
    return losses


@pytest.mark.parametrize("optimiser", [partial(SGD, lr=0.1, momentum=0.9), partial(Adam, lr=0.05)])
def test_training_is_the_same_compiled(optimiser: Callable[..., Any]) -> None:
    eager = training_losses(False, optimiser)
    assert eager[-1] < eager[0] / 1.5
    assert training_losses(True, optimiser) == pytest.approx(eager, rel=1e-9)


def test_losses_with_rows_as_arguments() -> None:
    rng = random.Random(2)
    model = Sequential(Linear(3, 4, rng=rng), sg.tanh, Linear(4, 3, rng=rng))

    def loss(rows: Any, targets: Any, values: Any) -> Any:
        outputs = [model(row) for row in rows]
        return cross_entropy(outputs, targets) + mse([o[0] for o in outputs], values)

    compiled = compile(loss, static_argnums=1)
    for _ in range(3):
        rows = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(4)]
        targets = tuple(rng.randrange(3) for _ in rows)
        values = [rng.gauss(0, 1) for _ in rows]
        model.zero_grad()
        expected = loss(rows, targets, values)
        expected.backward()
        eager = [p.grad for p in model.parameters()]
        model.zero_grad()
        assert compiled.backward(rows, targets, values) == pytest.approx(expected.data, rel=1e-12)
        ours = [p.grad for p in model.parameters()]
        assert ours == pytest.approx(eager, rel=1e-9, abs=1e-12)


def test_no_grad_and_detach_within() -> None:
    def f(x: Any) -> Any:
        with no_grad():
            scale = x * x
        return scale * x + x.detach() * x + 2 * x

    assert compile(grad(f))(3.0) == grad(f)(3.0) == 9.0 + 3.0 + 2.0
    assert compile(f)(3.0) == 27.0 + 9.0 + 6.0
    assert ".detach" not in compile_source(f, 3.0)


# --- the source ---------------------------------------------------------------------------------


def compile_source(f: Callable[..., Any], *inputs: Any) -> str:
    compiled = compile(f)
    compiled(*inputs)
    source: str = compiled.source
    return source


def unused_lines_in(source: str, allowed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Check that the source is valid Python, and that every name assigned to is used."""
    tree = ast.parse(source)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assigned = [node.id for node in names if isinstance(node.ctx, ast.Store)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    assert set(assigned) - allowed <= used
    kept = [name for name in assigned if name not in allowed]
    assert len(kept) == len(set(kept))


# What rounds gives an int, and 1.0 times that is another number.
@given(
    expressions([f for f in ALL_BUT_SUMPROD if f.name not in ("prod", "ceil", "floor", "trunc")])
)
def test_source_is_valid_tidy_and_all_used(drawn: tuple[Expression, list[Any]]) -> None:
    expression, inputs = drawn
    both = value_and_grad(as_function(expression), tuple(range(expression.arity)))
    source = compile_source(lambda *v: both(*v), *inputs)
    unused_lines_in(source, allowed={"_"})
    # A zero that is added takes the sign off another, which these see.
    signs = {"atan2", "copysign"} & {step.function.name for step in expression.steps}
    assert all(len(line) <= 100 for line in source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp):
            sides = {x.value for x in (node.left, node.right) if isinstance(x, ast.Constant)}
            assert not (isinstance(node.op, ast.Mult) and 1 in sides)
            assert signs or not (isinstance(node.op, ast.Add | ast.Sub) and 0 in sides)
            assert not isinstance(node.left, ast.Constant) or not isinstance(
                node.right, ast.Constant
            )


def test_the_derivative_that_one_would_write_by_hand() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y + sin(x)

    assert compile_source(grad(f), 0.5, 2.0) == "def f(x, y):\n    return y + cos(x)\n"
    both = compile_source(value_and_grad(f), 0.5, 2.0)
    assert both == "def f(x, y):\n    return x * y + sin(x), y + cos(x)\n"
    assert compile_source(lambda x: grad(lambda z: z**3)(x), 2.0).count("\n") <= 10


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: 1 * x + 0, "x"),
        (lambda x: (x - 0) / 1, "x"),
        (lambda x: -(-x), "x"),  # noqa: B002
        (lambda x: x**1, "x"),
        (lambda x: x + (-x) * 2, "x - x * 2"),
        (lambda x: x - (-x) * 2, "x + x * 2"),
        (lambda x: x + -5, "x - 5"),
        (lambda x: x - 2 ** (x + 1) * 12, "x - power(2, x + 1) * 12"),
        (lambda x: x + 10**19, f"x + {10**19}"),
        (lambda x: x + 10**20, "x + c"),
        (lambda x: sin(1.0) * x * (2 * 3), f"{math.sin(1.0)!r} * x * 6"),
        (lambda x: (x + 1) * (x + 2), "(x + 1) * (x + 2)"),
        (lambda x: x - (1 - x), "x - (1 - x)"),
        (lambda x: 6 / (3 / x), "6 / (3 / x)"),
        (lambda x: (-x) ** 2, "(-x) ** 2"),
        (lambda x: -(x**2), "-x ** 2"),
        (lambda x: (x * 3) ** 2, "(x * 3) ** 2"),
        (lambda x: (-2) ** x, "power(-2, x)"),
        (lambda x: where(x > 0, x, 2.0), "x if x > 0 else 2.0"),
        (lambda x: where(where(x > 0, x, 2), 3, 4) + 1, "(3 if (x if x > 0 else 2) else 4) + 1"),
        (lambda x: sg.fsum([x]), "fsum((x,))"),
        (lambda x: sg.prod([x, 1.0, x + 1, 1]), "x * (x + 1)"),
        (lambda x: sg.sumprod([x, 1, 2.0], [1.0, x, x - 1]), "x + x + 2.0 * (x - 1)"),
        (lambda x: (x,), "(x,)"),
        (lambda x: [x, (x,)], "[x, (x,)]"),
        (lambda x: {"a": x}, "{'a': x}"),
    ],
)
def test_written_forms(f: Callable[..., Any], text: str) -> None:
    assert compile_source(f, 3.0) == f"def f(x):\n    return {text}\n"
    assert identical(compile(f)(3.0), f(3.0))


def test_an_expression_used_twice_gets_a_name_and_a_label_is_one() -> None:
    def f(x: Any, y: Any) -> Any:
        area = x * y
        area.label = "area"
        return sin(area) + (x + y) * (x + y)

    assert compile_source(f, 1.0, 2.0) == (
        "def f(x, y):\n    area = x * y\n    t1 = x + y\n    return sin(area) + t1 * t1\n"
    )


def test_labels_of_captured_values_are_names() -> None:
    w, b = Value(2.0, "weight"), Value(3.0, "bias")
    source = compile_source(lambda x: w * x + b, 1.0)
    assert source == (
        "def f(x, captured):\n    weight, bias = captured\n    return weight * x + bias\n"
    )


HOSTILE = [
    *("sin", "t1", "t2", "captured", "max", "power", "print", "lambda", "None", "f", "named", "c"),
    *("", " ", "1x", "a b", "x\n    import os", "é", "µ", "μ", "ﬁ²½", "x'\"\\", "_", "__name__"),
    *("\U0001d431", "\u200b", "x", "inf", "fsum", "captured", "exec", "globals", "ops"),
]


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=6), min_size=1, max_size=12))
def test_labels_are_data_whatever_they_say(labels: list[str]) -> None:
    leaves = [Value(1.5 + i, label) for i, label in enumerate(labels)]

    def f(x: Any, sin: Any, t1: Any, captured: Any, µ: Any, _: Any) -> Any:
        total = x
        for leaf, label in zip(leaves, labels, strict=True):
            total = sg.sin(total * leaf + t1) * _ + maximum(captured, sg.fsum([leaf, µ]))
            total.label = label
        return total * total + maximum(-math.inf, x) + sin * sin + logsumexp([x, _])

    inputs = [0.5, 2.0, 3.0, 4.0, 5.0, 6.0]
    expected = f(*map(Value, inputs)).data
    assert identical(compile(f)(*inputs), expected)
    unused_lines_in(compile_source(f, *inputs))


def test_names_of_nested_arguments_do_not_clash() -> None:
    def f(x: Any, x0: Any, t: Any, x0_a: Any) -> Any:
        t_twice = t[0] * x[0]["a"]
        return t_twice * t_twice + t[1] * x0 * x0_a + x[1] * x[0]["b b"]

    inputs = ([{"a": 2.0, "b b": 3.0}, 5.0], 7.0, (11.0, 13.0), 17.0)
    assert compile(f)(*inputs) == f(*inputs)


@pytest.mark.parametrize(
    "constant",
    [
        *(math.inf, -math.inf, math.nan, -0.0, 1e-300, 5e-324, -1.5),
        *(Fraction(1, 3), Fraction(-7, 2), 10**30, -(10**40), True, 7),
    ],
)
def test_constants(constant: Any) -> None:
    x = Fraction(1, 2) if isinstance(constant, int | Fraction) else 0.5

    def f(x: Any) -> Any:
        return [x * constant, constant - x, x + constant, maximum(x, constant)]

    ours, eager = compile(f)(x), f(x)
    assert identical(ours, eager)
    assert [type(a) for a in ours] == [type(a) for a in eager]


def test_decimals_and_signed_zeros_are_kept_apart() -> None:
    def f(x: Any) -> Any:
        return [sg.copysign(x, 0.0), sg.copysign(x, -0.0), sg.copysign(x, 0)]

    assert compile(f)(3.0) == [3.0, -3.0, 3.0]
    tenth = compile(lambda x: (x * Decimal("0.1"), x + Decimal("1.0"), x + Decimal("1.00")))
    assert list(map(str, tenth(Decimal(2)))) == ["0.2", "3.0", "3.00"]


def test_generated_code_can_be_inspected_and_shows_in_tracebacks() -> None:
    compiled = compile(lambda x: 1 / (x - 1))
    compiled(2.0)
    (program,) = compiled._programs.values()
    assert inspect.getsource(_function(program)) == compiled.source
    with pytest.raises(ZeroDivisionError) as caught:
        _function(program)(1.0)
    assert "return 1 / (x - 1)" in "".join(traceback.format_tb(caught.value.__traceback__))


def test_there_is_no_source_before_a_call() -> None:
    with pytest.raises(ValueError, match="call the compiled function first"):
        _ = compile(f2).source


# --- what a trace cannot see --------------------------------------------------------------------

W, B = Value(3.0, "W"), Value(-1.0, "B")


def own_softmax(values: Any) -> Any:
    largest = max(v.data for v in values)
    exps = [(v - largest).exp() for v in values]
    return exps[0] / sum(exps)


def branch(x: Any) -> Any:
    if x > 0:
        return x
    return -x


def largest_data() -> Any:
    return max(v.data for v in (W, B))


class Line:
    def __init__(self) -> None:
        self.slope = Value(2.0)

    def slope_now(self, x: Any) -> Any:
        return self.slope.data * x


LINE = Line()
SCALED = compile(lambda x: W.data * x)

UNSEEN: dict[str, tuple[Callable[..., Any], str]] = {
    "int": (lambda x: int(x) * x, "static_argnums"),
    "float": (lambda x: float(x), "functions of scalargrad"),
    "index": (lambda x: [1.0, 2.0][x], "static_argnums"),
    "range": (lambda x: sum(range(x)), "static_argnums"),
    "round": (lambda x: round(x, 2), "functions of scalargrad"),
    "math": (lambda x: math.sin(x), "functions of scalargrad"),
    "data": (lambda x: x.data * 2, r"has no \.data"),
    "format": (lambda x: float(f"{x:.2f}"), "print what the compiled function returns"),
    "backward": (lambda x: (x * x).backward(), "use grad or value_and_grad within"),
    "forward": (lambda x: (x * x).forward(), "use grad or value_and_grad within"),
    "captured data": (lambda x: x * (W * B).data, r"has no \.data"),
    "captured float": (lambda x: x * float(W * B), "functions of scalargrad"),
    "captured backward": (lambda x: (W * W).backward(), "use grad or value_and_grad within"),
    "own softmax": (lambda x: own_softmax([x, W]), "logsumexp"),
    "data of a captured leaf": (lambda x: x * W.data, r"detach\(\)"),
    "data in a helper": (lambda x: x * largest_data(), r"detach\(\)"),
    "data in a model": (LINE.slope_now, r"detach\(\)"),
    "data in a default": (lambda x, values=(B,): values[0].data * x, r"detach\(\)"),
    "data in a compiled helper": (lambda x: x * SCALED(2.0), r"detach\(\)"),
    "data in a partial": (partial(lambda values, x: values["w"].data * x, {"w": W}), r"detach"),
    "own softmax, captured leaves": (lambda x: x * own_softmax([W, B]), "logsumexp"),
    "own softmax, captured": (lambda x: own_softmax([W * B, W]), "logsumexp"),
    "compiled backward": (lambda x: compile(lambda: W * W).backward(), "value_and_grad"),
}


# What branches on a traced number, or on a Value.
FOLLOWED: dict[str, Callable[..., Any]] = {
    "branch": branch,
    "max": lambda x: max(x, 2.0),
    "min": lambda x: min(x, W),
    "sorted": lambda x: sorted([x, 1.0]),
    "equality": lambda x: 1 if x == 0 else 2,
    "inequality": lambda x: 1 if x != 0 else 2,
    "membership": lambda x: x in (1.0, 2.0),
    "bool": lambda x: bool(x),
    "and": lambda x: x and 3.0,
    "captured branch": lambda x: x if W > 0 else -x,
    "captured bool": lambda x: x if W else -x,
    "captured max": lambda x: x * max(W, B),
    "captured equality": lambda x: x if W == 3 else -x,
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_branch_is_followed(name: str) -> None:
    f = FOLLOWED[name]
    compiled = compile(f)
    for x in (1.5, -1.5, 0.0, 1.0, 2.5, 1.5, -1.5):
        found, expected = flatten([compiled(x)])[0], flatten([f(Value(x))])[0]
        plain = [y.data if isinstance(y, Value) else y for y in expected]
        assert (found, [*map(type, found)]) == (plain, [*map(type, plain)])


# The functions within which the line stands, where it is not the function itself.
CULPRITS: dict[str, Callable[..., Any]] = {
    "own softmax": own_softmax,
    "own softmax, captured leaves": own_softmax,
    "own softmax, captured": own_softmax,
    "data in a helper": largest_data,
    "data in a compiled helper": vars(SCALED)["__wrapped__"],
}


@pytest.mark.parametrize("name", UNSEEN)
@pytest.mark.parametrize("transform", [lambda f: f, grad])
def test_what_a_trace_cannot_see_is_an_error_that_shows_the_line(
    name: str, transform: Callable[..., Any]
) -> None:
    f, cure = UNSEEN[name]
    compiled = compile(transform(f))
    with pytest.raises(TraceError, match=cure) as caught:
        compiled(1.5)
    assert isinstance(caught.value, TypeError)
    culprit = CULPRITS.get(name, f)
    culprit = culprit.func if isinstance(culprit, partial) else culprit
    message = str(caught.value)
    assert f" of {__file__}:\n" in message
    shown = message.splitlines()[1].strip()
    lines = [line.strip() for line in inspect.getsource(culprit).splitlines()]
    assert shown in lines


def test_captured_values_may_be_shown_and_are_as_before_after_a_trace() -> None:
    w, shown = Value(2.0, "w"), []

    def f(x: Any) -> Any:
        shown.append(repr(w))
        return w.detach() * x

    compiled = compile(f)
    assert compiled(1.0) == 2.0
    assert shown == ["Value(data=2.0, grad=0, label='w')"]
    w.data = 5.0
    assert compiled(1.0) == 5.0
    with pytest.raises(TraceError):
        compile(lambda x: w.data * x)(1.0)
    assert (type(w), w.data) == (Value, 5.0)


def test_much_data_hides_no_captured_value() -> None:
    class Fit:
        def __init__(self) -> None:
            self.slope = Value(2.0)
            self.rows = [([0.5, 1.0], k) for k in range(30_000)]
            self.targets = [float(k) for k in range(300_000)]

    fit = Fit()
    with pytest.raises(TraceError, match=r"detach\(\)"):
        compile(lambda x: fit.slope.data * x)(1.0)


def test_other_threads_may_read_what_a_trace_captures() -> None:
    w, seen = Value(2.0), []

    def f(x: Any) -> Any:
        thread = threading.Thread(target=lambda: seen.append(w.data + (w * 10).data))
        thread.start()
        thread.join()
        return w * x

    assert compile(f)(3.0) == 6.0
    assert seen == [22.0]


def test_a_function_reads_the_data_of_what_it_captures_when_it_runs() -> None:
    scale = Value(2.0)

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return scale.data * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return scale.data * g

    compiled = compile(value_and_grad(Scaled.apply))
    assert compiled(3.0) == (6.0, 2.0)
    scale.data = 5.0
    assert compiled(3.0) == (15.0, 5.0)


def test_softmax_through_logsumexp_works() -> None:
    w = [Value(1000.0), Value(-1000.0), Value(999.0)]
    loss = compile(lambda: logsumexp(w) - w[2])
    assert loss.backward() == pytest.approx(math.log(1 + math.e), rel=1e-12)
    assert [x.grad for x in w] == pytest.approx(
        [math.e / (1 + math.e), 0.0, 1 / (1 + math.e) - 1], rel=1e-12
    )
    assert compile(softmax)([1.0, 2.0, 3.0]) == softmax([1.0, 2.0, 3.0])


@pytest.mark.parametrize("result", ["text", {1.0}, object(), 1j, lambda: 1])
def test_results_must_be_numbers(result: Any) -> None:
    def give(x: Any) -> Any:
        return [x, result]

    with pytest.raises(TypeError, match=r"the result of give\[1\] must be a number, or lists") as e:
        compile(give)(1.0)
    assert type(result).__name__ in str(e.value)


def test_arguments_must_be_numbers() -> None:
    with pytest.raises(TypeError, match=r"y\[0\] must be a number.*not \(1\+0j\)|y\[0\].*1j"):
        compile(f2)(1.0, [1j])


# --- errors when it runs ------------------------------------------------------------------------

DOMAIN: dict[str, tuple[Callable[..., Any], float]] = {
    "log": (lambda x: log(x - 1) * 2, 0.5),
    "sqrt": (lambda x: sqrt(x) + 1, -1.0),
    "division": (lambda x: 1 / (x - 1), 1.0),
    "exp": (lambda x: exp(x * 10), 100.0),
    "power": (lambda x: (x - 1) ** -1.5, 0.5),
    "square": (lambda x: x**2, 1e200),
    "asin": (lambda x: sg.asin(x) * x, 2.0),
    "gamma": (lambda x: sg.gamma(x), -1.0),
    "where": (lambda x: where(x < 0, log(x), 0.0), -1.0),
    "fmod": (lambda x: sg.fmod(1.0, x), 0.0),
    "inf": (lambda x: sin(x), math.inf),
}


@pytest.mark.parametrize("name", DOMAIN)
def test_domain_errors_are_the_eager_ones_and_name_op_and_labels(name: str) -> None:
    f, x = DOMAIN[name]
    with pytest.raises((ArithmeticError, ValueError)) as eager:
        f(Value(x, "x"))
    with pytest.raises(type(eager.value)) as ours:
        compile(f)(x)
    assert str(ours.value) == str(eager.value)


def test_domain_errors_of_derivatives_and_of_captured_values() -> None:
    slope = compile(grad(lambda x: sqrt(x)))
    assert slope(4.0) == 0.25
    with pytest.raises(ZeroDivisionError):
        slope(0.0)
    w = Value(-1.0, "w")
    with pytest.raises(ValueError, match=r"in log\(w=-1.0\); log takes x > 0"):
        compile(lambda x: x * log(w))(1.0)


@pytest.mark.parametrize("x", [0.0, -1.0])
def test_of_several_errors_the_first_in_the_function_is_raised(x: float) -> None:
    def f(x: Any) -> Any:
        a = log(x)
        b = 1 / x
        c = sqrt(x)
        return c + b * a

    with pytest.raises(ValueError, match="in log"):
        compile(f)(x)


def test_a_comparison_has_no_derivative_that_could_fail() -> None:
    def f(x: Any) -> Any:
        return where(sqrt(x) < 1, 2 * x, x)

    assert compile(grad(f))(0.0) == grad(f)(0.0) == 2.0


# --- the cache ----------------------------------------------------------------------------------


def test_a_new_nesting_traces_again() -> None:
    traced = []

    @compile
    def total(nest: Any) -> Any:
        traced.append(nest)
        return plain_sum(numbers_in(nest))

    for nest in ([1.0, 2.0], [3, 4.0], (1.0, 2.0), [1.0, [2.0]], {"a": 3.0}, [5.0, 6.0]):
        assert total(nest) == plain_sum(numbers_in(nest))
    assert len(traced) == 4
    assert total.cache_info() == (2, 4, 64, 4)


def test_the_cache_is_bounded_and_drops_what_was_used_least_lately() -> None:
    compiled = compile(lambda xs: sum(xs))
    for n in range(1, Compiled.maxsize + 1):
        compiled([1.0] * n)
    compiled([1.0])
    compiled([1.0] * 100)
    info = compiled.cache_info()
    assert (info.currsize, info.misses, info.hits) == (Compiled.maxsize, Compiled.maxsize + 1, 1)
    compiled([1.0])
    assert compiled.cache_info().hits == 2
    compiled([1.0] * 2)
    assert compiled.cache_info().misses == Compiled.maxsize + 2


def test_a_failed_trace_leaves_nothing_behind() -> None:
    compiled = compile(lambda x: x.data)
    for _ in range(2):
        with pytest.raises(TraceError):
            compiled(1.0)
    assert compiled.cache_info().currsize == 0
    x = Value(2.0)
    assert (x > 1) is True
    assert (x * x).data == 4.0


# --- large graphs -------------------------------------------------------------------------------


def chain(x: Any, count: int = 35_000) -> Any:
    for _ in range(count):
        x = x * 0.9999 + 1e-4
    return x


def mixed(x: Any, count: int = 4_000) -> Any:
    ys = [x, x * 0.5]
    for i in range(count):
        y = (ys[-1] * ys[-2] + x) * 0.5
        ys.append(where(y > 0.5, sin(y), y - 0.25) if i % 3 else y)
    return sg.fsum(ys)


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (value_and_grad(chain), (0.5,)),
        (value_and_grad(lambda v: sum(x * x for x in v)), ([0.5] * 20_000,)),
        (value_and_grad(mixed), (0.5,)),
        (lambda v: sg.sumprod(v, v), ([0.5] * 20_000,)),
        (lambda v: sg.prod(v), ([1.0] * 20_000,)),
        (lambda x: [x * i for i in range(3000)], (0.5,)),
    ],
    ids=["chain", "wide", "mixed", "sumprod", "prod", "outputs"],
)
@pytest.mark.slow
def test_large_graphs_meet_no_limit(f: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    ours, eager = numbers_in(compile(f)(*inputs)), numbers_in(f(*inputs))
    assert ours == pytest.approx(eager, rel=1e-9)


def test_many_captured_values() -> None:
    ws = [Value(i / 5000) for i in range(5000)]
    assert compile(lambda: sg.sumprod(ws, ws)).backward() == pytest.approx(1666.1667)
    assert [w.grad for w in ws] == [2 * w.data for w in ws]


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_collector_waits_for_a_trace_and_is_left_as_it_was(enabled: bool, fails: bool) -> None:
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    during = []

    def f(x: Any) -> Any:
        during.append(gc.isenabled())
        return float(x) if fails else -x

    try:
        with pytest.raises(TraceError) if fails else nullcontext():
            compile(f)(1.0)
        assert (during, gc.isenabled()) == ([False], enabled)
    finally:
        (gc.enable if was_enabled else gc.disable)()


# --- threads, pickles, processes ----------------------------------------------------------------


def test_threads_may_share_a_compiled_function() -> None:
    def squares(xs: Any) -> Any:
        return plain_sum(x * x for x in xs)

    compiled = compile(squares)
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(150):
            xs = [rng.random() for _ in range(rng.randrange(1, 90))]
            if compiled(xs) != squares(xs):
                wrong.append(xs)

    in_threads(work, 4)
    info = compiled.cache_info()
    assert not wrong
    assert info.hits + info.misses == 600
    assert info.currsize <= info.maxsize


def test_a_trace_in_one_thread_leaves_the_others_alone() -> None:
    tracing, done = threading.Event(), threading.Event()

    def slow(x: Any) -> Any:
        tracing.set()
        assert done.wait(10)
        return x * x

    thread = threading.Thread(target=lambda: compile(slow)(2.0))
    thread.start()
    assert tracing.wait(10)
    x = Value(3.0)
    y = x * x
    y.backward()
    done.set()
    thread.join()
    assert (y.data, x.grad, y > 8) == (9.0, 6.0, True)


def test_a_pickle_has_the_programs_and_gives_the_same_bits() -> None:
    w = Value(0.7, "w")
    compiled = compile(value_and_grad(lambda x: w * sin(x[0]) * Fraction(1, 3) + math.inf * x[1]))
    inputs = [0.1, 0.2]
    expected = compiled(inputs)
    again = pickle.loads(pickle.dumps(compiled))
    assert identical(again(inputs), expected)
    assert (again.source, again.__name__) == (compiled.source, compiled.__name__)
    code = (
        f"import pickle, sys; f = pickle.loads(sys.stdin.buffer.read());print(repr(f({inputs!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(compiled), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == repr(expected)


def test_a_pickle_can_run_what_it_has_and_no_more() -> None:
    compiled = compile(lambda x, y: log(x) / y)
    compiled(1.0, 2.0)
    again = pickle.loads(pickle.dumps(compiled))
    assert again(math.e, 2.0) == 0.5
    with pytest.raises(ValueError, match=r"math domain error|expected a positive input"):
        again(-1.0, 2.0)
    with pytest.raises(ZeroDivisionError):
        again(1.0, 0.0)
    with pytest.raises(
        TypeError, match=r"came from a pickle with its programs alone.*before pickl"
    ):
        again([1.0], 2.0)


def test_a_pickle_is_compiled_once_however_often_it_is_loaded() -> None:
    compiled = compile(lambda x: sin(x) + 0.125)
    compiled(1.0)
    data = pickle.dumps(compiled)
    functions = []
    for _ in range(2):
        (program,) = pickle.loads(data)._programs.values()
        functions.append(program.runnable("float").function)
    assert functions[0] is not functions[1]
    assert functions[0].__code__ is functions[1].__code__
    assert inspect.getsource(functions[1]) == compiled.source


def test_the_lines_of_a_dropped_program_are_dropped() -> None:
    compiled = compile(lambda x: sin(x) + 0.25)
    compiled(1.0)
    (program,) = compiled._programs.values()
    file = _function(program).__code__.co_filename
    assert file in linecache.cache
    del compiled, program
    gc.collect()
    assert file not in linecache.cache


def test_backward_of_a_pickle_adds_to_its_own_values() -> None:
    w = Value(3.0)
    compiled = compile(lambda x: w * w * x)
    compiled.backward(2.0)
    assert w.grad == 12.0
    again = pickle.loads(pickle.dumps(compiled))
    assert again.backward(2.0) == 18.0
    (own,) = next(iter(again._programs.values())).captured
    assert (own.grad, w.grad) == (24.0, 12.0)


def residual(params: Any, x: float, y: float) -> Any:
    return (params["a"] * sin(params["b"] * x) - y) ** 2


def batch() -> list[tuple[Any, float, float]]:
    rng = random.Random(5)
    params = {"a": 0.3, "b": 1.7}
    return [(params, rng.gauss(0, 1e3), rng.gauss(0, 1e-3)) for _ in range(40)]


def test_map_grad_is_the_same_whatever_the_executor() -> None:
    one = value_and_grad(residual)
    compiled = compile(one)
    compiled(*batch()[0])
    results = [one(*item) for item in batch()]
    expected = (
        reduce(lambda a, b: a + b, [value for value, _ in results]),
        {key: reduce(lambda a, b: a + b, [g[key] for _, g in results]) for key in "ab"},
    )
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as threads:
            assert map_grad(compiled, batch(), threads) == expected
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        assert map_grad(compiled, iter(batch()), processes) == expected


def test_map_grad_refuses_what_is_no_batch() -> None:
    compiled = compile(value_and_grad(lambda x, y: x * y))
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(ValueError, match="map_grad needs a batch of one call at least"):
            map_grad(compiled, [], executor)
        with pytest.raises(TypeError, match=r"lists or tuples of arguments.*item 0 is 1\.0"):
            map_grad(compiled, [1.0, 2.0], executor)  # type: ignore[list-item]
        with pytest.raises(TypeError, match=r"all equally long.*item 1 is \(1\.0,\)"):
            map_grad(compiled, [(1.0, 2.0), (1.0,)], executor)
        with pytest.raises(TypeError, match=r"returns a pair, the value and the gradient.* 2\.0"):
            map_grad(compile(lambda x, y: x * y), [(1.0, 2.0)], executor)
        with pytest.raises(ZeroDivisionError):
            map_grad(compile(value_and_grad(lambda x: 1 / x)), [(1.0,), (0.0,)], executor)


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
def test_only_a_minus_becomes_a_difference() -> None:
    assert compile_source(lambda x: 2 + ~(x > 1), 2.0).endswith("return 2 + ~(x > 1)\n")


def test_calls_are_nested_twelve_deep_at_most() -> None:
    def f(x: Any) -> Any:
        for _ in range(40):
            x = sin(x)
        return x

    depths = [line.count("sin(") for line in compile_source(f, 1.0).splitlines()[1:]]
    assert sum(depths) == 40
    assert max(depths) == 13  # a part twelve deep, within one call more


def test_captured_values_without_a_label_have_no_name_in_errors() -> None:
    nought = Value(0.0)
    with pytest.raises(ZeroDivisionError, match=r"in \(x=1.0\) / 0.0;"):
        compile(lambda x: x / nought)(1.0)
