"""Long lists of cases: the suite runs one in so many, and `-m slow` runs the rest."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any

import pytest


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
