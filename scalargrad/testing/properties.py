"""All properties of an engine, in the order in which they are tested and told."""

import fnmatch
from collections.abc import Sequence

from scalargrad.testing.laws import graphs, ops, passes, tastes, whole
from scalargrad.testing.laws.law import Judge, Property

ALL: list[Property] = [
    *(*whole.FIRST, *ops.LAWS, *graphs.LAWS, *tastes.KINKS),
    *(*passes.LAWS, *whole.LAWS, *tastes.LAWS),
]
JUDGES: dict[str, Judge] = {p.name: p.judge for p in ALL} | ops.PARTS | graphs.PARTS
"""The judges of all properties, and of parts of some, by name."""


def select(patterns: Sequence[str]) -> list[Property]:
    """Return the properties whose names match one of the patterns (`derivative-*`).

    Raises ValueError for a pattern that matches none.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(p.name, pattern) for p in ALL):
            some = ", ".join(p.name for p in ALL if p.op is None)
            raise ValueError(
                f"no property is called {pattern!r}: there are value-OP, derivative-OP, "
                f"numbers-OP, large-OP, domain-OP, {some}"
            )
    if not patterns:
        return list(ALL)
    return [p for p in ALL if any(fnmatch.fnmatchcase(p.name, pattern) for pattern in patterns)]
