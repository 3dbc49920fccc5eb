"""What is to be seen of a graph: its nodes with names, numbers and derivatives.

`explain`, the pictures and the live page all show this, so that they agree.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, zip_longest
from math import isclose
from typing import Any, NamedTuple

from scalargrad.engine.errors import FAILURES, Shown, explained
from scalargrad.engine.op import Op
from scalargrad.engine.real import in_kind
from scalargrad.programs.code import Code, Literal, constant_key, evaluate
from scalargrad.view.branches import Branches
from scalargrad.view.languages.notation import UNICODE, plain, show
from scalargrad.view.languages.spelling import ATOM, PRODUCT, Text, spell
from scalargrad.view.lowering import reordered
from scalargrad.view.written import written_rule

# In a formula the k-th operand stands as one character of Unicode's private use area, and the
# result of the op as the one before them. No name has such characters: they are not printable.
_FIRST = 0xE001
# Brackets around a negative number that stands alone: within brackets, or between commas.
_ALONE = re.compile(r"(?:(?<=[(\[])|(?<=, ))\(([^()]*)\)(?=[])]|, )")
# Names that need no brackets among other terms: x, w[0], d['k'], layers.0.w.1.
_SIMPLE = re.compile(r"[\w.'\[\]]+")
# How many digits a number in a formula has: more where fewer would give another result.
_DIGITS = (6, 9, 12, 17)
# Names of a result that has none.
RESULTS = ("f", "y", "out", "result", "f_")


@dataclass(frozen=True)
class Formula:
    """A formula in which operands stand open, to be filled with names or with numbers."""

    text: str
    binding: int = ATOM

    def fill(self, operands: Sequence[str], result: str = "") -> str:
        """Return the formula with `operands` for its operands and `result` for the op's result."""
        table = {_FIRST + k: operand for k, operand in enumerate(operands)}
        filled = self.text.translate({_FIRST - 1: result, **table})
        return _ALONE.sub(r"\1", filled)


@dataclass
class Edge:
    """An operand of a node: what it is, and the derivative of the node by it."""

    # The number of the node that is the operand, or the constant.
    operand: int | Literal
    formula: Formula
    derivative: Any = None
    # The derivative, where the formula does not give it at these numbers.
    instead: str = ""


@dataclass
class Node:
    """One number of the graph."""

    name: str
    # "input", "parameter", "leaf" (which of the two cannot be told) or "op"
    kind: str
    value: Any
    op: Op | None = None
    formula: Formula | None = None
    edges: tuple[Edge, ...] = ()
    gradient: Any = None


@dataclass
class Graph:
    """The nodes of a graph, each after its operands, and what can be done with them.

    `output` is the number of the result among them. `failure` says why there are no gradients,
    and `fixed` why the numbers cannot be changed: "" if they can. `branches` are the conditions on
    which it is this graph.
    """

    nodes: list[Node]
    output: int
    code: Code
    failure: str = ""
    fixed: str = ""
    branches: Branches | None = None

    @property
    def inputs(self) -> int:
        return self.code.inputs


def build(
    code: Code,
    values: Sequence[Any],
    names: Sequence[str],
    kinds: Sequence[str],
) -> Graph:
    """Return the graph of `code`, which has one output, whose variables have these `values`.

    `names` may be "" for a variable without a name; `kinds` are those of the inputs.
    """
    [output] = code.outputs
    assert isinstance(output, int)
    named = unique_names(names, code.inputs, output)
    nodes = [Node(named[k], kinds[k], values[k]) for k in range(code.inputs)]
    known: dict[Any, tuple[Formula, _Slopes]] = {}
    of_nodes: dict[int, _Slopes] = {}
    for number, equation in enumerate(code.equations, code.inputs):
        op, operands = equation.op, equation.operands
        pattern = tuple(x if isinstance(x, Literal) else None for x in operands)
        # By type and digits: 1 and 1.0 are equal, but do not look so.
        key = (op, *[None if x is None else constant_key(x.value) for x in pattern])
        if key not in known:
            known[key] = _formulas(op, pattern)
        formula, slopes = known[key]
        edges = tuple(map(Edge, operands, slopes.formulas))
        of_nodes[number] = slopes
        nodes.append(Node(named[number], "op", values[number], op, formula, edges))
    graph = Graph(nodes, output, code)
    try:
        _differentiate(graph, of_nodes)
    except FAILURES as error:
        graph.failure = f"{type(error).__name__}: {error}"
        for node in nodes:
            node.gradient = None
    return graph


def unique_names(names: Sequence[str], inputs: int, output: int) -> list[str]:
    """Return a name for each variable: the one given if it is the first to have it, or one made up.

    Made-up names are x1, x2, ... for inputs, v1, v2, ... for results, and f for the output.
    """
    given = [plain(name) for name in names]
    reserved = set(given)
    taken: set[str] = set()
    made_up = {letter: map(f"{letter}{{}}".format, count(1)) for letter in "xv"}
    found: list[str] = []
    for number, wish in enumerate(given):
        if wish:
            again = (f"{wish}_{k}" for k in count(2))
            name = next(name for name in chain([wish], again) if name not in taken)
        elif number == output and number >= inputs:
            name = next(name for name in RESULTS if name not in reserved)
        else:
            names_left = made_up["x" if number < inputs else "v"]
            name = next(x for x in names_left if x not in reserved and x not in taken)
        taken.add(name)
        found.append(name)
    return found


