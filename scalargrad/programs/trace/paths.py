"""Paths: what a function computes on one way through its branches, and the tree of them.

Each equation is there once, by its op and operands, however many paths have it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from sys import getrefcount
from typing import Any, NamedTuple

from scalargrad.engine.errors import shown_line
from scalargrad.engine.op import Op
from scalargrad.engine.value import Value
from scalargrad.programs.code import (
    Branch,
    Builder,
    Call,
    Code,
    Leaf,
    Literal,
    Operand,
    constant_key,
    rebuild,
)
from scalargrad.transforms.nesting import Structure


class Path(NamedTuple):
    """What a function computes for some numbers, and on which truths of conditions that depends.

    The outputs of its Code are those of the result; then, for `.backward`, the derivatives by
    `captured`; and then the conditions, of which `guards` has the truths and lines. `captured` are
    the Values that are inputs after the arguments' numbers; those that are None were made on the
    way, and are the constants `made`. `followed` are those by which a transform differentiates now.
    """

    code: Code
    guards: Sequence[tuple[bool, tuple[str, int]]]
    captured: Sequence[Value | None]
    made: Sequence[Any]
    result: Structure
    backward: bool
    followed: tuple[Any, ...]


class Differs(Exception):
    """Raised where a function did not do again what it had done before it came to a branch.

    Its text names the line of the branch.
    """


class Paths:
    """The paths that were traced of one function of so many numbers.

    `catches` says whether it, or a function that it reaches, catches errors.
    """

    def __init__(self, inputs: int, catches: bool) -> None:
        self.inputs, self.catches = inputs, catches
        self.lock = threading.Lock()
        # Why there will be no further ones, "" if there may be; and whether users were told.
        self.closed, self.told = "", False
        # How many there were when the text was written, and how many calls ran without it since.
        self.written = self.fallen = 0
        # Functions that were traced for calls, and whether calls are inlined.
        self.subprograms: dict[Any, Any] = {}
        self.inline = False
        self.clear()

    def clear(self) -> None:
        """Forget all paths."""
        self._paths: list[Path] = []
        self._captured: dict[Value, int] = {}
        self._start()

    def _start(self) -> None:
        self._builder = Builder(self.inputs + len(self._captured))
        self._outputs: list[Operand] = []
        self._tree: list[Branch | Leaf] = []
        self._called: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def has_calls(self) -> bool:
        """Return whether compiled functions are called on a path."""
        return any(isinstance(op, Call) for path in self._paths for op, _ in path.code.equations)

    @property
    def last_line(self) -> tuple[str, int]:
        """Return the file and line of the last branch of the path that was added last."""
        return self._paths[-1].guards[-1][1]

    @property
    def captured(self) -> list[Value]:
        """The Values that are inputs after the arguments' numbers."""
        return list(self._captured)

    @property
    def code(self) -> Code:
        """All paths as one Code: with a tree."""
        code = self._builder.code
        return Code(
            code.inputs, [*code.equations], [*self._outputs], {**code.labels}, [*self._tree]
        )

    def is_due(self) -> bool:
        """Return whether the text is to be written anew: not for each path, if there are many."""
        waiting = len(self._paths) - self.written
        return waiting > 0 and (waiting * 4 >= self.written or self.fallen > self.written)

    def add(self, path: Path) -> None:
        """Add a path, unless it is there already. Raises Differs."""
        new = [x for x in path.captured if x is not None and x not in self._captured]
        if new:
            self._captured.update(
                {x: self.inputs + len(self._captured) + k for k, x in enumerate(new)}
            )
            self._start()
            for known in self._paths:
                self._insert(known)
        if self._insert(path):
            self._paths.append(path)

    def _insert(self, path: Path) -> bool:
        """Add the equations of a path, and its leaf to the tree; return whether there was none."""
        met: Counter[Any] = Counter()

        def rule(op: Op, operands: tuple[Operand, ...]) -> Operand:
            if op.shares:
                return self._builder.add(op, operands)
            # A user's code is called as often as it was on each path.
            key = op, *[x if type(x) is int else (constant_key(x.value),) for x in operands]  # type: ignore[union-attr]
            met[key] += 1
            place = self._called.get((key, met[key]))
            if place is None:
                place = self._called[key, met[key]] = self._builder.write(op, operands)
            return place

        pairs = zip(path.captured, path.made, strict=True)
        given = [Literal(number) if x is None else self._captured[x] for x, number in pairs]
        code = rebuild(path.code, self._builder, rule, [*range(self.inputs), *given])
        ends = code.outputs
        count = len(ends) - len(path.guards)
        at, row = (-1, True), 0 if self._tree else -1
        truths: dict[Operand, bool] = {}
        for condition, (truth, line) in zip(ends[count:], path.guards, strict=True):
            if condition in truths:
                if truths[condition] is not truth:
                    raise Differs(shown_line(*line))
                continue
            truths[condition] = truth
            if row < 0:
                self._outputs.append(condition)
                row = self._put(Branch(len(self._outputs) - 1), at)
            node = self._tree[row]
            if type(node) is Leaf or self._outputs[node.place] != condition:  # type: ignore[union-attr]
                raise Differs(shown_line(*line))
            at, row = (row, truth), node.yes if truth else node.no  # type: ignore[union-attr]
        if row >= 0:
            if type(self._tree[row]) is not Leaf:
                raise Differs("")
            return False
        ends = ends[:count]
        if path.backward:
            slopes = dict(zip(path.captured, ends[1:], strict=True))
            ends = [ends[0], *[slopes.get(x, Literal(0)) for x in self._captured]]
        start = len(self._outputs)
        self._outputs += ends
        self._put(Leaf(start, len(self._outputs), path.result), at)
        return True

    def _put(self, node: Branch | Leaf, at: tuple[int, bool]) -> int:
        """Add a row to the tree, on a side of one that is there; return its number."""
        self._tree.append(node)
        row = len(self._tree) - 1
        above, truth = at
        if above >= 0:
            side = {"yes": row} if truth else {"no": row}
            self._tree[above] = self._tree[above]._replace(**side)
        return row


def held_elsewhere(values: list[Value]) -> list[bool]:
    """Return of each of some Values whether anything but this list holds it.

    What a function made on the way is held by nothing else, when its symbols are gone.

    >>> x = Value(1.0)
    >>> held_elsewhere([x, Value(2.0)])
    [True, False]
    """
    return [count > _ALONE for count in _references(values)]


def _references(values: list[Value]) -> list[int]:
    return [getrefcount(x) for x in values]


[_ALONE] = _references([Value(0.0)])
