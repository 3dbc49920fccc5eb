"""Kinds: what each op gives, for operands of each kind, is of the kind that is said."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from scalargrad.engine.op import Op
from scalargrad.functions.methods import all_ops
from scalargrad.programs.passes.kinds import (
    ANY,
    BOOL,
    EITHER,
    FLOAT,
    INT,
    kind_of,
    result_kind,
    wide,
)

# Of a float or an int, and of anything, no number is an example: it is one of the others.
EXAMPLES: dict[str, list[Any]] = {
    FLOAT: [0.0, -0.0, 0.5, -2.0, 3.0],
    INT: [0, 1, -2, 3],
    BOOL: [True, False],
}
HOLDS: dict[Any, set[type]] = {FLOAT: {float}, INT: {int}, EITHER: {float, int}, BOOL: {bool}}
FAILURES = (ArithmeticError, ValueError, TypeError)


def results(op: Op, kinds: tuple[str, ...]) -> set[type]:
    found = set()
    for numbers in product(*[EXAMPLES[kind] for kind in kinds]):
        try:
            found.add(type(op.forward(*numbers)))
        except FAILURES:
            continue
    return found


# Python 3.12 and later warn of ~ on bools.
@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
@pytest.mark.parametrize("name", sorted(all_ops()))
def test_results_are_of_the_kind_that_is_said(name: str) -> None:
    op = all_ops()[name]
    for count in [len(op.rules)] if op.rules else [1, 2, 3, 4]:
        for kinds in product(EXAMPLES, repeat=count):
            said = result_kind(op, kinds)
            if said != ANY:
                # Python's own complex numbers, which no Value takes, aside.
                assert results(op, kinds) - {complex} <= HOLDS[said], kinds


@pytest.mark.parametrize("name", sorted(all_ops()))
def test_less_is_said_where_less_is_known(name: str) -> None:
    op = all_ops()[name]
    for count in [len(op.rules)] if op.rules else [1, 2, 3]:
        for kinds in product(EXAMPLES, repeat=count):
            exact, loose = result_kind(op, kinds), result_kind(op, tuple(map(wide, kinds)))
            assert loose in (exact, ANY) or (loose == EITHER and exact in (FLOAT, INT)), kinds


def test_kinds_of_numbers() -> None:
    assert [kind_of(xs) for xs in ([], [0.5], [1], [1, 0.5], [True], [1j])] == [
        *(FLOAT, FLOAT, EITHER, EITHER, ANY, ANY),
    ]
    assert wide((INT, (BOOL, FLOAT), ANY)) == (EITHER, (BOOL, FLOAT), ANY)
