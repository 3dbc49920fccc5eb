"""`draw`: the graph of a Value or of a function, as SVG, DOT, Mermaid, text and a live page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from scalargrad.view.cards import cards_of
from scalargrad.view.characters import in_ascii, shows_unicode
from scalargrad.view.graph import Graph, part_of
from scalargrad.view.groups import Group
from scalargrad.view.outlines import dot_of, mermaid_of, tree_of
from scalargrad.view.picture import Picture, picture_of
from scalargrad.view.showing import ShownPage
from scalargrad.view.subject import caller_variables, subject_of
from scalargrad.view.svg import svg_of

# So many cards at most are laid out: the others would not be found among them.
_MOST_CARDS = 300
# A page whose cards hold many nodes computes so many at most.
_MOST_LIVE = 1500
# Of larger graphs, where nothing is collapsed, no cards are looked for.
_MOST_NODES = 20_000


class Drawing:
    """A graph to look at. Jupyter, VS Code and Colab show it as it is; `print` shows it as text.

    The pictures show each number with its value and its gradient, the derivative of the output by
    it, and on each edge the local derivative.
    """

    def __init__(self, graph: Graph, groups: Sequence[Group] = ()) -> None:
        self._graph = graph
        self._groups = groups

    @cached_property
    def svg(self) -> str:
        """The picture as SVG: of more than 300 cards, the 300 nodes nearest the output."""
        return svg_of(*self._shown(len(self._graph.nodes) if self._groups else _MOST_NODES))

    @cached_property
    def html(self) -> str:
        """The live page: one file, to step through, with numbers that can be changed.

        Of more than 300 cards, or 1,500 nodes, it has the 300 nodes nearest the output.
        """
        from scalargrad.view.page import page_of

        graph, picture = self._shown(_MOST_LIVE)
        if graph is not self._graph:
            picture.note += " What they are computed from can be changed."
        return page_of(graph, picture)

    def _shown(self, most: int) -> tuple[Graph, Picture]:
        """Return what is laid out: the whole, if it has at most `most` nodes, or a part."""
        count = len(self._graph.nodes)
        if count <= most:
            picture = cards_of(self._graph, self._groups)
            if len(picture.shapes) <= _MOST_CARDS:
                return self._graph, picture
        part = part_of(self._graph, _MOST_CARDS)
        picture = cards_of(part)
        note = f"The {len(part.nodes)} nodes nearest the output, of {count:,}."
        picture.note = f"{note} {picture.note}".strip()
        return part, picture

    @cached_property
    def dot(self) -> str:
        """The whole graph in DOT, for Graphviz."""
        return dot_of(picture_of(self._graph, self._groups))

    @cached_property
    def mermaid(self) -> str:
        """The whole graph as a Mermaid flowchart."""
        return mermaid_of(picture_of(self._graph, self._groups))

    @cached_property
    def text(self) -> str:
        """The graph as a tree in text, 200 lines at most."""
        return tree_of(picture_of(self._graph, self._groups))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file `path`: .svg, .html, .dot or .gv, .mmd or .mermaid, .txt.

        Raises ValueError for another ending.
        """
        ending = Path(fspath(path)).suffix.lower()
        if ending not in _ENDINGS:
            raise ValueError(
                f"cannot tell the format from {ending or 'a name without an ending'!r}: "
                f"end the name in {', '.join(_ENDINGS)}"
            )
        Path(path).write_text(getattr(self, _ENDINGS[ending]), encoding="utf-8")

    def show(self) -> ShownPage:
        """Show the live page: in the notebook's cell that this ends, else in the browser."""
        return ShownPage(self.html)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto">{self.svg}</div>'

    def __str__(self) -> str:
        return self.text if shows_unicode() else in_ascii(self.text)

    def __repr__(self) -> str:
        graph = self._graph
        return (
            f"<drawing of {graph.nodes[graph.output].name}, {len(graph.nodes)} nodes: "
            "print it, or .save('graph.svg')>"
        )


_ENDINGS = {
    ".svg": "svg",
    ".html": "html",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".txt": "text",
}


def draw(subject: Any, /, *arguments: Any, collapse: Any = ()) -> Drawing:
    """Return a drawing of the graph of a Value, or of a function of `arguments`.

    Its `.svg`, `.html` (the live page), `.dot`, `.mermaid` and `.text` are texts; `.save("x.svg")`
    writes a file. Arguments are numbers, Values or nests of them; names are found as for
    `explain`. Gradients are computed here: `.grad` is neither used nor changed.

    What `collapse` lists is drawn as one box each time that it is called: modules, such as
    `model.layers`, and functions, compiled ones too; a class stands for all its instances. For a
    Value, which has no calls, only modules of `scalargrad.nn` can be found, by their parameters.

    The page of a function of floats follows as numbers are dragged. Of one that branches with `if`
    it has the path of these numbers, names the conditions, and says where another path begins. One
    that uses a `Function` of your own, or computes with Fractions, has a page to step through
    alone, which says why.

    Raises TypeError for what is neither a Value nor a function of one result.

    >>> from scalargrad import Value, sin
    >>> x = Value(2.0, label="x")
    >>> print(draw(x * sin(x)).text)
    f = x · v1, value 1.81859, grad 1.0
    ├─ x, value 2.0, grad 0.0770038  [0.909297]
    └─ v1 = sin(x), value 0.909297, grad 2.0  [2.0]
       └─ x, value 2.0, grad 0.0770038  [-0.416147]
    <BLANKLINE>
    """
    if not isinstance(collapse, list | tuple):
        collapse = [collapse]
    graph, groups = subject_of(subject, arguments, caller_variables(1), collapse=tuple(collapse))
    return Drawing(graph, groups)
