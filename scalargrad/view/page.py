"""The live page: a graph to step through, whose numbers can be changed, in one HTML file.

The page carries the program of the graph, spelled in JavaScript: for each node its forward and its
local derivatives. The chain rule is done in the page, so that each step of it can be shown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scalargrad.programs.code import Code, Equation
from scalargrad.view.explanation import whole_formula
from scalargrad.view.graph import Backward, Forward, Graph, Writer, steps
from scalargrad.view.languages.javascript import arrow, runtime_for
from scalargrad.view.languages.notation import show
from scalargrad.view.lowering import rule_code
from scalargrad.view.picture import Picture
from scalargrad.view.svg import svg_of, text

_HERE = Path(__file__).parent
_HOW = (
    "Drag a number in the picture or here, or type one: everything follows. The arrow keys step "
    "forward and back."
)


def page_of(graph: Graph, picture: Picture) -> str:
    """Return the text of the page of `graph`, which `picture` shows."""
    live = not graph.fixed and not graph.failure
    program = _program(graph) if live else ""
    reason = graph.fixed or "there are no gradients at these numbers"
    help_ = _HOW if live else f"These numbers cannot be changed here: {reason}."
    parts = {
        "title": text(picture.title),
        "style": read("page.css"),
        "heading": text(whole_formula(graph, False, 120) or picture.title),
        # Without texts that would stay as they are when numbers change.
        "svg": svg_of(picture, titles=False),
        "help": text(help_),
        "hide_plot": "" if live else " hidden",
        "data": as_json(_data(graph, live)),
        "runtime": short(runtime_for(program)),
        "program": program,
        "player": short(read("page.js")),
    }
    return filled(read("page.html"), parts)


def filled(template: str, parts: dict[str, str]) -> str:
    """Return a template with the parts whose names stand in braces, which are not looked at."""
    pieces = template.split("{")
    found = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}", 1)
        found += [parts[name], rest]
    return "".join(found)


def read(name: str) -> str:
    """Return the text of a file that ships with the view."""
    return (_HERE / name).read_text(encoding="utf-8")


def short(script: str) -> str:
    """Return a script without comments and indentation, which every page would carry along."""
    lines = map(str.strip, script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def as_json(data: Any) -> str:
    """Return JSON that can stand in a script of a page: without < and > and &."""
    dumped = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        dumped = dumped.replace(c, f"\\u{ord(c):04x}")
    return dumped


def _program(graph: Graph) -> str:
    """Return for each op an object of two functions: its forward and its local derivatives."""
    found = []
    for node in graph.nodes[graph.inputs :]:
        assert node.op is not None
        operands = [edge.operand for edge in node.edges]
        places = [f"v[{x}]" if isinstance(x, int) else "" for x in operands]
        own = tuple(k if isinstance(x, int) else x for k, x in enumerate(operands))
        forward = Code(len(own), [Equation(node.op, own)], [len(own)])
        rules = rule_code(node.op, operands)
        assert rules is not None
        computes = arrow(forward, places, "v")
        differentiates = arrow(rules, [*places, "y"], "v, y")
        found.append(f"{{forward: {computes}, local: {differentiates}}}")
    return "\n" + ",\n".join(found) + "\n"


def _data(graph: Graph, live: bool) -> dict[str, Any]:
    writer = Writer(graph)
    of_passes = steps(graph)
    top = graph.nodes[graph.output]
    return {
        "nodes": [
            {
                "name": node.name,
                **({} if node.op is None else {"op": node.op.name, "hint": node.op.hint}),
                **({} if node.formula is None else {"formula": node.formula.text}),
                "edges": [
                    [edge.operand, edge.formula.text]
                    if isinstance(edge.operand, int)
                    else [None, edge.formula.text, show(edge.operand.value)]
                    for edge in node.edges
                ],
            }
            for node in graph.nodes
        ],
        "steps": [
            ["forward", step.node]
            if isinstance(step, Forward)
            else ["backward", step.node, step.edge]
            if isinstance(step, Backward)
            else ["seed", graph.output]
            for step in of_passes
        ],
        "inputs": graph.inputs,
        "output": graph.output,
        "shared": sorted(writer.shared),
        "live": live,
        "differentiable": not graph.failure,
        "one": "1.0" if live else "" if graph.failure else show(top.value * 0 + 1),
        "zero": "0.0" if live else "0",
        "numbers": [float(node.value) for node in graph.nodes[: graph.inputs]] if live else [],
        "state": None if live else _still(graph),
    }


def _still(graph: Graph) -> dict[str, Any]:
    """Return all numbers of a page that cannot compute them, as text."""
    totals: dict[int, Any] = {}
    product: list[str | None] = []
    total: list[str | None] = []
    for step in steps(graph):
        if not isinstance(step, Backward):
            product.append(None)
            total.append(None)
            continue
        node = graph.nodes[step.node]
        edge = node.edges[step.edge]
        assert isinstance(edge.operand, int)
        term = node.gradient * edge.derivative
        known = totals.get(edge.operand)
        totals[edge.operand] = term if known is None else known + term
        product.append(show(term))
        total.append(show(totals[edge.operand]))
    return {
        "value": [show(node.value) for node in graph.nodes],
        "local": [
            ["" if edge.derivative is None else show(edge.derivative) for edge in node.edges]
            for node in graph.nodes
        ],
        "product": product,
        "total": total,
    }
