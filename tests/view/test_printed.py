"""What is printed is true: each formula, read as its reader does, gives the number beside it."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from scalargrad import Value, exp, losses, sinc, stop_gradient, sumprod, where
from scalargrad.engine.errors import FAILURES
from scalargrad.functions.methods import public_functions
from scalargrad.programs.code import evaluate
from scalargrad.testing.expressions import Expression, expressions
from scalargrad.view.explanation import text_of
from scalargrad.view.formulas import formula
from scalargrad.view.graph import Graph, Writer, flows
from scalargrad.view.languages.javascript import javascript_function
from scalargrad.view.languages.latex import latex_name
from scalargrad.view.languages.notation import show
from scalargrad.view.lowering import code_with_gradient
from scalargrad.view.picture import picture_of
from scalargrad.view.subject import graph_of
from tests.view.node import in_node, needs_node
from tests.view.reading import latex_value, python_value

# So many formulas are read by the long test at least.
MANY = 20_000
counts = {"text": 0, "numbers": 0, "latex": 0, "javascript": 0, "pictures": 0}

Case = tuple[Callable[..., Any], list[float]]

OF_LISTS = {"fsum": 1, "prod": 1, "logsumexp": 1, "sumprod": 2, "dist": 2}
# How many numbers the others take, where that is not one.
ARITIES = {
    **dict.fromkeys(["atan2", "copysign", "fmod", "maximum", "minimum", "pow", "remainder"], 2),
    **dict.fromkeys(["elu", "leaky_relu", "log", "hypot"], 2),
    **{"clip": 3, "fma": 3},
}
OPERATORS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "%": lambda a, b: a % b,
    "-2*(p % q)": lambda a, b: -2 * (a % b),
    "(p % q)**2": lambda a, b: (a % b) ** 2 / (a % b) - -(b % a),
    "//": lambda a, b: -3 * -(a % -b) % 5,
}
NUMBERS = [-3.5, -2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 3.5, 1e-8, 40.0, -720.0, 1234567.5]
FEW = [-2.0, -0.75, 0.0, 0.5, 1.0, 2.0, 1e-9, 30.0]


def functions() -> dict[str, tuple[Callable[..., Any], int]]:
    """Return functions of so many numbers, one for each op."""
    found: dict[str, tuple[Callable[..., Any], int]] = {}
    for name, f in public_functions().items():
        if name in ("softmax", "log_softmax"):
            for k in range(2):
                found[f"{name}[{k}]"] = (lambda *xs, f=f, k=k: f(xs)[k]), 2
        elif name in OF_LISTS and OF_LISTS[name] == 1:
            found[name] = (lambda *xs, f=f: f(xs)), 2
            found[f"{name} of three"] = (lambda *xs, f=f: f(xs)), 3
        elif name in OF_LISTS:
            found[name] = (lambda a, b, c, d, f=f: f([a, b], [c, d])), 4
        elif name == "polygamma":
            for n in range(3):
                found[f"{name}({n}"] = (lambda x, f=f, n=n: f(n, x)), 1
        elif name == "ldexp":
            found[name] = (lambda x, f=f: f(x, 3) * f(x, -1)), 1
        elif name == "modf":
            found[name] = (lambda x, f=f: f(x)[0] + 2 * f(x)[1] * x), 1
        elif name == "frexp":
            found[name] = (lambda x, f=f: f(x)[0] * f(x)[1] * x), 1
        elif name == "where":
            found[name] = (lambda a, b: where(a > b, a, b * b)), 2
            found["where at a point"] = (lambda a, b: where(a == b, a * 3, b)), 2
        elif name in ("isnan", "isinf", "isfinite"):
            found[name] = (lambda a, b, f=f: where(f(a), a, b)), 2
        elif name == "isclose":
            found[name] = (lambda a, b, f=f: where(f(a, b), a, b)), 2
        else:
            found[name] = f, ARITIES.get(name, 1)
            if name in ("elu", "leaky_relu", "log"):
                found[f"{name} of one"] = f, 1
    for name, f in OPERATORS.items():
        found[name] = f, 2
    found["neg"] = (lambda a: -(a * 3)), 1
    found["abs"] = (lambda a: abs(a) * abs(-abs(a))), 1
    found["stop_gradient"] = (lambda a, b: stop_gradient(a * b) * a + stop_gradient(b)), 2
    found["both conditions"] = (lambda a, b: where((a > 0) & (b > 0), a, b)), 2
    return found


def of_kinds(f: Callable[..., Any], kinds: Sequence[Any]) -> Callable[..., Any]:
    """Return `f` with constants where `kinds` has numbers, and variables by number elsewhere."""
    count = 1 + max((k for k in kinds if isinstance(k, int)), default=-1)

    def call(*xs: Any) -> Any:
        return f(*[xs[k] if isinstance(k, int) else k for k in kinds])

    names = ["x", "y", "z", "w"][:count]
    program: dict[str, Any] = {"call": call}
    exec(f"def f({', '.join(names)}): return call({', '.join(names)})", program)
    found: Callable[..., Any] = program["f"]
    return found


def cases(rng: random.Random, most: int) -> Iterator[Case]:
    """Yield each op on variables, on constants and on the same variable twice, at many points."""
    for f, arity in functions().values():
        kinds: list[list[Any]] = [list(range(arity))]
        if arity > 1:
            kinds.append([0] * arity)
            for k in range(arity):
                others = iter(range(arity))
                constant = rng.choice(FEW)
                kinds.append([constant if j == k else next(others) for j in range(arity)])
        for kind in kinds:
            count = len({k for k in kind if isinstance(k, int)})
            points = list(itertools.product(NUMBERS if count == 1 else FEW, repeat=count))
            for point in rng.sample(points, min(most, len(points))):
                yield of_kinds(f, kind), list(point)


def of_losses(rng: random.Random, count: int) -> Iterator[Case]:
    numbers = [-2.0, -0.5, 0.0, 0.5, 1.0, 3.0]
    for _ in range(count):
        xs = [rng.choice(numbers) for _ in range(3)]
        ts = [rng.choice(numbers) for _ in range(3)]
        zs = [rng.randrange(2) for _ in range(3)]
        signs = [rng.choice([-1, 1]) for _ in range(3)]
        which = rng.randrange(3)
        delta = rng.choice([0.5, 1.0, 2.0])
        for loss in (
            lambda x, y, z, ts=ts: losses.mse([x, y, z], ts),
            lambda x, y, z, ts=ts: losses.mae([x, y, z], ts),
            lambda x, y, z, ts=ts, delta=delta: losses.huber([x, y, z], ts, delta),
            lambda x, y, z, signs=signs: losses.hinge([x, y, z], signs),
            lambda x, y, z, zs=zs: losses.binary_cross_entropy_with_logits([x, y, z], zs),
            lambda x, y, z, which=which: losses.cross_entropy([x, y, z], which),
            lambda x, y, z: losses.cross_entropy([x, y, z], [0.25, 0.25, 0.5]),
        ):
            yield loss, xs


def close(found: Any, right: Any, rel: float = 1e-9) -> bool:
    return bool(
        found == right
        or (found != found and right != right)
        or math.isclose(found, right, rel_tol=rel, abs_tol=1e-300)
    )


def check_text(graph: Graph) -> None:
    """Read each line of `explain`: the formula of names, and that of the numbers shown."""
    writer = Writer(graph)
    nodes = graph.nodes
    values = {node.name: node.value for node in nodes}
    slopes = {writer.gradient(k): node.gradient for k, node in enumerate(nodes)}
    rows = [(writer.forward(k), nodes[k].value, 1e-9) for k in range(graph.inputs, len(nodes))]
    for flow in flows(graph):
        node = nodes[flow.node]
        edge = node.edges[flow.edge]
        exact = 1e-5 if edge.instead else 1e-9  # a number in six digits
        rows.append((writer.backward(flow), node.gradient * edge.derivative, exact))
    for line, right, exact in rows:
        formula, numbers, shown = line.sides
        assert close(python_value(formula, {**values, **slopes}), right, exact), (line, right)
        assert shown == show(right), line
        assert close(python_value(numbers, {}), right, 1e-4), (line, right)
        counts["text"] += 1
        counts["numbers"] += 1


def check_picture(graph: Graph) -> None:
    values = {node.name: node.value for node in graph.nodes}
    for shape in picture_of(graph).shapes:
        if " = " in shape.title and len(shape.shown) == 1:
            right = graph.nodes[shape.shown[0]].value
            assert close(python_value(shape.title.split(" = ", 1)[1], values), right), shape.title
            counts["pictures"] += 1


def part_value(read: Callable[..., Any], text: str, names: dict[str, Any], at_kink: bool) -> Any:
    """Return what a part of derivatives comes to: at a kink it may have no value, like those.

    What has none is an object with which nothing can be computed: no value may need it.
    """
    try:
        return read(text, names)
    except FAILURES:
        if not at_kink:
            raise
        return object()


def check_formulas(f: Callable[..., Any], point: Sequence[float], graph: Graph) -> None:
    """Read `formula` as text and as LaTeX; it is true away from kinks and edges of domains."""
    leaves = graph.nodes[: len(point)]
    at_kink = any(edge.instead for node in graph.nodes for edge in node.edges)
    found = formula(f, *point)
    right = [graph.nodes[graph.output].value, *(leaf.gradient for leaf in leaves)]
    values = {leaf.name: leaf.value for leaf in leaves}
    ill = _is_ill(graph)
    for text in (found.text, found.ascii):
        names = dict(values)
        for line, number in _aligned(text.splitlines(), right):
            left, formula_ = line.split(" = ", 1)
            if number is None:
                names[left] = part_value(python_value, formula_, names, at_kink)
                continue
            if at_kink and "/" in left:
                continue
            assert close(python_value(formula_, names), number, ill), (line, number, point)
            counts["text"] += 1
    lines = found.latex.splitlines()[1:-1]
    names = {latex_name(name): number for name, number in values.items()}
    for line, number in _aligned(lines, right):
        left, formula_ = line.removesuffix(r" \\").split(" &= ", 1)
        if number is None:
            names[left] = part_value(latex_value, formula_, names, at_kink)
            continue
        if at_kink and "partial" in left:
            continue
        try:
            value = latex_value(formula_, names)
        except OverflowError:  # e to the power 1000 is a number, though no float
            continue
        assert close(value, number, ill), (line, number, point)
        counts["latex"] += 1


def _aligned(lines: Sequence[str], right: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return the lines with their numbers; None for the definitions of parts before."""
    return list(zip(lines, [None] * (len(lines) - len(right)) + list(right), strict=True))


