"""Places: at which row of its tree a program computes each variable.

That is the lowest one that has all its uses. Where both sides of a branch need a variable, it is
computed before the branch; where others need it, in each of these places: so nothing is computed,
and nothing can fail, on a path that does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence

from scalargrad.programs.code import Branch, Code, Leaf


class Places:
    """The variables that are computed at each row of a tree, in order, before its branch.

    `leaves` has of each row how many paths go on from there.

    >>> from scalargrad.functions.elementary import sin, cos
    >>> from scalargrad.programs.code import Equation
    >>> equations = [Equation(sin.op, (1,)), Equation(cos.op, (1,))]
    >>> tree = [Branch(0, 1, 2), Leaf(1, 2, None), Leaf(2, 3, None)]
    >>> Places(Code(2, equations, [0, 2, 3], {}, tree)).variables
    [[], [2], [3]]
    """

    def __init__(self, code: Code) -> None:
        assert code.tree is not None
        self._tree = tree = code.tree
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
        self.leaves = [0] * len(tree)
        self._last = dict(self._number)
        for row in reversed(order):
            if isinstance(tree[row], Leaf):
                self.leaves[row] = 1
            if row in self._above:
                above, _ = self._above[row]
                self.leaves[above] += self.leaves[row]
                self._last[above] = max(self._last[above], self._last[row])
        self.variables: list[list[int]] = [[] for _ in tree]
        self._place(code)

    def _place(self, code: Code) -> None:
        needs: dict[int, list[int]] = {}
        for row, node in enumerate(self._tree):
            leaf = isinstance(node, Leaf)
            start, stop = (node.start, node.stop) if leaf else (node.place, node.place + 1)  # type: ignore[union-attr]
            for x in code.outputs[start:stop]:
                if type(x) is int:
                    needs.setdefault(x, []).append(row)
        for k in range(code.inputs + len(code.equations) - 1, code.inputs - 1, -1):
            if k not in needs:
                continue
            rows = self.lowest(needs.pop(k))
            for row in rows:
                self.variables[row].append(k)
            for x in code.equations[k - code.inputs].operands:
                if type(x) is int:
                    needs.setdefault(x, []).extend(rows)
        for found in self.variables:
            found.reverse()

    def lowest(self, rows: Sequence[int]) -> list[int]:
        """Return the lowest rows that serve all of `rows`, and no path that does not need it."""
        if len(rows) == 1:
            return list(rows)
        kept: list[int] = []
        last = -1
        for row in sorted(rows, key=self._number.__getitem__):
            if self._number[row] <= last:
                continue  # it is below one that is kept
            last = self._last[row]
            # With the other side of the same branch, it is needed before that.
            while kept and row in self._above:
                above, truth = self._above[row]
                if truth or self._tree[above].yes != kept[-1]:  # type: ignore[union-attr]
                    break
                kept.pop()
                row = above
            kept.append(row)
        return kept