def _formulas(op: Op, operands: tuple[Literal | None, ...]) -> tuple[Formula, _Slopes]:
    places = [Text(chr(_FIRST + k)) for k in range(len(operands))]
    texts = [
        place if x is None else UNICODE.number(x.value)
        for place, x in zip(places, operands, strict=True)
    ]
    forward = UNICODE.spell(op, texts)
    return Formula(*forward[:2]), _slopes_of(op, operands)


@dataclass(frozen=True)
class _Slopes:
    """The local derivatives of an op on some operands, as formulas, and as code of the same."""

    formulas: tuple[Formula, ...]
    code: Code | None

    def at(self, inputs: Sequence[Any], y: Any) -> list[Any]:
        """Return what the formulas come to at these numbers; None where they have no value."""
        try:
            return [] if self.code is None else evaluate(self.code, [*inputs, y])
        except FAILURES:
            return [None] * len(self.formulas)


def _slopes_of(op: Op, operands: tuple[Literal | None, ...]) -> _Slopes:
    code = written_rule(op, operands)
    if code is None:  # an op whose derivatives are not arithmetic
        return _Slopes(tuple(Formula(f"{plain(op.name)}.backward") for _ in operands), None)
    inputs = [chr(_FIRST + k) for k in range(len(operands))] + [chr(_FIRST - 1)]
    # One line has one formula: no part of it gets a name.
    whole = replace(UNICODE, longest=sys.maxsize, repeated=sys.maxsize)
    outputs = spell(code, whole, inputs, str).outputs
    return _Slopes(tuple(Formula(x.within(PRODUCT), PRODUCT) for x in outputs), code)


def _differentiate(graph: Graph, formulas: Mapping[int, _Slopes]) -> None:
    """Set the derivatives on the edges and the gradients in the nodes.

    Where a formula has no value, or another than the rule gives, the rule's number takes its place:
    at a kink or at the edge of a domain.
    """
    nodes = graph.nodes
    top = nodes[graph.output].value
    one = in_kind(1, top)
    for node in nodes:
        node.gradient = in_kind(0, top)
    nodes[graph.output].gradient = one
    reached = {graph.output}
    for number in range(len(nodes) - 1, graph.inputs - 1, -1):
        node = nodes[number]
        if number not in reached:
            continue
        assert node.op is not None
        inputs = [operand_value(nodes, edge.operand) for edge in node.edges]
        try:
            gs = [one if isinstance(edge.operand, int) else None for edge in node.edges]
            slopes = node.op.derivatives(gs, node.value, inputs)
        except FAILURES as error:
            # Only inputs have names that the user knows.
            named = tuple(
                Shown(x, nodes[edge.operand].name)
                if isinstance(edge.operand, int) and edge.operand < graph.inputs
                else x
                for x, edge in zip(inputs, node.edges, strict=True)
            )
            raise explained(error, node.op, named, "the derivative of ") from None
        for edge, slope, found in zip_longest(
            node.edges, slopes, formulas[number].at(inputs, node.value)
        ):
            if slope is None:  # a constant's, or that of a side that was not taken
                edge.derivative = in_kind(0, top) if isinstance(edge.operand, int) else None
                continue
            edge.derivative = slope
            if formulas[number].code is not None and not _agree(found, slope):
                edge.instead = in_formula(slope)
            if isinstance(edge.operand, int):
                reached.add(edge.operand)
                operand = nodes[edge.operand]
                operand.gradient = operand.gradient + node.gradient * slope


def _agree(x: Any, y: Any) -> bool:
    try:
        return x is not None and bool(x == y or (x != x and y != y) or isclose(x, y))
    except (TypeError, ArithmeticError, ValueError):
        return False


def operand_value(nodes: Sequence[Node], operand: int | Literal) -> Any:
    """Return the number that an operand is."""
    return nodes[operand].value if isinstance(operand, int) else operand.value


def part_of(graph: Graph, most: int) -> Graph:
    """Return the part of a graph nearest to its output: `most` nodes, where it has more.

    Numbers whose operands are left out are the part's inputs.
    """
    nodes = graph.nodes
    if len(nodes) <= most:
        return graph
    found = {graph.output}
    queue = [graph.output]
    for number in queue:
        operands = {edge.operand for edge in nodes[number].edges if isinstance(edge.operand, int)}
        new = sorted(operands - found)
        if len(found) + len(new) <= most:
            found.update(new)
            queue += new
    whole = [
        k
        for k in sorted(found)
        if nodes[k].edges
        and all(edge.operand in found for edge in nodes[k].edges if isinstance(edge.operand, int))
    ]
    order = [*sorted(found.difference(whole)), *whole]
    inputs = len(order) - len(whole)
    code = reordered(replace(graph.code, outputs=[graph.output]), order, inputs)
    chosen = [replace(nodes[k]) for k in order]
    for node in chosen[:inputs]:
        node.op, node.formula, node.edges = None, None, ()
        node.kind = "leaf" if node.kind == "op" else node.kind
    for node, equation in zip(chosen[inputs:], code.equations, strict=True):
        pairs = zip(node.edges, equation.operands, strict=True)
        node.edges = tuple(replace(edge, operand=x) for edge, x in pairs)
    [output] = code.outputs
    assert isinstance(output, int)
    fixed = "" if graph.branches is None else "the function branches on others"
    return Graph(chosen, output, code, graph.failure, graph.fixed or fixed)


