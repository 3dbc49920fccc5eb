"""Pictures of a training."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET

import pytest

from scalargrad.view.training import Film, Window, decision_boundary, level, loss_curve, tiles
from tests.view.browser import chromium
from tests.view.conftest import Show

SVG = "{http://www.w3.org/2000/svg}"
SQUARE = Window(-1.0, 1.0, -1.0, 1.0)


def curve(svg: str) -> list[tuple[float, float]]:
    [path] = [e for e in ET.fromstring(svg).iter(f"{SVG}path") if e.get("class") == "curve"]
    pairs = re.findall(r"([\d.]+) ([\d.]+)", path.get("d", ""))
    return [(float(x), float(y)) for x, y in pairs]


def test_the_loss_is_drawn_on_a_logarithmic_scale_where_it_is_positive() -> None:
    points = curve(loss_curve([100.0, 10.0, 1.0]))
    assert [y for _, y in points] == [30, 150, 270]
    assert [y for _, y in curve(loss_curve([2.0, 1.0, 0.0]))] == [30, 150, 270]


def test_losses_that_are_not_finite_are_left_out() -> None:
    assert len(curve(loss_curve([1.0, math.inf, math.nan, 2.0]))) == 2
    assert len(curve(loss_curve([1.0]))) == 1
    with pytest.raises(ValueError, match="at least one finite loss"):
        loss_curve([math.nan])


def test_steps_and_hostile_titles() -> None:
    svg = loss_curve([2.0, 1.0], [5, 10], title="</title><script>x</script>]]>")
    texts = ["".join(e.itertext()) for e in ET.fromstring(svg).iter(f"{SVG}text")]
    assert "step 10" in texts
    assert "</title><script>x</script>]]>" in texts


def test_regions_and_points_of_a_boundary() -> None:
    svg = decision_boundary(
        lambda x, y: 3 * x, [(-0.5, 0.0), (0.5, 0.0)], [-1, 1], SQUARE, columns=8
    )
    root = ET.fromstring(svg)
    cells = list(root.iter(f"{SVG}rect"))
    # In each of 8 rows: sure and unsure of one class, then unsure and sure of the other.
    assert [(e.get("class"), e.get("opacity")) for e in cells[:4]] == [
        ("a", "0.5"),
        ("a", "0.25"),
        ("b", "0.25"),
        ("b", "0.5"),
    ]
    assert len(cells) == 32
    assert len(list(root.iter(f"{SVG}circle"))) == len(list(root.iter(f"{SVG}path"))) == 1


def test_levels() -> None:
    assert [level(x) for x in (-5.0, -0.5, 0.0, 0.5, 5.0)] == [-2, -1, -1, 1, 2]


def test_tiles_are_strong_where_weights_are_large() -> None:
    cells = list(ET.fromstring(tiles([[2.0, -1.0, 0.0, 0.5]], width=2)).iter(f"{SVG}rect"))
    assert [(e.get("class"), e.get("opacity")) for e in cells[1:]] == [
        ("b", "1.00"),
        ("a", "0.50"),
        ("b", "0.25"),
    ]
    ET.fromstring(tiles([], width=2))


def test_a_film_needs_a_frame() -> None:
    with pytest.raises(ValueError, match=r"call frame\(step, loss, score\)"):
        _ = Film([], [], SQUARE).html


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
def test_the_films_scrubber_shows_each_frame(show: Show) -> None:
    film = Film([(0.0, 0.5)], [1], SQUARE, "<b>title</b>", columns=4)
    film.frame(1, 2.0, lambda x, y: 3 * x)
    film.frame(7, 0.5, lambda x, y: -3 * x)
    browser = show(film)
    assert browser.text("h1") == "<b>title</b>"
    assert browser.text("#said") == "step 7: loss 0.5000"
    first = "document.querySelector('#cells rect').getAttribute('class')"
    assert browser.run(first) == "b"
    browser.run(
        "(() => { const s = document.getElementById('scrub'); s.value = 0;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    assert browser.run(first) == "a"
    assert browser.text("#said") == "step 1: loss 2.000"
    browser.run("document.getElementById('play').click()")
    assert browser.text("#play") == "stop"
    assert browser.problems == []
    assert json.loads(browser.text("#data"))["columns"] == 4
