"""Places: where a program computes each variable, at a row of its tree and under conditions.

That is the lowest row that has all its uses. Where both sides of a branch need a variable, it is
computed before the branch; where others need it, in each of these places. And what only one side of
a `where` needs, and may fail, is computed under its condition. So nothing is computed, and nothing
can fail, where it is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scalargrad.engine.primitive import op_of
from scalargrad.functions import choices
from scalargrad.programs.code import Branch, Code, Leaf, Literal, Operand
from scalargrad.programs.trace.safe import SAFE, is_safe

_WHERE, _LIKE = op_of(choices.where), choices.like.op
# Conditions, each with its truth, all of which hold.
Literals = frozenset[tuple[int, bool]]
_NONE: Literals = frozenset()
# The same of a place in a text, from the outermost one in.
Nest = tuple[tuple[Operand, bool], ...]


class Places:
    """Where a program computes its variables, and in which order: `steps()`.

    `choices` has each `where` whose condition is known wherever it is needed, with the side that it
    takes there. `lazy` are the variables that are computed under the condition of a `where`, and
    `conditions` are these conditions.

    >>> from scalargrad.functions.elementary import sin, cos
    >>> from scalargrad.programs.code import Equation
    >>> equations = [Equation(sin.op, (1,)), Equation(cos.op, (1,))]
    >>> tree = [Branch(0, 1, 2), Leaf(1, 2, None), Leaf(2, 3, None)]
    >>> places = Places(Code(2, equations, [0, 2, 3], {}, tree))
    >>> [(x, nest) for x, nest in places.steps() if type(x) is int]
    [(2, ((0, True),)), (3, ())]
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self.choices: dict[int, Operand] = {}
        self.lazy: set[int] = set()
        self.conditions: set[int] = set()
        whole: list[Branch | Leaf] = [Leaf(0, len(code.outputs), None)]
        self._tree = tree = whole if code.tree is None else code.tree
        self._is_straight = code.tree is None and not any(op is _WHERE for op, _ in code.equations)
        if self._is_straight:
            return
        self._risky = _risky_variables(code)
        self._is_straight = code.tree is None and not self._is_lazy()
        if self._is_straight:
            return
        self._above: dict[int, tuple[int, bool]] = {}
        # A row and all below it have the numbers from its own up to its last, on the way down.
        self._number: dict[int, int] = {}
        order: list[int] = []
        stack = [0] if tree else []
        while stack:
            row = stack.pop()
            self._number[row] = len(order)
            order.append(row)
            node = tree[row]
            if isinstance(node, Branch):
                for side, truth in ((node.no, False), (node.yes, True)):
                    if side >= 0:
                        self._above[side] = row, truth
                        stack.append(side)
        # For each row how many paths go on from there.
        self._leaves = [0] * len(tree)
        self._last = dict(self._number)
        for row in reversed(order):
            if isinstance(tree[row], Leaf):
                self._leaves[row] = 1
            if row in self._above:
                above, _ = self._above[row]
                self._leaves[above] += self._leaves[row]
                self._last[above] = max(self._last[above], self._last[row])
        # For each row its variables, with the conditions under which they are needed.
        self._variables: list[dict[int, Literals]] = [{} for _ in tree]
        self._place()

    def _place(self) -> None:
        code, first = self._code, self._code.inputs
        # For each variable the rows that need it, with the conditions that hold at all its uses.
        needs: dict[int, dict[int, Literals]] = {}
        for row, node in enumerate(self._tree):
            leaf = isinstance(node, Leaf)
            start, stop = (node.start, node.stop) if leaf else (node.place, node.place + 1)  # type: ignore[union-attr]
            for x in code.outputs[start:stop]:
                if type(x) is int:
                    needs.setdefault(x, {})[row] = _NONE
        for k in range(first + len(code.equations) - 1, first - 1, -1):
            if k not in needs:
                continue
            found = self._lowest(needs.pop(k))
            op, operands = code.equations[k - first]
            sides: tuple[Literals, ...] = ()
            if op is _WHERE and type(c := operands[0]) is int:
                chosen = [
                    x
                    for x, truth in zip(operands[1:], (True, False), strict=True)
                    if all((c, truth) in literals for literals in found.values())
                ]
                if chosen:
                    operands = (chosen[0],)
                    self.choices[k] = chosen[0]
                elif any(type(x) is int and self._risky[x] for x in operands[1:]):
                    self.conditions.add(c)
                    sides = (_NONE, frozenset([(c, True)]), frozenset([(c, False)]))
            for row, literals in found.items():
                self._variables[row][k] = literals
                for i, x in enumerate(operands):
                    if type(x) is int and x >= first:
                        own = literals | sides[i] if sides and self._risky[x] else literals
                        rows = needs.get(x)
                        if rows is None:
                            needs[x] = {row: own}
                        else:
                            rows[row] = rows[row] & own if row in rows else own

    def _lowest(self, needs: dict[int, Literals]) -> dict[int, Literals]:
        """Return the lowest rows that serve all these, and no path that does not need it.

        With each come the conditions that hold wherever it is needed from there on.
        """
        if len(needs) == 1:
            return needs
        kept: list[tuple[int, Literals]] = []
        last = -1
        for row, literals in sorted(needs.items(), key=lambda need: self._number[need[0]]):
            if self._number[row] <= last:  # it is below that row
                at, others = kept[-1]
                kept[-1] = at, others & literals
                continue
            last = self._last[row]
            # With the other side of the same branch, it is needed before that.
            while kept and row in self._above:
                above, truth = self._above[row]
                other, others = kept[-1]
                if truth or self._tree[above].yes != other:  # type: ignore[union-attr]
                    break
                kept.pop()
                row, literals = above, literals & others
            kept.append((row, literals))
        return dict(kept)

    def _is_lazy(self) -> bool:
        """Return whether a `where` has a side that may fail."""
        return any(
            op is _WHERE and any(type(x) is int and self._risky[x] for x in operands[1:])
            for op, operands in self._code.equations
        )

    def recount(self, uses: Any) -> None:
        """Correct how often each variable is used: what is chosen stands for the choice."""
        for k in sorted(self.choices, reverse=True):
            if type(x := self.choices[k]) is int:
                uses[x] += uses[k] - 1

    def steps(self) -> Iterator[tuple[int | Leaf | None, Nest]]:
        """Give what is to be written, in order, and under which conditions.

        That is a variable; a leaf, with which its path ends; or None for a side of a branch that
        has not been traced. Where no condition is left, it is as none of those before holds.
        """
        if self._is_straight:
            first = self._code.inputs
            yield from [(k, ()) for k in range(first, first + len(self._code.equations))]
            yield self._tree[0], ()  # type: ignore[misc]
        else:
            yield from self._from(0 if self._tree else -1, ())

    def _from(self, row: int, nest: Nest) -> Iterator[tuple[int | Leaf | None, Nest]]:
        while row >= 0:
            for k, literals in self._ordered(row):
                yield k, nest + literals
            node = self._tree[row]
            if isinstance(node, Leaf):
                yield node, nest
                return
            # The side of fewer paths stands within, the other one goes on below: 64 nest 6 deep.
            within, row = node.yes, node.no
            turned = within >= 0 and (row < 0 or self._leaves[row] < self._leaves[within])
            if turned:
                within, row = row, within
            condition = self._code.outputs[node.place]
            yield from self._from(within, (*nest, (condition, not turned)))
        yield None, nest

    def _needs_of(self, x: int, row: int) -> Literals:
        """Return the conditions under which what a row uses is computed, there or above."""
        while x not in self._variables[row] and row in self._above:
            row, _ = self._above[row]
        return self._variables[row].get(x, _NONE)

    def _ordered(self, row: int) -> list[tuple[int, Nest]]:
        """Return the variables of a row in an order in which they can be computed.

        With each come the conditions under which it is, each after those that it needs itself.
        """
        needs = self._variables[row]
        if not any(needs.values()):
            return [(k, ()) for k in reversed(needs)]
        conditions = {c for literals in needs.values() for c, _ in literals}
        sizes = {c: len(self._needs_of(c, row)) for c in conditions}
        nests = {
            k: tuple(sorted(literals, key=lambda literal: (sizes[literal[0]], literal)))
            if literals
            else ()
            for k, literals in needs.items()
        }
        self.lazy.update([k for k, literals in needs.items() if literals])
        found: dict[int, None] = {}
        for k in reversed(needs):
            if not needs[k]:  # its operands come before it
                found[k] = None
                continue
            stack = [k]
            while stack:
                x = stack[-1]
                operands = self._code.equations[x - self._code.inputs].operands
                operands = (self.choices[x],) if x in self.choices else operands
                before = {y for y in (*operands, *[c for c, _ in nests[x]]) if y in needs}
                missing = [y for y in before if y not in found]
                if missing:
                    stack += sorted(missing, reverse=True)
                else:
                    found[stack.pop()] = None
        return [(k, nests[k]) for k in found]


def _risky_variables(code: Code) -> list[bool]:
    """Return for each variable whether computing it may fail."""
    found = [False] * code.inputs
    for op, operands in code.equations:
        risky = False
        if op not in SAFE:
            last = operands[-1] if operands else None
            risky = not is_safe(op, last.value if type(last) is Literal else None)
        for x in operands:
            if type(x) is int and found[x]:
                risky = True
        found.append(risky and op is not _LIKE)
    return found
