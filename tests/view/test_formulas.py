"""`formula`: the function and its gradient, read back and computed."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    TraceError,
    Value,
    exp,
    explain,
    grad,
    hypot,
    log,
    sigmoid,
    sin,
    sinc,
    sqrt,
    stop_gradient,
    sumprod,
    where,
)
from scalargrad.view.drawing import draw
from scalargrad.view.formulas import formula

EIGHTHS = st.integers(-24, 24).map(lambda n: n / 8)


def test_text_and_latex() -> None:
    found = formula(lambda x, y: x * y + sin(x), 2.0, 3.0)
    assert found.text == "f = x · y + sin(x)\n∂f/∂x = y + cos(x)\n∂f/∂y = x"
    assert found.ascii == "f = x * y + sin(x)\ndf/dx = y + cos(x)\ndf/dy = x"
    assert str(found) == repr(found) == found.text
    assert found._repr_latex_() == f"$\\displaystyle {found.latex}$"
    assert r"\frac{\partial f}{\partial x} &= y + \cos\left(x\right) \\" in found.latex


def test_captured_values_are_names_too() -> None:
    w = Value(2.0)
    assert formula(lambda x: w * x, 3.0).text == "f = w · x\n∂f/∂x = w\n∂f/∂w = x"


def test_names_in_latex() -> None:
    found = formula(lambda theta, x1, rate: theta * x1 + rate, 1.0, 2.0, 3.0).latex
    assert r"f &= \theta \cdot x_{1} + \mathrm{rate}" in found


def test_fractions_roots_powers_and_cases_in_latex() -> None:
    found = formula(lambda x: where(x > 0, sqrt(x) / 2, exp(-(x**2))), 2.0).latex
    assert r"\frac{\sqrt{x}}{2}" in found
    assert r"e^{-x^{2}}" in found
    assert r"\begin{cases}" in found
    assert r"\sqrt{x^{2} + y^{2}}" in formula(lambda x, y: hypot(x, y), 3.0, 4.0).latex


def test_hostile_names_in_latex_are_text() -> None:
    evil = Value(2.0, r"\input{x} $%#&_^~")
    found = formula(lambda x: x * evil, 3.0).latex
    assert r"\input" not in found
    assert r"\backslash input\{x\}\ \$\%\#\&\_\wedge \sim " in found


def test_long_parts_that_are_used_again_get_names() -> None:
    def doubling(x: Any) -> Any:
        for _ in range(40):
            x = sin(x) * exp(x)
        return x

    text = formula(doubling, 0.5).text
    assert "t1 = " in text
    assert len(text) < 40_000


def test_what_needs_the_number_itself_is_an_error_that_names_the_cure() -> None:
    with pytest.raises(TraceError, match="a traced number has no value"):
        formula(lambda x: x * int(x), 1.0)


def test_a_value_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"explain\(v\) shows them"):
        formula(Value(1.0) * 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a function of one result"):
        formula(lambda x: [x, x], 2.0)
    assert scalargrad.Value is Value


def test_parts_are_named_in_order() -> None:
    def f(x: Any) -> Any:
        a = sin(x) * exp(x) + x / (x + 2)
        b = a * a + sin(a) * exp(a) + hypot(a, x)
        c = b * b + sin(b) * exp(b) + hypot(b, a)
        return c * c + sin(c) * exp(c)

    lines = formula(f, 1.5).text.splitlines()
    names = [line.split(" = ")[0] for line in lines if line.startswith("t")]
    assert len(names) > 3
    assert names == [f"t{n}" for n in range(1, len(names) + 1)]


def test_constants_are_written_as_people_write_them() -> None:
    f = formula(lambda x, y: sumprod([0.5, 1.0, -2.5], [x, y, x * y]), 1.0, 2.0)
    assert f.ascii.splitlines()[0] == "f = 0.5 * x + y + (-2.5) * x * y"
    assert r"f &= 0.5 \cdot x + y + " in f.latex
    assert formula(lambda x: x * -0.0, 1.0).ascii.splitlines()[0] == "f = x * (-0.0)"


def test_products_keep_their_brackets() -> None:
    found = formula(lambda x, y: (x + y) * (x - y) * 3.0 - x * y, 1.0, 2.0)
    assert found.ascii.splitlines()[0] == "f = (x + y) * (x - y) * 3 - x * y"
    left, right = r"\left(x + y\right)", r"\left(x - y\right)"
    assert rf"f &= {left} \cdot {right} \cdot 3 - x" in found.latex


def test_derivatives_of_powers_by_their_exponents_have_powers_of_logarithms() -> None:
    def slope(x: Any, n: Any) -> Any:
        return grad(lambda n: x**n)(n)

    found = formula(slope, 2.0, 3.0)
    assert found.ascii.splitlines()[0] == "slope = x**n * log(x)"
    assert found.ascii.splitlines()[2] == "dslope/dn = log(x) * x**n * log(x)"
    assert r"x^{n} \cdot \log\left(x\right)" in found.latex
    assert r"f &= \log^{2}\left(x\right)" in formula(lambda x: log(x) ** 2, 2.0).latex


def test_printed_in_ascii_where_that_is_all_that_can_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    print(formula(lambda x, y: x * y, 1.0, 2.0))
    print(draw(lambda x, y: x * y, 1.0, 2.0))
    sys.stdout.flush()
    text = shown.getvalue().decode("ascii")
    assert "df/dx = y\n" in text
    assert "f = x * y, value 2.0" in text


def test_letters_that_mean_something_are_no_names_of_variables() -> None:
    found = formula(lambda e, pi: e * exp(pi) + sinc(e), 1.0, 2.0).latex
    assert r"e \cdot \exp\left(\pi\right)" in found
    assert "3.14159" in found
    assert r"\operatorname{sigmoid}" in formula(lambda sigma: sigmoid(sigma), 1.0).latex
    assert r"\sigma\left(x\right)" in formula(lambda x: sigmoid(x), 1.0).latex


def test_a_choice_of_ones_own_stays() -> None:
    found = formula(lambda x: where(x == 0, 1.0, sin(x) / x), 1.0).text
    assert found.splitlines()[0] == "f = where(x == 0, 1, sin(x) / x)"


def test_a_number_kept_constant_is_told_from_itself() -> None:
    formulas = formula(lambda x: x * stop_gradient(x) + 0.0**x, 3.0)
    assert formulas.ascii == "f = x * stop_gradient(x) + 0**x\ndf/dx = stop_gradient(x)"
    assert r"&= \operatorname{stop\_gradient}\left(x\right)" in formulas.latex
    assert "v1 = stop_gradient(x) = stop_gradient(3.0) = 3.0" in str(
        explain(lambda x: x * stop_gradient(x), 3.0)
    )
