"""`explain`: the forward and the backward pass of a graph, step by step, in text."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scalargrad.view.branches import Branches
from scalargrad.view.characters import in_ascii, shows_unicode
from scalargrad.view.graph import Graph, Line, Writer, flows, in_brackets
from scalargrad.view.languages.notation import UNICODE, plain, show
from scalargrad.view.languages.spelling import spell
from scalargrad.view.subject import caller_variables, graph_of

WIDTH = 80
# Graphs of more nodes are summarised: this many steps of each pass are shown.
_MOST_NODES = 60
_SHOWN = 12
# A formula takes so many lines at most.
_MOST_LINES = 12


class Explanation(str):
    """The text of an explanation: a str that shows itself as it reads."""

    __slots__ = ()

    __repr__ = str.__str__


def explain(subject: Any, /, *arguments: Any, ascii_only: bool | None = None) -> Explanation:
    """Return the chain rule at work, step by step, as text to print.

    `subject` is a Value, or a function whose `arguments` are numbers, Values or nests of them. The
    forward pass has a line for each node: how it was computed, and its number. The backward pass
    has a line for each operand of each node: the derivative that arrives from above, times the
    local derivative, as a formula and as numbers; and, where several terms are added up, the sum
    so far. Local derivatives come from the ops' own rules. `.grad` is neither used nor changed. A
    function that branches is shown on the path of these numbers, with its conditions.

    Numbers are called by their labels, else by the names of the caller's variables, else x1, v1
    and so on. Lines have 80 columns at most. Without `ascii_only` the text is ASCII if standard
    output cannot show more. Of more than 60 nodes a summary is given.

    Where `backward()` would raise, the text says so in place of the backward pass. Raises TypeError
    for what is neither a Value nor a function of one result.

    >>> from scalargrad import sin
    >>> print(explain(lambda x, y: x * y + sin(x), 2.0, 3.0, ascii_only=True))
    f = x * y + sin(x)
    <BLANKLINE>
    forward
      x = 2.0
      y = 3.0
      v1 = x * y = 2.0 * 3.0 = 6.0
      v2 = sin(x) = sin(2.0) = 0.909297
      f = v1 + v2 = 6.0 + 0.909297 = 6.9093
    <BLANKLINE>
    backward
      df/df = 1.0
      f = v1 + v2
        df/dv1 += df/df * 1 = 1.0 * 1.0 = 1.0
        df/dv2 += df/df * 1 = 1.0 * 1.0 = 1.0
      v2 = sin(x)
        df/dx += df/dv2 * cos(x) = 1.0 * (-0.416147) = -0.416147  (so far -0.416147)
      v1 = x * y
        df/dx += df/dv1 * y = 1.0 * 3.0 = 3.0  (so far 2.58385)
        df/dy += df/dv1 * x = 1.0 * 2.0 = 2.0
    <BLANKLINE>
    gradient
      df/dx = 2.58385
      df/dy = 2.0
    """
    if ascii_only is None:
        ascii_only = not shows_unicode()
    graph = graph_of(subject, arguments, caller_variables(1))
    return Explanation(text_of(graph, ascii_only))


def text_of(graph: Graph, ascii_only: bool = False) -> str:
    """Return the explanation of `graph`."""
    writer = Writer(graph)
    forward = range(graph.inputs, len(graph.nodes))
    backward = flows(graph)
    dots = "..." if ascii_only else "…"
    title = whole_formula(graph)
    output = [title, ""] if title else []
    if graph.branches is not None:
        output += ["branches", *_turns(graph, graph.branches, dots), ""]
    cut = len(graph.nodes) > _MOST_NODES
    if cut:
        output += _summary(graph, dots)
        forward, backward = forward[-_SHOWN:], backward[: _SHOWN - 1]
        output += [f"forward: the last {len(forward)} steps"]
    else:
        output += ["forward"]
        output += [f"  {node.name} = {show(node.value)}" for node in graph.nodes[: graph.inputs]]
    for number in forward:
        output += _wrapped(writer.forward(number), 2, dots)
    if graph.failure:
        output += ["", *_folded(f"no gradient: {graph.failure}", 0)]
        return _finished(output, ascii_only)
    output += ["", f"backward: the first {len(backward) + 1} steps" if cut else "backward"]
    output += _wrapped(writer.seed(), 2, dots)
    node = None
    for flow in backward:
        if flow.node != node:
            node = flow.node
            head = writer.forward(node)
            output.append(_fitted(f"  {head.left} {head.sides[0]}", WIDTH, dots))
        output += _wrapped(writer.backward(flow), 4, dots)
    output += ["", "gradient"]
    leaves = list(range(graph.inputs))
    if cut and len(leaves) > _SHOWN:
        leaves.sort(key=lambda k: -abs(graph.nodes[k].gradient))
        output[-1] = f"gradient: the {_SHOWN} largest of {len(leaves)}"
        leaves = leaves[:_SHOWN]
    output += [f"  {writer.gradient(k)} = {show(graph.nodes[k].gradient)}" for k in leaves]
    return _finished(output, ascii_only)


def _finished(lines: Sequence[str], ascii_only: bool) -> str:
    text = "\n".join(line.rstrip() for line in lines)
    return in_ascii(text) if ascii_only else text


def whole_formula(graph: Graph, longest: int = WIDTH) -> str:
    """Return the output as one formula of the inputs, or "" if that is longer than `longest`."""
    language = replace(UNICODE, longest=longest, repeated=sys.maxsize)
    names = [in_brackets(node.name) for node in graph.nodes[: graph.inputs]]
    spelled = spell(graph.code, language, names, str)
    title = f"{graph.nodes[graph.output].name} = {spelled.outputs[0].text}"
    whole = graph.code.equations and not spelled.definitions
    return title if whole and len(title) <= longest else ""


def _turns(graph: Graph, branches: Branches, dots: str) -> list[str]:
    """Return a line for each condition: what it was, and where it was asked."""
    texts = branches.texts([in_brackets(node.name) for node in graph.nodes[: graph.inputs]])
    lines = [
        _fitted(f"  {text} is {truth}", WIDTH, dots)
        for text, truth in zip(texts, branches.truths, strict=True)
    ]
    left = len(lines) - _MOST_LINES
    return lines if left <= 0 else [*lines[:_MOST_LINES], f"  {dots} and {left} more"]


def _summary(graph: Graph, dots: str) -> list[str]:
    ops = Counter(plain(node.op.name) for node in graph.nodes if node.op is not None)
    counts = ", ".join(f"{count:,} {name}" for name, count in ops.most_common())
    text = (
        f"{len(graph.nodes):,} nodes, too many to show each: {graph.inputs:,} "
        f"{'input' if graph.inputs == 1 else 'inputs'} and {counts}. "
        f"{graph.nodes[graph.output].name} = {show(graph.nodes[graph.output].value)}."
    )
    return [*_folded(text, 0), ""]


def _folded(text: str, indent: int) -> list[str]:
    """Return `text` in lines within the width, all but the first indented so far."""
    return textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=" " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrapped(line: Line, indent: int, dots: str) -> list[str]:
    """Return `line` as text within the width: broken before an equals sign where it is too long.

    A side that is too long for a line goes on in the next ones, a very long one is cut.
    """
    space = " " * indent
    text = f"{space}{line}"
    if len(text) <= WIDTH:
        return [text]
    lines, now = [], f"{space}{line.left} {line.sides[0]}"
    for side in line.sides[1:]:
        if len(now) + 3 + len(side) <= WIDTH:
            now += f" = {side}"
        else:
            lines += _within(now, indent, dots)
            now = f"{space}    = {side}"
    lines += _within(now, indent, dots)
    if line.note:
        if len(lines[-1]) + 2 + len(line.note) <= WIDTH:
            lines[-1] += f"  {line.note}"
        else:
            lines.append(f"{space}    {line.note}")
    return lines


def _within(text: str, indent: int, dots: str) -> list[str]:
    folded = _folded(text, indent + 6)
    if len(folded) > _MOST_LINES or any(len(line) > WIDTH for line in folded):
        return [_fitted(text, WIDTH, dots)]
    return folded


def _fitted(text: str, width: int, dots: str) -> str:
    """Return `text` with its middle left out if it is too long."""
    if len(text) <= width:
        return text
    half = (width - len(dots) - 2) // 2
    return f"{text[:half]} {dots} {text[len(text) - half :]}"