def _is_ill(graph: Graph) -> float:
    """Return how far a formula may be off: mathematics has no log1p, expm1 and the like."""
    sizes = [abs(float(node.value)) for node in graph.nodes if not isinstance(node.value, bool)]
    small = min((x for x in sizes if x), default=1.0)
    return 1e-9 * max(1.0, 1 / small) * max(1.0, *sizes)


def graph_at(f: Callable[..., Any], point: Sequence[float]) -> Graph | None:
    """Return the graph of `f`: None where it has no value or no derivatives."""
    try:
        graph = graph_of(f, point, {})
    except FAILURES:
        return None
    except TypeError:
        return None  # a constant
    return None if graph.failure else graph


def check(f: Callable[..., Any], point: Sequence[float]) -> bool:
    """Check all that is printed of a function at a point; return whether there was anything."""
    graph = graph_at(f, point)
    if graph is None:
        return False
    check_text(graph)
    check_picture(graph)
    check_formulas(f, point, graph)
    return True


def check_explanation(f: Callable[..., Any], point: Sequence[float]) -> None:
    """Check the gradients that are written, of a function and of its Value, against backward's."""
    graph = graph_at(f, point)
    if graph is None:
        return
    leaves = graph.nodes[: len(point)]
    text = text_of(graph, ascii_only=True)
    assert "constant_" not in text
    assert text.isascii()
    assert all(len(line) <= 80 for line in text.splitlines())
    xs = [Value(x, leaf.name) for x, leaf in zip(point, leaves, strict=True)]
    y = f(*xs)
    y.backward()
    gradients = {node.name: node.gradient for node in graph_of(y, (), {}).nodes}
    for x, leaf in zip(xs, leaves, strict=True):
        shown = re.findall(rf"^  d.*/d{leaf.name} = (\S+)$", text, re.MULTILINE)
        assert shown[-1] == show(leaf.gradient)
        for gradient in (leaf.gradient, gradients.get(leaf.name, 0.0)):
            assert close(gradient, x.grad), (leaf.name, gradient, x.grad)


