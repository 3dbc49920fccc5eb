"""Drawings: SVG, DOT, Mermaid, text, and what they make of hostile labels."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalargrad import Value, exp, sin, sqrt, where
from scalargrad.nn import MLP, Layer, Neuron
from scalargrad.testing.expressions import Expression, expressions
from scalargrad.view.drawing import Drawing, draw
from scalargrad.view.languages.notation import show
from tests.view.graphs import HOSTILE, deep, diamond, models, random_graph

SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = Path(__file__).parent / "golden"
has_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="there is no Graphviz here")
MODELS = models()


def rectangles(svg: str) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Return where the cards and where the badges are: left, top, right, bottom."""
    cards: list[tuple[float, ...]] = []
    badges: list[tuple[float, ...]] = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        x, y = map(float, re.findall(r"-?\d+", group.get("transform", "")))
        dx, dy, w, h = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        found = badges if group.get("class") == "badge" else cards
        found.append((x + dx, y + dy, x + dx + w, y + dy + h))
    return cards, badges


def overlapping(found: list[tuple[float, ...]]) -> list[Any]:
    return [
        (a, b)
        for k, a in enumerate(found)
        for b in found[:k]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


@pytest.mark.parametrize("name", MODELS)
def test_svg_is_xml_with_title_and_description_and_nothing_overlaps(name: str) -> None:
    f, *arguments = MODELS[name]
    drawing = draw(f, *arguments)
    root = ET.fromstring(drawing.svg)
    assert root.find(f"{SVG}title") is not None
    description = root.find(f"{SVG}desc")
    assert description is not None
    assert "the derivative of" in (description.text or "")
    assert root.get("role") == "img"
    boxes, labels = rectangles(drawing.svg)
    assert boxes
    assert overlapping([*boxes, *labels]) == []


@given(expressions())
def test_svg_of_any_expression(drawn: tuple[Expression, list[float]]) -> None:
    f, inputs = drawn
    boxes, labels = rectangles(draw(f, *inputs).svg)
    assert overlapping([*boxes, *labels]) == []


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_svg_shows_names_values_gradients_and_local_derivatives() -> None:
    x, y = Value(2.0, "x"), Value(3.0, "y")
    out = x * y + sin(x)
    shown = texts(draw(out).svg)
    out.backward()
    for expected in (
        "x",
        "y",
        "2.0",
        f"∂out/∂x = {show(x.grad, 4)}",
        show(out.data, 4),
        "× −0.4161",  # cos(2), on the edge from x to sin
    ):
        assert expected in shown


def test_kinds_have_shapes_of_their_own() -> None:
    w = Value(2.0, "w")
    svg = draw(lambda x: w * x + 1, 3.0).svg
    kinds = {
        element.get("class", "")
        for element in ET.fromstring(svg).iter(f"{SVG}g")
        if element.get("class")
    }
    assert kinds == {"leaf", "op", "op out", "badge"}


def test_grad_is_neither_used_nor_changed() -> None:
    x = Value(2.0, "x")
    y = x * x
    x.grad = 7.0
    assert "∂y/∂x = 4.0" in texts(draw(y).svg)
    assert (x.grad, y.grad) == (7.0, 0)


def test_beyond_its_limit_the_part_nearest_the_output_is_drawn() -> None:
    drawing = draw(deep(5000), 0.5)
    assert "The 300 nodes nearest the output, of 5,001." in texts(drawing.svg)
    assert drawing.dot.count(" -> ") == 5000
    assert drawing.mermaid.count("-->") == 5000
    assert drawing.text.count("\n") == 201
    assert draw(random_graph(200), 0.5, 1.0, 1.5).svg.count("nodes nearest") == 0


def test_deep_graphs_of_values_are_drawn_without_recursion() -> None:
    assert "nearest the output, of 20,001." in draw(deep(20_000)(Value(0.5))).svg


def test_where_a_derivative_does_not_exist_values_are_drawn() -> None:
    drawing = draw(sqrt(Value(0.0, "x")))
    assert any("No gradients: ZeroDivisionError" in text for text in texts(drawing.svg))
    assert "0.0" in texts(drawing.svg)


def test_fractions_stay_fractions() -> None:
    assert "∂f/∂x = 2/3" in texts(draw(lambda x: x * x, Fraction(1, 3)).svg)


# --- hostile labels --------------------------------------------------------------------------


def beginning(label: str) -> str:
    """Return the first characters of a label, up to one that is not printable."""
    return re.split(r"[^\x20-\x7e]", label)[0][:6].strip()


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_text_in_every_format(label: str) -> None:
    y = sin(Value(2.0, label)) * Value(3.0, label)
    drawing = draw(y)
    root = ET.fromstring(drawing.svg)
    assert not list(root.iter(f"{SVG}script"))
    assert any(beginning(label) in text for text in texts(drawing.svg))
    assert "<script" not in drawing.svg
    assert drawing.html.lower().count("<script") == 2  # the page's own
    assert drawing.html.lower().count("</script") == 2
    assert len(drawing.svg) < 20_000
    assert drawing.mermaid.count("\n") == draw(sin(Value(2.0)) * Value(3.0)).mermaid.count("\n")
    for text in (drawing.svg, drawing.html, drawing.dot, drawing.mermaid, drawing.text):
        text.encode("utf-8")
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", text)


@has_dot
def test_graphviz_shows_hostile_labels_as_text(tmp_path: Path) -> None:
    for label in HOSTILE:
        drawing = draw(sin(Value(2.0, label)))
        shown = graphviz(drawing.dot)
        found = ["".join(e.itertext()).replace("\xa0", " ") for e in shown.iter(f"{SVG}text")]
        assert any(beginning(label) in text for text in found), (label, found)


def graphviz(dot: str) -> ET.Element:
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return ET.fromstring(done.stdout)


@has_dot
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(expressions(), st.text(max_size=30))
def test_graphviz_accepts_every_dot(drawn: tuple[Expression, list[float]], label: str) -> None:
    f, inputs = drawn
    y = f(*[Value(x, label) for x in inputs])
    if isinstance(y, Value):
        graphviz(draw(y).dot)


def golden_drawings() -> dict[str, Drawing]:
    """Return the drawings whose Mermaid is kept: Mermaid's own parser has accepted it."""
    drawings = {name: draw(f, *arguments) for name, (f, *arguments) in MODELS.items()}
    del drawings["large"]
    for number, label in enumerate(HOSTILE):
        drawings[f"hostile{number}"] = draw(sin(Value(2.0, label)))
    return drawings


@pytest.mark.parametrize("name", golden_drawings())
def test_mermaid_is_as_its_own_parser_accepted_it(name: str) -> None:
    expected = (GOLDEN / f"{name}.mmd").read_text(encoding="utf-8")
    assert golden_drawings()[name].mermaid == expected


# --- saving and showing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("g.svg", "<svg"),
        ("g.html", "<!DOCTYPE html>"),
        ("g.dot", "digraph"),
        ("g.gv", "digraph"),
        ("g.mmd", "flowchart"),
        ("G.SVG", "<svg"),
        ("g.txt", "f = "),
    ],
)
def test_save_goes_by_the_ending(tmp_path: Path, name: str, start: str) -> None:
    draw(lambda x: x * x, 3.0).save(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize("name", ["g.png", "g", "svg"])
def test_save_says_which_endings_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"end the name in \.svg, \.html, \.dot"):
        draw(lambda x: x * x, 3.0).save(tmp_path / name)


