"""The live page: a graph to step through, whose numbers can be changed, in one HTML file.

The page carries the program of the graph, spelled in JavaScript: for each node its forward and its
local derivatives. The chain rule is done in the page, so that each step of it can be shown.
"""

from __future__ import annotations

from typing import Any

from scalargrad.programs.code import Code, Equation
from scalargrad.programs.passes.kinds import FLOAT, INT, Kinds
from scalargrad.view.cards import CLOSE, COMPACT, TALL, WIDE, Form, Rows, arranged
from scalargrad.view.explanation import whole_formula
from scalargrad.view.graph import Edge, Graph, Node, flows, in_brackets
from scalargrad.view.languages.javascript import arrow, is_spelled
from scalargrad.view.languages.notation import show
from scalargrad.view.look import GRAPH
from scalargrad.view.lowering import may_have_no_path, rule_code
from scalargrad.view.minify import script
from scalargrad.view.picture import Picture
from scalargrad.view.sentences import sentence_of
from scalargrad.view.svg import text
from scalargrad.view.templates import script_page
from scalargrad.view.written import written_rule

_FORMS = {"wide": WIDE, "close": CLOSE, "compact": COMPACT, "tall": TALL}
# More cards than these are always compact.
_MOST_WIDE = 24
# So many conditions of a path are told.
_MOST_TOLD = 6


def page_of(graph: Graph, picture: Picture) -> str:
    """Return the text of the page of `graph`, which `picture` shows as cards."""
    conditions = () if graph.branches is None else graph.branches.conditions
    reason = graph.fixed
    if not reason and not all(map(is_spelled, conditions)):
        reason = "the function branches on what the page cannot compute"
    live = not reason and not graph.failure
    program = _program(graph) if live else ""
    inputs = [f"v[{k}]" for k in range(graph.inputs)]
    asked = ",\n".join(arrow(code, inputs, "v") for code in conditions) if live else ""
    help_ = _path(graph)
    if not live:
        reason = reason or "there are no gradients at these numbers"
        help_ += f" These numbers cannot be changed here: {reason}."
    rows = any(isinstance(shape.group, Rows) for shape in picture.shapes)
    heading = whole_formula(graph, 120) or _of_what(graph)
    parts = {
        "heading": text(heading),
        "help": text(help_.strip()),
        "note": text(picture.note),
        "description": text(picture.description),
        "program": program,
        "branches": asked,
    }
    scripts = ["rows.js"] if rows else []
    data = _data(graph, picture, live)
    return script_page("page", heading, data, parts, program + asked, GRAPH, scripts)


def _path(graph: Graph) -> str:
    """Return on which conditions a function that branches is this graph, as a sentence."""
    told = _told(graph)
    if not told:
        return ""
    shown = [f"{condition} is {truth}" for condition, truth in told[:_MOST_TOLD]]
    if len(told) > len(shown):
        shown.append(f"and {len(told) - len(shown)} more")
    name = graph.nodes[graph.output].name
    return f"{name} branches. This is its path at these numbers: {'; '.join(shown)}."


def _told(graph: Graph) -> list[tuple[str, bool]]:
    """Return the text and the truth of each condition."""
    if graph.branches is None:
        return []
    texts = graph.branches.texts([in_brackets(node.name) for node in graph.nodes[: graph.inputs]])
    return list(zip(texts, graph.branches.truths, strict=True))


def _of_what(graph: Graph) -> str:
    """Return the name of the output, and of how many numbers it is a function."""
    kinds = [node.kind == "parameter" for node in graph.nodes[: graph.inputs]]
    parts = [
        f"{count} {word}{'s' if count > 1 else ''}"
        for count, word in ((kinds.count(False), "number"), (kinds.count(True), "parameter"))
        if count
    ]
    return f"{graph.nodes[graph.output].name} of {' and '.join(parts)}"


def _program(graph: Graph) -> str:
    """Return for each op an object of functions: its forward and its local derivatives.

    Where people write the derivatives otherwise, `written` computes what they write: it may have no
    value at a point where the rule has one.
    """
    found = []
    for node in graph.nodes[graph.inputs :]:
        assert node.op is not None
        operands = [edge.operand for edge in node.edges]
        places = [f"v[{x}]" if isinstance(x, int) else "" for x in operands]
        own = tuple(k if isinstance(x, int) else x for k, x in enumerate(operands))
        forward = Code(len(own), [Equation(node.op, own)], [len(own)])
        rules, written = rule_code(node.op, operands), written_rule(node.op, operands)
        assert rules is not None
        assert written is not None
        parts = [f"forward:{arrow(forward, places, 'v')}"]
        parts.append(f"local:{arrow(rules, [*places, 'y'], 'v,y')}")
        if rules != written and is_spelled(written):
            parts.append(f"written:{arrow(written, [*places, 'y'], 'v,y')}")
        found.append(f"{{{','.join(parts)}}}")
    return script(",".join(found))


