"""Each node holds its parents and the local gradients; functions stand in the module."""

from __future__ import annotations

import math
from typing import Any


class Var:
    __slots__ = ("deriv", "local", "parents", "val")

    def __init__(
        self, val: float, parents: tuple[Var, ...] = (), local: tuple[float, ...] = ()
    ) -> None:
        self.val = val
        self.parents = parents
        self.local = local
        self.deriv = 0.0

    def __add__(self, other: Any) -> Var:
        other = lift(other)
        return Var(self.val + other.val, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Var:
        other = lift(other)
        return Var(self.val * other.val, (self, other), (other.val, self.val))

    def __sub__(self, other: Any) -> Var:
        return self + -lift(other)

    def __truediv__(self, other: Any) -> Var:
        return self * lift(other) ** -1.0

    def __neg__(self) -> Var:
        return Var(-self.val, (self,), (-1.0,))

    def __pow__(self, n: float) -> Var:
        if isinstance(n, Var):
            raise TypeError("the exponent is a plain number")
        return Var(self.val**n, (self,), (n * self.val ** (n - 1) if n else 0.0,))

    def __radd__(self, other: Any) -> Var:
        return lift(other) + self

    def __rmul__(self, other: Any) -> Var:
        return lift(other) * self

    def __rsub__(self, other: Any) -> Var:
        return lift(other) - self

    def __rtruediv__(self, other: Any) -> Var:
        return lift(other) / self

    def backprop(self) -> None:
        ordered: list[Var] = []
        waiting: dict[int, int] = {}
        stack = [self]
        while stack:
            for parent in stack.pop().parents:
                if id(parent) not in waiting:
                    stack.append(parent)
                waiting[id(parent)] = waiting.get(id(parent), 0) + 1
        gradients = {id(self): 1.0}
        ready = [self]
        while ready:
            node = ready.pop()
            ordered.append(node)
            for parent, local in zip(node.parents, node.local, strict=True):
                passed = gradients[id(node)] * local
                gradients[id(parent)] = gradients.get(id(parent), 0.0) + passed
                waiting[id(parent)] -= 1
                if not waiting[id(parent)]:
                    ready.append(parent)
        for node in ordered:
            if node.parents:
                node.deriv = gradients[id(node)]
            else:
                node.deriv += gradients[id(node)]


def lift(x: Any) -> Var:
    return x if isinstance(x, Var) else Var(float(x))


def exp(x: Var) -> Var:
    y = math.exp(x.val)
    return Var(y, (x,), (y,))


def log(x: Var) -> Var:
    return Var(math.log(x.val), (x,), (1 / x.val,))


def tanh(x: Var) -> Var:
    y = math.tanh(x.val)
    return Var(y, (x,), (1 - y * y,))
