"""A solution after step 4: every node once, after all that was computed from it."""

import math


class Value:
    def __init__(self, data, parents=(), slopes=()):
        self.data = data
        self.grad = 0.0
        self.parents = parents
        self.slopes = slopes

    def __add__(self, other):
        other = to_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = to_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __sub__(self, other):
        other = to_value(other)
        return Value(self.data - other.data, (self, other), (1.0, -1.0))

    def __truediv__(self, other):
        other = to_value(other)
        y = self.data / other.data
        return Value(y, (self, other), (1 / other.data, -y / other.data))

    def __radd__(self, other):
        return to_value(other) + self

    def __rmul__(self, other):
        return to_value(other) * self

    def __rsub__(self, other):
        return to_value(other) - self

    def __rtruediv__(self, other):
        return to_value(other) / self

    def __neg__(self):
        return Value(-self.data, (self,), (-1.0,))

    def tanh(self):
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,))

    def backward(self):
        self.grad = 1.0
        for node in reversed(self.in_order()):
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * node.grad

    def in_order(self):
        """Return all nodes, each after its parents."""
        nodes = []

        def visit(node):
            if node not in nodes:
                for parent in node.parents:
                    visit(parent)
                nodes.append(node)

        visit(self)
        return nodes


def to_value(x):
    return x if isinstance(x, Value) else Value(x)
