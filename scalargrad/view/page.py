"""The live page: a graph to step through, whose numbers can be changed, in one HTML file.

The page carries the program of the graph, spelled in JavaScript: for each node its forward and its
local derivatives. The chain rule is done in the page, so that each step of it can be shown.
"""

from __future__ import annotations

from typing import Any

from scalargrad.programs.code import Code, Equation
from scalargrad.programs.passes.kinds import FLOAT, INT, Kinds
from scalargrad.view.cards import CLOSE, COMPACT, MOST_ROWS, TALL, WIDE, Form, Rows, arranged
from scalargrad.view.explanation import whole_formula
from scalargrad.view.graph import Graph, flows, in_brackets
from scalargrad.view.languages.javascript import arrow, is_spelled, runtime_for
from scalargrad.view.languages.notation import show
from scalargrad.view.look import DARK, GRAPH, LIGHT
from scalargrad.view.lowering import may_have_no_path, rule_code
from scalargrad.view.minify import script, style
from scalargrad.view.picture import Picture
from scalargrad.view.sentences import sentence_of
from scalargrad.view.svg import text
from scalargrad.view.templates import as_json, filled, read
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
    heading = whole_formula(graph, 120) or _of_what(graph)
    return filled(
        read("page.html"),
        {
            "title": text(heading),
            "colours": f":root{{color-scheme:light dark;{LIGHT}}}\n"
            f"@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}\n{style(GRAPH)}",
            "style": style(read("page.css")),
            "heading": text(heading),
            "help": text(help_.strip()),
            "note": text(picture.note),
            "description": text(picture.description),
            "data": as_json(_data(graph, picture, live)),
            "runtime": script(runtime_for(program + asked)),
            "program": program,
            "branches": asked,
            "player": script(read("page.js")),
        },
    )


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
    return "\n" + ",\n".join(found) + "\n"


def _data(graph: Graph, picture: Picture, live: bool) -> dict[str, Any]:
    top = graph.nodes[graph.output]
    ops = {node.op.name: node.op for node in graph.nodes if node.op is not None}
    # The numbers given are floats in a page that computes.
    kinds = Kinds(graph.code, [FLOAT] * graph.inputs)
    return {
        "nodes": [
            {
                "name": node.name,
                **({} if node.op is None else {"op": node.op.name}),
                **({} if node.formula is None else {"formula": node.formula.text}),
                **({"parameter": True} if node.kind == "parameter" else {}),
                **(
                    {"chooses": True}
                    if live
                    and node.op
                    and may_have_no_path(node.op, [x.operand for x in node.edges])
                    else {}
                ),
                **({"whole": True} if live and kinds.of(k) == INT else {}),
                "edges": [
                    [edge.operand, edge.formula.text, *([] if live else [edge.instead])]
                    if isinstance(edge.operand, int)
                    else [None, edge.formula.text, show(edge.operand.value)]
                    for edge in node.edges
                ],
            }
            for k, node in enumerate(graph.nodes)
        ],
        "ops": {name: [*sentence_of(op), op.hint] for name, op in ops.items()},
        "steps": [
            *(["forward", k] for k in range(graph.inputs, len(graph.nodes))),
            *([] if graph.failure else [["seed", graph.output]]),
            *(["backward", flow.node, flow.edge] for flow in flows(graph, untaken=live)),
        ],
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
        "differentiable": not graph.failure,
        "failure": graph.failure,
        "one": "1.0" if live else "" if graph.failure else show(top.value * 0 + 1),
        "zero": "0.0" if live else "0",
        "numbers": [float(node.value) for node in graph.nodes[: graph.inputs]] if live else [],
        "state": None if live else _still(graph),
    }


def _cards(graph: Graph, picture: Picture) -> list[dict[str, Any]]:
    found = []
    for shape in picture.shapes:
        group = shape.group
        card: dict[str, Any] = {
            "kind": "leaf" if shape.is_leaf else shape.kind,
            "title": shape.title,
            "shown": shape.shown,
            "members": sorted(group.members) if group is not None else shape.shown,
            "arrows": [[arrow.source, arrow.row, arrow.edges] for arrow in shape.arrows],
        }
        if isinstance(group, Rows):
            card |= {"kind": "rows", "sum": group.op, "function": group.function}
            card["rows"] = [[row.weight, row.operand] for row in group.rows]
        found.append(card)
    return found


def _form(picture: Picture, form: Form) -> dict[str, Any]:
    boxes, layout = arranged(picture, form)
    return {
        "size": [round(layout.width), round(layout.height)],
        "tall": form.tall,
        "label": form.label,
        "rows": MOST_ROWS if form.rows else 0,
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


def _still(graph: Graph) -> dict[str, Any]:
    """Return all numbers of a page that cannot compute them, as text."""
    forward: list[str | None] = [None] * (len(graph.nodes) - graph.inputs + (not graph.failure))
    backward = flows(graph)
    return {
        "value": [show(node.value) for node in graph.nodes],
        "local": [
            ["" if edge.derivative is None else show(edge.derivative) for edge in node.edges]
            for node in graph.nodes
        ],
        "product": [*forward, *(show(flow.product) for flow in backward)],
        "total": [*forward, *(show(flow.total) for flow in backward)],
    }
