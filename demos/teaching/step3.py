"""A solution after step 3: plain numbers on either side."""

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
        self.pass_back()

    def pass_back(self):
        for parent, slope in zip(self.parents, self.slopes, strict=True):
            parent.grad = parent.grad + slope * self.grad
            parent.pass_back()


def to_value(x):
    return x if isinstance(x, Value) else Value(x)
