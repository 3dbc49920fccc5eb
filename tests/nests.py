"""Nests to draw: numbers in lists, tuples, named tuples and dicts, within each other."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from hypothesis import strategies as st

Point = namedtuple("Point", ["x", "y"])


def nests(numbers: st.SearchStrategy[Any], max_leaves: int) -> st.SearchStrategy[Any]:
    return st.recursive(
        numbers,
        lambda nest: (
            st.lists(nest, max_size=3)
            | st.lists(nest, max_size=3).map(tuple)
            | st.dictionaries(st.text(max_size=2) | st.integers(), nest, max_size=3)
            | st.builds(Point, nest, nest)
        ),
        max_leaves=max_leaves,
    )
