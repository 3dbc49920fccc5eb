"""First a graph, then its numbers: `forward()` computes them, and they are None before."""

from __future__ import annotations

from typing import Any


class Node:
    def __init__(self, v: Any, op: str = "", inputs: tuple[Node, ...] = ()) -> None:
        self.v = v
        self.d: float = 0.0
        self.op = op
        self.inputs = inputs

    @staticmethod
    def lift(x: Any) -> Node:
        return x if isinstance(x, Node) else Node(x)

    def __add__(self, other: Any) -> Node:
        return Node(None, "+", (self, self.lift(other)))

    def __mul__(self, other: Any) -> Node:
        return Node(None, "*", (self, self.lift(other)))

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Node:
        return self * -1.0

    def relu(self) -> Node:
        return Node(None, "relu", (self,))

    def order(self) -> list[Node]:
        ordered, seen, stack = [], set(), [self]
        while stack:
            node = stack[-1]
            missing = [x for x in node.inputs if x not in seen]
            if missing:
                stack += missing
                continue
            stack.pop()
            if node not in seen:
                seen.add(node)
                ordered.append(node)
        return ordered

    def forward(self) -> Any:
        for node in self.order():
            xs = [x.v for x in node.inputs]
            if node.op == "+":
                node.v = xs[0] + xs[1]
            elif node.op == "*":
                node.v = xs[0] * xs[1]
            elif node.op == "relu":
                node.v = max(xs[0], 0.0)
        return self.v

    def backward(self) -> None:
        ordered = self.order()
        for node in ordered:
            node.d = 0.0
        self.d = 1.0
        for node in reversed(ordered):
            if node.op == "+":
                for x in node.inputs:
                    x.d += node.d
            elif node.op == "*":
                x, y = node.inputs
                x.d += node.d * y.v
                y.d += node.d * x.v
            elif node.op == "relu":
                node.inputs[0].d += node.d * (node.v > 0)