def test_notebooks_show_a_drawing() -> None:
    drawing = draw(lambda x: x * x, 3.0)
    assert drawing._repr_svg_() == drawing.svg
    assert drawing.svg in drawing._repr_html_()


def test_text_is_a_tree() -> None:
    x = Value(2.0, "x")
    assert draw(x * sin(x)).text == (
        "f = x · v1, value 1.81859, grad 1.0\n"
        "├─ x, value 2.0, grad 0.0770038  [0.909297]\n"
        "└─ v1 = sin(x), value 0.909297, grad 2.0  [2.0]\n"
        "   └─ x, value 2.0, grad 0.0770038  [-0.416147]\n"
    )


@pytest.mark.parametrize("wrong", [3.0, "x", None, [1.0]])
def test_draw_refuses_what_is_no_graph(wrong: Any) -> None:
    with pytest.raises(TypeError, match="give a Value, or a function and its arguments"):
        draw(wrong)


def test_draw_refuses_several_results() -> None:
    with pytest.raises(TypeError, match=r"choose one of them, as in lambda x: f\(x\)\[0\]"):
        draw(lambda x: [x, x + 1], 2.0)
    with pytest.raises(TypeError, match="a Value takes no arguments"):
        draw(Value(2.0), 3.0)


# --- collapsing --------------------------------------------------------------------------------


def boxes_of(drawing: Drawing) -> list[str]:
    return [
        re.split(r'\\n|"', line.split('label="')[1])[0]
        for line in drawing.dot.splitlines()
        if " [shape" in line
    ]


def test_collapsed_layers_are_boxes_that_hold_their_parameters() -> None:
    model = MLP(2, [3, 1])
    drawing = draw(model, [1.0, 2.0], collapse=model.layers)
    assert boxes_of(drawing) == ["x[0]", "x[1]", "Layer", "Layer"]
    assert drawing.dot.count(" -> ") == 3
    assert draw(model, [1.0, 2.0], collapse=Layer).dot == drawing.dot
    ET.fromstring(drawing.svg)


def test_collapsed_neurons_and_open_ones() -> None:
    model = MLP(2, [3, 1])
    assert boxes_of(draw(model, [1.0, 2.0], collapse=Neuron)).count("Neuron") == 4
    assert "Neuron" not in boxes_of(draw(model, [1.0, 2.0]))
    first = model.layers[0].neurons[0]
    assert boxes_of(draw(model, [1.0, 2.0], collapse=first)).count("Neuron") == 1


def test_a_value_of_a_model_can_be_collapsed_too() -> None:
    model = MLP(2, [3, 1])
    x = [Value(1.0, "a"), Value(2.0, "b")]
    assert boxes_of(draw(model(x) * 2, collapse=model.layers)) == [
        "a",
        "b",
        "Layer",
        "Layer",
        "2",
        "f = h2.1 · 2",
    ]


def test_a_function_is_collapsed_at_each_call() -> None:
    def square(x: Any) -> Any:
        return x * x

    drawing = draw(lambda x: square(x) + square(exp(x)), 1.0, collapse=square)
    assert boxes_of(drawing).count("square") == 2


def test_collapse_says_what_it_takes() -> None:
    with pytest.raises(TypeError, match="collapse takes modules, functions and classes"):
        draw(lambda x: x * x, 1.0, collapse=["square"])
    with pytest.raises(TypeError, match="of a Value only modules can be collapsed"):
        draw(Value(1.0) * 2, collapse=diamond)


def test_a_condition_is_part_of_a_functions_graph() -> None:
    titles = boxes_of(draw(lambda x: where(x > 0, x, -x), -3.0))
    assert "v1 = x \u003e 0" in titles