def check_javascript(drawn: Sequence[Case]) -> None:
    calls, rights = [], []
    for f, point in drawn:
        graph = graph_at(f, point)
        if graph is None:
            continue
        names = [leaf.name for leaf in graph.nodes[: len(point)]]
        code, captured = code_with_gradient(f, point, names)
        assert not captured
        calls.append((javascript_function("f", names, code), point))
        rights.append(evaluate(code, list(point)))
    for call, found, right in zip(calls, in_node(calls), rights, strict=True):
        assert isinstance(found, list), (call, found, right)
        for x, y in zip(found, right, strict=True):
            number = float(str(x).lower().replace("true", "1").replace("false", "0"))
            same = close(number, float(y), 1e-10) or abs(number - y) < 1e-12
            assert same, (call, found, right)
            counts["javascript"] += 1


def test_each_op_on_each_kind_of_operand() -> None:
    rng = random.Random(1)
    seen = sum(check(f, point) for f, point in cases(rng, 3))
    assert seen > 300


def test_losses() -> None:
    for f, point in of_losses(random.Random(2), 3):
        assert check(f, point)


@given(expressions(max_ops=5))
def test_random_expressions(drawn: tuple[Expression, list[float]]) -> None:
    check(*named(drawn))
    check_explanation(*named(drawn))