def _data(graph: Graph, picture: Picture, live: bool) -> dict[str, Any]:
    top = graph.nodes[graph.output]
    ops = {node.op.name: node.op for node in graph.nodes if node.op is not None}
    return {
        "nodes": _live_nodes(graph) if live else _still_nodes(graph),
        "ops": {name: [*sentence_of(op), op.hint] for name, op in ops.items()},
        "cards": _cards(graph, picture),
        "forms": {
            name: _form(picture, form)
            for name, form in _FORMS.items()
            if len(picture.shapes) <= _MOST_WIDE or not form.rows
        },
        **({"branches": told} if live and (told := _told(graph)) else {}),
        "inputs": graph.inputs,
        "output": graph.output,
        "live": live,
        "failure": graph.failure,
        "one": "1.0" if live else "" if graph.failure else show(top.value * 0 + 1),
        "zero": "0.0" if live else "0",
        "numbers": [float(node.value) for node in graph.nodes[: graph.inputs]] if live else [],
    }


def _node(node: Node, edges: list[list[Any]], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": node.name, **({"edges": edges} if edges else {})}
    if node.op is not None and node.formula is not None:
        found |= {"op": node.op.name, "formula": node.formula.text}
    if node.kind == "parameter":
        found["parameter"] = True
    return {**found, **more}


def _live_nodes(graph: Graph) -> list[dict[str, Any]]:
    # The numbers given are floats in a page that computes.
    kinds = Kinds(graph.code, [FLOAT] * graph.inputs)
    found = []
    for k, node in enumerate(graph.nodes):
        flags = {"chooses": _chooses(node), "whole": kinds.of(k) == INT}
        edges = [_edge(edge) for edge in node.edges]
        found.append(_node(node, edges, **{name: True for name, is_so in flags.items() if is_so}))
    return found


def _still_nodes(graph: Graph) -> list[dict[str, Any]]:
    """Return the nodes of a page that cannot compute: with all their numbers, as text."""
    flowing = {(flow.node, flow.edge): flow for flow in flows(graph)}
    found = []
    for k, node in enumerate(graph.nodes):
        edges = [_edge(edge) for edge in node.edges]
        for place, (written, edge) in enumerate(zip(edges, node.edges, strict=True)):
            if flow := flowing.get((k, place)):
                shown = map(show, (edge.derivative, flow.product, flow.total))
                written += [edge.instead, *shown]
        found.append(_node(node, edges, value=show(node.value)))
    return found


def _edge(edge: Edge) -> list[Any]:
    if isinstance(edge.operand, int):
        return [edge.operand, edge.formula.text]
    return [None, edge.formula.text, show(edge.operand.value)]


def _chooses(node: Node) -> bool:
    """Return whether a derivative of 0 may say that an operand was not taken: no path."""
    return node.op is not None and may_have_no_path(node.op, [x.operand for x in node.edges])


def _cards(graph: Graph, picture: Picture) -> list[dict[str, Any]]:
    found = []
    for shape in picture.shapes:
        group = shape.group
        card: dict[str, Any] = {
            "kind": "leaf" if shape.is_leaf else shape.kind,
            "title": shape.title,
            "shown": shape.shown,
            "arrows": [[arrow.source, arrow.row, arrow.edges] for arrow in shape.arrows],
        }
        if group is not None:
            card["members"] = sorted(group.members)
        if isinstance(group, Rows):
            card |= {"kind": "rows", "sum": group.op, "function": group.function}
            card["rows"] = [[row.weight, row.operand] for row in group.rows]
        found.append(card)
    return found


def _form(picture: Picture, form: Form) -> dict[str, Any]:
    boxes, layout = arranged(picture, form)
    return {
        "size": [round(layout.width), round(layout.height)],
        "cards": [
            list(map(round, (box.x - box.width / 2, box.y - box.height / 2, box.width, box.height)))
            for box in boxes
        ],
        "lines": [
            [
                *(line.target, line.place, round(line.label_x), round(line.label_y)),
                " ".join(",".join(map(str, point)) for point in line.points),
            ]
            for line in layout.lines
        ],
    }
