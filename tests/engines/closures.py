"""Each node holds a function that passes its gradient back, as in micrograd. Without a defect."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class Value:
    def __init__(self, data: Any, parents: tuple[Value, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.parents = parents
        self.pass_back: Callable[[], None] = lambda: None

    @staticmethod
    def lift(x: Any) -> Value:
        return x if isinstance(x, Value) else Value(x)

    def __add__(self, other: Any) -> Value:
        other = self.lift(other)
        out = Value(self.data + other.data, (self, other))

        def pass_back() -> None:
            self.grad += out.grad
            other.grad += out.grad

        out.pass_back = pass_back
        return out

    def __radd__(self, other: Any) -> Value:
        return self.lift(other) + self

    def __sub__(self, other: Any) -> Value:
        other = self.lift(other)
        out = Value(self.data - other.data, (self, other))

        def pass_back() -> None:
            self.grad += out.grad
            other.grad -= out.grad

        out.pass_back = pass_back
        return out

    def __rsub__(self, other: Any) -> Value:
        return self.lift(other) - self

    def __mul__(self, other: Any) -> Value:
        other = self.lift(other)
        out = Value(self.data * other.data, (self, other))

        def pass_back() -> None:
            self.grad += out.grad * other.data
            other.grad += out.grad * self.data

        out.pass_back = pass_back
        return out

    def __rmul__(self, other: Any) -> Value:
        return self.lift(other) * self

    def __truediv__(self, other: Any) -> Value:
        other = self.lift(other)
        out = Value(self.data / other.data, (self, other))

        def pass_back() -> None:
            self.grad += out.grad / other.data
            other.grad -= out.grad * out.data / other.data

        out.pass_back = pass_back
        return out

    def __rtruediv__(self, other: Any) -> Value:
        return self.lift(other) / self

    def __pow__(self, other: Any) -> Value:
        if not isinstance(other, Value):
            return self.to_the(other)
        out = Value(self.data**other.data, (self, other))

        def pass_back() -> None:
            self.grad += out.grad * other.data * self.data ** (other.data - 1)
            if self.data > 0:
                other.grad += out.grad * out.data * math.log(self.data)

        out.pass_back = pass_back
        return out

    def to_the(self, n: float) -> Value:
        out = Value(self.data**n, (self,))

        def pass_back() -> None:
            if n:
                self.grad += out.grad * n * self.data ** (n - 1)

        out.pass_back = pass_back
        return out

    def __rpow__(self, other: Any) -> Value:
        return self.lift(other) ** self

    def __neg__(self) -> Value:
        return self * -1.0

    def __abs__(self) -> Value:
        return self.apply(abs(self.data), 1.0 if self.data > 0 else -1.0)

    def apply(self, y: float, slope: float) -> Value:
        out = Value(y, (self,))

        def pass_back() -> None:
            self.grad += out.grad * slope

        out.pass_back = pass_back
        return out

    def relu(self) -> Value:
        return self.apply(max(self.data, 0.0), 1.0 if self.data > 0 else 0.0)

    def exp(self) -> Value:
        y = math.exp(self.data)
        return self.apply(y, y)

    def log(self) -> Value:
        return self.apply(math.log(self.data), 1 / self.data)

    def sqrt(self) -> Value:
        y = math.sqrt(self.data)
        return self.apply(y, 0.5 / y)

    def sin(self) -> Value:
        return self.apply(math.sin(self.data), math.cos(self.data))

    def cos(self) -> Value:
        return self.apply(math.cos(self.data), -math.sin(self.data))

    def tanh(self) -> Value:
        t = math.tanh(self.data)
        return self.apply(t, 1 - t * t)

    def sigmoid(self) -> Value:
        e = math.exp(-abs(self.data))
        y = 1 / (1 + e) if self.data >= 0 else e / (1 + e)
        return self.apply(y, y * (1 - y))

    def maximum(self, other: Any) -> Value:
        other = self.lift(other)
        out = Value(max(self.data, other.data), (self, other))

        def pass_back() -> None:
            larger = self if self.data > other.data else other
            larger.grad += out.grad

        out.pass_back = pass_back
        return out

    def hypot(self, other: Value, third: Value) -> Value:
        out = Value(math.hypot(self.data, other.data, third.data), (self, other, third))

        def pass_back() -> None:
            self.grad += out.grad * self.data / out.data
            other.grad += out.grad * other.data / out.data
            third.grad += out.grad * third.data / out.data

        out.pass_back = pass_back
        return out

    def order(self) -> list[Value]:
        """Return all nodes, each after its parents."""
        ordered: list[Value] = []
        seen = set()
        stack = [(self, False)]
        while stack:
            node, parents_done = stack.pop()
            if parents_done:
                ordered.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack += [(parent, False) for parent in node.parents]
        return ordered

    def backward(self) -> None:
        ordered = self.order()
        for node in ordered:
            if node.parents:
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(ordered):
            node.pass_back()
