"""The yardstick: a small engine whose nodes keep their children and local gradients in tuples.

In the style of microgpt's Value: the local gradients are computed on the way forward, constants
become Values, and the topological sort recurses. Every op is native, none is built from others.
"""

from __future__ import annotations

import math


class Value:
    """A number, its gradient, the Values it was made of, and its derivative by each of them."""

    __slots__ = ("children", "data", "grad", "local_grads")

    def __init__(
        self,
        data: float,
        children: tuple[Value, ...] = (),
        local_grads: tuple[float, ...] = (),
    ) -> None:
        self.data = data
        self.grad = 0.0
        self.children = children
        self.local_grads = local_grads

    def __add__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __sub__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data - other.data, (self, other), (1.0, -1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __truediv__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        data = self.data / other.data
        return Value(data, (self, other), (1.0 / other.data, -data / other.data))

    def __pow__(self, exponent: float) -> Value:
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def __neg__(self) -> Value:
        return Value(-self.data, (self,), (-1.0,))

    def __radd__(self, other: float) -> Value:
        return Value(other + self.data, (self,), (1.0,))

    def __rsub__(self, other: float) -> Value:
        return Value(other - self.data, (self,), (-1.0,))

    def __rmul__(self, other: float) -> Value:
        return Value(other * self.data, (self,), (other,))

    def __rtruediv__(self, other: float) -> Value:
        data = other / self.data
        return Value(data, (self,), (-data / self.data,))

    def relu(self) -> Value:
        return Value(self.data, (self,), (1.0,)) if self.data > 0 else Value(0.0, (self,), (0.0,))

    def tanh(self) -> Value:
        data = math.tanh(self.data)
        return Value(data, (self,), (1.0 - data * data,))

    def exp(self) -> Value:
        data = math.exp(self.data)
        return Value(data, (self,), (data,))

    def log(self) -> Value:
        return Value(math.log(self.data), (self,), (1.0 / self.data,))

    def backward(self) -> None:
        order: list[Value] = []
        seen: set[Value] = set()

        def visit(node: Value) -> None:
            if node not in seen:
                seen.add(node)
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for child, local_grad in zip(node.children, node.local_grads):  # noqa: B905
                child.grad += local_grad * node.grad
