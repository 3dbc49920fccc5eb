"""Nests taken apart and put together again."""

from __future__ import annotations

import gc
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Value
from scalargrad.transforms.nesting import flatten, unflatten
from tests.nests import Point, nests

numbers = st.one_of(
    st.floats(allow_nan=False),
    st.integers(),
    st.booleans(),
    st.fractions(),
    st.decimals(allow_nan=False),
    st.floats(-1, 1).map(Value),
)
NESTS = nests(numbers, max_leaves=12)


def described(nest: Any, numbers: list[Any]) -> str:
    """Return the nest as text with its kinds and keys but no numbers; gather those in order."""
    if isinstance(nest, dict):
        items = [f"{key!r}: {described(nest[key], numbers)}" for key in nest]
    elif isinstance(nest, list | tuple):
        items = [described(item, numbers) for item in nest]
    else:
        numbers.append(nest)
        return "number"
    return f"{type(nest).__name__}({', '.join(items)})"


@given(nest=NESTS)
def test_flatten_and_unflatten_are_inverse(nest: Any) -> None:
    found, structure = flatten(nest)
    expected: list[Any] = []
    text = described(nest, expected)
    assert len(found) == len(expected)
    assert all(a is b for a, b in zip(found, expected, strict=True)), "the same objects, in order"
    again: list[Any] = []
    assert described(unflatten(structure, found), again) == text
    assert all(a is b for a, b in zip(again, expected, strict=True))


@given(nest=NESTS, other=NESTS)
def test_structures_are_equal_for_equal_nestings_and_hashable(nest: Any, other: Any) -> None:
    one, two = flatten(nest)[1], flatten(other)[1]
    assert (one == two) is (described(nest, []) == described(other, []))
    changed = unflatten(one, [0.5] * len(flatten(nest)[0]))
    assert flatten(changed)[1] == one
    assert hash(flatten(changed)[1]) == hash(one)


@given(nest=NESTS)
def test_anything_may_stand_in_the_places_of_the_numbers(nest: Any) -> None:
    found, structure = flatten(nest)
    strings = [f"number {i}" for i in range(len(found))]
    expected: list[Any] = []
    assert described(unflatten(structure, strings), expected) == described(nest, [])
    assert expected == strings


def test_a_nest_is_not_changed_and_not_shared() -> None:
    inner = [1.0, 2.0]
    nest = {"a": inner, "b": (inner, [])}
    found, structure = flatten(nest)
    again = unflatten(structure, found)
    again["a"].append(3.0)
    assert nest == {"a": [1.0, 2.0], "b": ([1.0, 2.0], [])}
    assert again["b"] == ([1.0, 2.0], [])


def test_every_real_kind_is_a_number() -> None:
    kinds = [1, 1.5, True, Fraction(1, 2), Decimal("0.5"), Value(1.0), float("nan"), float("inf")]
    found, _ = flatten(kinds)
    assert all(a is b for a, b in zip(found, kinds, strict=True))


def test_other_dicts_come_back_as_dicts_in_their_order() -> None:
    found, structure = flatten(OrderedDict(b=1.0, a=2.0))
    assert found == [1.0, 2.0]
    assert list(unflatten(structure, found).items()) == [("b", 1.0), ("a", 2.0)]


@pytest.mark.parametrize("bad", ["1.0", b"1", 1j, {1.0}, object(), iter([1.0]), float])
def test_what_is_no_number_is_refused_with_its_place(bad: Any) -> None:
    kind = type(bad).__name__
    words = rf"must be a number, or lists, tuples and dicts of numbers, not .* \({kind}\)"
    for nest, place in (
        (bad, "weights"),
        ([1.0, bad], r"weights\[1\]"),
        ({"a": (1.0, [2.0, {3: bad}])}, r"weights\['a'\]\[1\]\[1\]\[3\]"),
        ([Point(1.0, bad)], r"weights\[0\]\[1\]"),
    ):
        with pytest.raises(TypeError, match=rf"^{place} {words}$"):
            flatten(nest, "weights")


def test_static_types_are_part_of_the_structure() -> None:
    nest = {"mode": "fast", "w": [1.0, None]}
    found, structure = flatten(nest, static=(str, type(None)))
    assert found == [1.0]
    assert unflatten(structure, [2.0]) == {"mode": "fast", "w": [2.0, None]}
    other = flatten({"mode": "slow", "w": [1.0, None]}, static=(str, type(None)))[1]
    assert structure != other


def test_nothing_is_left_for_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        found, structure = flatten({"a": [Value(1.0), (2.0, 3.0)]})
        unflatten(structure, found)
        assert gc.collect() == 0
    finally:
        gc.enable()
