"""Strategies for the numbers that go in: tame ones, and the edges where engines go wrong."""

import math
import sys
from fractions import Fraction

from hypothesis import strategies as st

from scalargrad.testing.functions import Operation

EDGES = (
    *(0, 1, -1, 2, -2, 3, 10**6, -(10**6)),
    *(0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -8.0),
    *(math.inf, -math.inf, math.nan),
    *(sys.float_info.max, sys.float_info.min, sys.float_info.epsilon, 5e-324),
    *(-sys.float_info.max, -sys.float_info.min, 1e6, -1e6, 1e154, 1e-154, 710.0, -745.2),
)
"""Numbers at which some function or derivative has an edge, overflows or is undefined."""


def edge_numbers() -> st.SearchStrategy[float]:
    """Return a strategy for ints and floats of any size, with the edges drawn on purpose."""
    return st.sampled_from(EDGES) | st.floats() | st.integers(-(10**6), 10**6)


def fractions() -> st.SearchStrategy[Fraction]:
    """Return a strategy for Fractions of moderate size, whole numbers among them."""
    return st.fractions(-10, 10, max_denominator=60)


def points(function: Operation, most: int = 5) -> st.SearchStrategy[list[float]]:
    """Return a strategy for lists of inputs at which `function` is tame.

    A function of any number of inputs gets an even number of them, two at least and about `most`
    at most.
    """
    columns = [
        st.one_of(*(st.floats(low, high, allow_subnormal=False) for low, high in intervals))
        for intervals in function.intervals
    ]
    if function.arity:
        return st.tuples(*columns).map(list)
    halves = st.tuples(columns[0], columns[0]).map(list)
    return st.lists(halves, min_size=1, max_size=max(1, most // 2)).map(
        lambda pairs: [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
    )
