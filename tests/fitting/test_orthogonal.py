"""QR: held against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from operator import mul

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scalargrad.fitting.orthogonal import QR

Matrix = list[list[float]]  # by columns


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    n = draw(st.integers(1, 4))
    m = draw(st.integers(n, 7))
    numbers = st.integers(-9, 9).map(float)
    return draw(st.lists(st.lists(numbers, min_size=m, max_size=m), min_size=n, max_size=n))


def exact_solution(rows: list[list[Fraction]]) -> list[Fraction] | None:
    """Solve a square system, given with its right side as the last column: Gauss and Jordan."""
    n = len(rows)
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def least_squares_exactly(columns: Matrix, b: list[float]) -> list[Fraction] | None:
    exact = [[Fraction(x) for x in column] for column in [*columns, b]]
    return exact_solution(
        [[sum(map(mul, one, other), Fraction()) for other in exact] for one in exact[:-1]]
    )


@given(columns=matrices(), data=st.data())
def test_solves_least_squares(columns: Matrix, data: st.DataObject) -> None:
    m = len(columns[0])
    b = data.draw(st.lists(st.integers(-9, 9).map(float), min_size=m, max_size=m))
    exact = least_squares_exactly(columns, b)
    qr = QR(columns)
    assume(exact is not None)
    assert exact is not None
    assert qr.rank() == len(columns)
    # Integers up to 9 in four columns: the condition is at most about 1e5, its square comes in.
    assert qr.solve(b) == pytest.approx([float(x) for x in exact], rel=1e-9, abs=1e-9)


@given(columns=matrices())
def test_is_a_rotation_of_the_matrix(columns: Matrix) -> None:
    qr = QR(columns)
    for k, place in enumerate(qr.order):
        rotated = qr.rotated(columns[place])
        zeros = [0.0] * (qr.rows - k - 1)
        assert rotated == pytest.approx([*qr.triangle[k], *zeros], abs=1e-12)
        assert math.hypot(*rotated) == pytest.approx(math.hypot(*columns[place]), rel=1e-13)
    assert sorted(qr.order) == list(range(len(columns)))
    diagonal = [abs(column[-1]) for column in qr.triangle]
    assert all(b <= a * (1 + 1e-12) + 1e-12 for a, b in pairwise(diagonal))


@given(columns=matrices(), data=st.data())
def test_tells_a_column_that_others_make_up(columns: Matrix, data: st.DataObject) -> None:
    a, b = data.draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
    first, last = columns[0], columns[-1]
    made_up = [a * x + b * y for x, y in zip(first, last, strict=True)]
    padded = [[*column, 1.0 * i, 0.0] for i, column in enumerate(columns)]
    made_up += [a * 0.0 + b * (len(columns) - 1.0), 0.0]
    assert QR([*padded, made_up]).rank() == QR(padded).rank()


@given(columns=matrices())
def test_inverse_of_the_normal_matrix(columns: Matrix) -> None:
    n = len(columns)
    assume(least_squares_exactly(columns, columns[0]) is not None)
    inverse = QR(columns).inverse_of_normal_matrix()
    for i in range(n):
        product = [
            math.fsum(inverse[i][k] * math.fsum(map(mul, columns[k], columns[j])) for k in range(n))
            for j in range(n)
        ]
        assert product == pytest.approx([float(i == j) for j in range(n)], abs=1e-6)


def test_numbers_of_any_size() -> None:
    # Their squares are too large or too small for a float.
    assert QR([[3e200, 4e200]]).solve([3e200, 4e200]) == pytest.approx([1.0])
    assert QR([[3e-200, 4e-200]]).solve([3e-200, 4e-200]) == pytest.approx([1.0])
    assert QR([[0.0, 0.0]]).rank() == 0


def test_nothing_cancels_where_a_column_is_nearly_a_unit_vector() -> None:
    assert QR([[1.0, 1e-9]]).rotated([1.0, 1e-9]) == pytest.approx([-1.0, 0.0], abs=1e-24)
    assert QR([[-1.0, 1e-9]]).rotated([-1.0, 1e-9]) == pytest.approx([1.0, 0.0], abs=1e-24)