def test_a_sum_of_a_sum_that_a_function_uses() -> None:
    def f(x: Any) -> Any:
        return exp(sumprod([0.5, 0.25], [sumprod([x, 3.0], [x, 3.0]), 1.0]))

    assert check(f, [2.0])


def test_a_part_of_derivatives_without_a_value_at_a_kink() -> None:
    assert check(lambda x: sinc((x + x) + (x + x)), [0.0])


def named(drawn: tuple[Expression, list[float]]) -> Case:
    """Return a drawn expression as a function whose arguments have names."""
    f, point = drawn
    return of_kinds(f, list(range(len(point)))), point


@needs_node
def test_programs_in_javascript() -> None:
    check_javascript(list(cases(random.Random(3), 1)))


@needs_node
@pytest.mark.slow
def test_many_formulas() -> None:
    counts.update(dict.fromkeys(counts, 0))
    rng = random.Random(4)
    drawn = [*cases(rng, 12), *of_losses(rng, 20)]
    for f, point in drawn:
        check(f, point)
    check_javascript(drawn)
    random_ones: list[Case] = []

    @settings(max_examples=1000, database=None)
    @given(expressions(max_ops=8))
    def draw(found: tuple[Expression, list[float]]) -> None:
        check(*named(found))
        random_ones.append(named(found))

    draw()
    check_javascript(random_ones)
    assert sum(counts.values()) > MANY, counts
    assert all(count > 1000 for count in counts.values()), counts


def test_a_wrong_formula_is_seen() -> None:
    graph = graph_at(lambda x, y: -2 * (x % y), [7.0, 3.0])
    assert graph is not None
    edge = graph.nodes[-1].edges[1]
    edge.instead = "2"
    with pytest.raises(AssertionError):
        check_text(graph)
    assert Value is not None
