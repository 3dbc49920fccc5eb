"""The whole idea in one file: a number that knows how it was computed, and so its derivatives.

Run it from the root of a checkout: python3 -m demos.engine
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable


class Value:
    """A number, and the Values it was made from: each with a rule for what to pass back to it.

    A rule takes g, the derivative of the final result by this Value. By the chain rule, what it
    made from gets g times the slope of the op that was applied to it.
    """

    def __init__(self, data: float, *parents: tuple[Value, Callable[[float], float]]) -> None:
        self.data = data
        self.parents = parents
        self.grad = 0.0

    def backward(self) -> None:
        """Add to the `grad` of each leaf the derivative of this Value by it."""
        nodes = self.in_order()
        for node in nodes:
            if node.parents:  # it starts again at each pass, while leaves add up over passes
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(nodes):  # a node's grad is complete before it is passed on
            for parent, rule in node.parents:
                parent.grad += rule(node.grad)

    def in_order(self) -> list[Value]:
        """Return the nodes that this one was made from, and itself, each after its parents."""
        nodes, seen, stack = [], set(), [(self, False)]
        while stack:
            node, parents_are_in = stack.pop()
            if parents_are_in:
                nodes.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack += [(parent, False) for parent, _ in node.parents]
        return nodes

    def __add__(self, other: Value | float) -> Value:
        a, b = self, value(other)
        return Value(a.data + b.data, (a, lambda g: g), (b, lambda g: g))

    def __mul__(self, other: Value | float) -> Value:
        a, b = self, value(other)
        x, y = a.data, b.data
        return Value(x * y, (a, lambda g: g * y), (b, lambda g: g * x))

    def __sub__(self, other: Value | float) -> Value:
        a, b = self, value(other)
        return Value(a.data - b.data, (a, lambda g: g), (b, lambda g: -g))

    def __truediv__(self, other: Value | float) -> Value:
        a, b = self, value(other)
        x, y = a.data, b.data
        return Value(x / y, (a, lambda g: g / y), (b, lambda g: -g * (x / y) / y))

    def __pow__(self, other: Value | float) -> Value:
        x, y = self.data, value(other).data
        z = math.pow(x, y)  # where x**y would be a complex number, an error
        base = (self, lambda g: g * y * math.pow(x, y - 1) if y else 0.0)
        if not isinstance(other, Value):
            return Value(z, base)  # so a plain exponent needs no logarithm, of a negative x say
        return Value(z, base, (other, lambda g: g * z * math.log(x) if x else 0.0))

    __radd__, __rmul__ = __add__, __mul__  # for 1 + a; and sum([a, b]) starts with 0 + a

    def __rsub__(self, other: float) -> Value:
        return value(other) - self

    def __rtruediv__(self, other: float) -> Value:
        return value(other) / self

    def __rpow__(self, other: float) -> Value:
        return value(other) ** self

    def __neg__(self) -> Value:
        return Value(-self.data, (self, lambda g: -g))

    def __abs__(self) -> Value:
        x = self.data
        return Value(abs(x), (self, lambda g: g if x > 0 else -g if x < 0 else 0.0))

    def exp(self) -> Value:
        y = math.exp(self.data)
        return Value(y, (self, lambda g: g * y))

    def log(self) -> Value:
        x = self.data
        return Value(math.log(x), (self, lambda g: g / x))

    def sin(self) -> Value:
        x = self.data
        return Value(math.sin(x), (self, lambda g: g * math.cos(x)))

    def cos(self) -> Value:
        x = self.data
        return Value(math.cos(x), (self, lambda g: -g * math.sin(x)))

    def tanh(self) -> Value:
        y = math.tanh(self.data)
        return Value(y, (self, lambda g: g * (1 - y * y)))

    def sigmoid(self) -> Value:
        e = math.exp(-abs(self.data))  # never of a large number, which would overflow
        y = 1 / (1 + e) if self.data >= 0 else e / (1 + e)
        return Value(y, (self, lambda g: g * y * (1 - y)))

    def relu(self) -> Value:
        x = self.data
        return Value(max(x, 0.0), (self, lambda g: g if x > 0 else 0.0))


def value(x: Value | float) -> Value:
    """Return x, or the Value of a plain number."""
    return x if isinstance(x, Value) else Value(x)


def main() -> None:
    x, y = Value(2.0), Value(3.0)
    z = x * y + x.sin()
    z.backward()
    print(f"z = x*y + sin(x), at x = 2, y = 3:  {z.data:.6f}")
    print(f"  dz/dx = {x.grad:.6f}, on paper y + cos(x) = {3 + math.cos(2):.6f}")
    print(f"  dz/dy = {y.grad:.6f}, on paper x = 2")

    print("\nWhat nets learn by: steps downhill, until tanh(w*x + b) is close to three points.")
    points = [(-1.0, -0.9), (0.0, 0.2), (1.0, 0.9)]
    w, b = Value(0.0), Value(0.0)
    for step in range(201):
        loss = sum((((w * x + b).tanh() - y) ** 2 for x, y in points), Value(0.0))
        w.grad = b.grad = 0.0
        loss.backward()
        if step in (0, 1, 10, 200):
            print(f"  step {step:>3}   w = {w.data:.4f}   b = {b.data:.4f}   ", end="")
            print(f"loss = {loss.data:.6f}")
        w.data, b.data = w.data - 0.3 * w.grad, b.data - 0.3 * b.grad

    print("\nA chain of 10,000 ops, with no recursion:")
    a, total = Value(1.0), Value(0.0)
    for _ in range(10_000):
        total = total + a
    total.backward()
    print(f"  the derivative of a + a + ... + a is {a.grad:.0f}")


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # `| head` ends it quietly
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
