"""A solution after step 5: passes one after another, and deep graphs."""

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
        nodes = self.in_order()
        for node in nodes:
            # The gradients of inputs add up over passes; those in between start again.
            if node.parents:
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(nodes):
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * node.grad

    def in_order(self):
        """Return all nodes, each after its parents."""
        nodes = []
        seen = set()
        stack = [(self, False)]
        while stack:
            node, parents_are_done = stack.pop()
            if parents_are_done:
                nodes.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack += [(parent, False) for parent in node.parents]
        return nodes


def to_value(x):
    return x if isinstance(x, Value) else Value(x)