class Flow(NamedTuple):
    """A step of the backward pass: the gradient of a node goes on to one of its operands.

    `product` is what goes on, and `total` what has arrived at the operand with it.
    """

    node: int
    edge: int
    product: Any = None
    total: Any = None


def flows(graph: Graph, untaken: bool = False) -> list[Flow]:
    """Return the steps of the backward pass after its beginning: none if there are no gradients.

    With `untaken` there are those, too, that nothing arrives at with these numbers.
    """
    found: list[Flow] = []
    totals: dict[int, Any] = {}
    for number in () if graph.failure else range(len(graph.nodes) - 1, graph.inputs - 1, -1):
        node = graph.nodes[number]
        for k, edge in enumerate(node.edges):
            # By a condition it is 0 whatever the numbers.
            if not isinstance(edge.operand, int) or edge.formula.text == "0":
                continue
            if edge.derivative is not None:
                product = node.gradient * edge.derivative
                before = totals.get(edge.operand)
                total = totals[edge.operand] = product if before is None else before + product
                found.append(Flow(number, k, product, total))
            elif untaken:
                found.append(Flow(number, k))
    return found


@dataclass(frozen=True)
class Line:
    """The line of a step: its left side, and what that equals, in order."""

    left: str
    sides: tuple[str, ...]
    note: str = ""

    def __str__(self) -> str:
        text = f"{self.left} {' = '.join(self.sides)}"
        return f"{text}  {self.note}" if self.note else text


class Writer:
    """Writes the lines of a graph's steps."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        targets = Counter(graph.nodes[flow.node].edges[flow.edge].operand for flow in flows(graph))
        # Nodes whose gradient is a sum of several terms.
        self.shared = {operand for operand, count in targets.items() if count > 1}

    def gradient(self, number: int) -> str:
        """Return how the derivative of the output by a node is written."""
        nodes = self.graph.nodes
        return f"∂{nodes[self.graph.output].name}/∂{nodes[number].name}"

    def forward(self, number: int) -> Line:
        nodes = self.graph.nodes
        node = nodes[number]
        assert node.formula is not None
        names = operand_names(nodes, node)
        inputs = [operand_value(nodes, edge.operand) for edge in node.edges]
        digits = _digits_of(node, inputs)
        numbers = [in_formula(x, digits) for x in inputs]
        sides = (node.formula.fill(names), node.formula.fill(numbers), show(node.value))
        return Line(f"{node.name} =", sides)

    def seed(self) -> Line:
        output = self.graph.output
        return Line(f"{self.gradient(output)} =", (show(self.graph.nodes[output].gradient),))

    def backward(self, flow: Flow) -> Line:
        nodes = self.graph.nodes
        node = nodes[flow.node]
        edge = node.edges[flow.edge]
        assert isinstance(edge.operand, int)
        above = self.gradient(flow.node)
        slope = edge.instead or edge.formula.fill(
            operand_names(nodes, node), in_brackets(node.name)
        )
        return Line(
            f"{self.gradient(edge.operand)} +=",
            (
                f"{above} · {slope}",
                f"{in_formula(node.gradient)} · {in_formula(edge.derivative)}",
                show(flow.product),
            ),
            f"(so far {show(flow.total)})" if edge.operand in self.shared else "",
        )


def operand_names(nodes: Sequence[Node], node: Node) -> list[str]:
    """Return the names of a node's operands as they stand in a formula: "" for a constant."""
    return [
        in_brackets(nodes[edge.operand].name) if isinstance(edge.operand, int) else ""
        for edge in node.edges
    ]


def in_brackets(name: str) -> str:
    """Return a name, in brackets if it might be read as several terms."""
    return name if _SIMPLE.fullmatch(name) else f"({name})"


def in_formula(x: Any, digits: int = _DIGITS[0]) -> str:
    """Return a number as it stands among other terms: a negative one in brackets."""
    text = show(x, digits)
    return f"({text})" if text.startswith("-") or "/" in text else text


def _digits_of(node: Node, inputs: Sequence[Any]) -> int:
    """Return how many digits the inputs of a node need for its value to be seen in them.

    The difference of 1234567.5 and 1234567.25 is not seen in six.
    """
    assert node.op is not None
    for digits in _DIGITS:
        rounded = [float(show(x, digits)) if type(x) is float else x for x in inputs]
        try:
            found = node.op.forward(*rounded)
            if found == node.value or isclose(found, node.value, rel_tol=1e-4):
                break
        except (*FAILURES, TypeError):
            continue
    return digits
