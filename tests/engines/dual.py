"""Forward mode behind a backward method: each number carries its partials by all leaves."""

from __future__ import annotations

import math
from typing import Any


class Dual:
    def __init__(self, value: float, partials: dict[Dual, float] | None = None) -> None:
        self._value = value
        self._partials = partials
        self._gradient: float | None = None

    @property
    def value(self) -> float:
        return self._value

    @property
    def grad(self) -> float | None:
        return self._gradient

    @grad.setter
    def grad(self, gradient: float | None) -> None:
        self._gradient = gradient

    def items(self) -> list[tuple[Dual, float]]:
        return [(self, 1.0)] if self._partials is None else list(self._partials.items())

    @staticmethod
    def combine(y: float, *terms: tuple[Any, float]) -> Dual:
        partials: dict[Dual, float] = {}
        for x, slope in terms:
            for leaf, partial in x.items() if isinstance(x, Dual) else ():
                partials[leaf] = partials.get(leaf, 0.0) + slope * partial
        return Dual(y, partials)

    def __add__(self, other: Any) -> Dual:
        return self.combine(self.value + number(other), (self, 1.0), (other, 1.0))

    def __sub__(self, other: Any) -> Dual:
        return self.combine(self.value - number(other), (self, 1.0), (other, -1.0))

    def __rsub__(self, other: float) -> Dual:
        return self.combine(other - self.value, (self, -1.0))

    def __mul__(self, other: Any) -> Dual:
        y = self.value * number(other)
        return self.combine(y, (self, number(other)), (other, self.value))

    def __truediv__(self, other: Any) -> Dual:
        y = self.value / number(other)
        return self.combine(y, (self, 1 / number(other)), (other, -y / number(other)))

    def __rtruediv__(self, other: float) -> Dual:
        y = other / self.value
        return self.combine(y, (self, -y / self.value))

    __radd__ = __add__
    __rmul__ = __mul__

    def __pow__(self, n: int) -> Dual:
        assert isinstance(n, int | float)
        return self.combine(self.value**n, (self, n * self.value ** (n - 1) if n else 0.0))

    def Tanh(self) -> Dual:
        t = math.tanh(self.value)
        return self.combine(t, (self, 1 - t * t))

    def backward(self) -> None:
        for leaf, partial in self.items():
            leaf.grad = (leaf.grad or 0.0) + partial


def number(x: Any) -> float:
    return x.value if isinstance(x, Dual) else x
