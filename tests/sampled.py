"""Long lists of cases: the suite runs one in so many, and `-m slow` runs the rest."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any

import pytest

from scalargrad.testing import FUNCTIONS


def one_in(every: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases as parameters, named by their text: but for one in `every` they are slow."""
    return [
        pytest.param(
            *(case if type(case) is tuple else [case]),
            id=None if type(case) in (tuple, FunctionType) else str(case),
            marks=[pytest.mark.slow] if n % every else [],
        )
        for n, case in enumerate(cases)
    ]


def by_differences(exact: Iterable[str]) -> pytest.MarkDecorator:
    """Parametrize by `function`: those that are held against something exact as well are slow."""
    names = set(exact)
    return pytest.mark.parametrize(
        "function",
        [
            pytest.param(f, id=f.name, marks=[pytest.mark.slow] if f.name in names else [])
            for f in FUNCTIONS.values()
        ],
    )
