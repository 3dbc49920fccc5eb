"""A solution after step 2: the derivative of each op, passed back to its parents."""

import math


class Value:
    def __init__(self, data, parents=(), slopes=()):
        self.data = data
        self.grad = 0.0
        self.parents = parents
        self.slopes = slopes

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __sub__(self, other):
        return Value(self.data - other.data, (self, other), (1.0, -1.0))

    def __truediv__(self, other):
        y = self.data / other.data
        return Value(y, (self, other), (1 / other.data, -y / other.data))

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
