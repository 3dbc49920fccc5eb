"""Each variable links to the function object that created it; a gradient is a variable itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class Variable:
    def __init__(self, value: float) -> None:
        self.value = value
        self.gradient: Variable | None = None
        self.creator: Function | None = None
        self.generation = 0

    def backward(self) -> None:
        passed: dict[Variable, float] = {self: 1.0}
        functions: list[Function] = []
        seen: set[Function] = set()
        pending = [self.creator] if self.creator else []
        while pending:
            function = pending.pop()
            if function in seen:
                continue
            seen.add(function)
            functions.append(function)
            pending += [x.creator for x in function.inputs if x.creator]
        functions.sort(key=lambda f: -f.output.generation)
        for function in functions:
            gradients = function.backward(passed[function.output])
            for x, g in zip(function.inputs, gradients, strict=True):
                passed[x] = passed.get(x, 0.0) + g
        for x, g in passed.items():
            before = 0.0 if x.gradient is None or x.creator else x.gradient.value
            x.gradient = Variable(before + g)

    def __add__(self, other: Any) -> Variable:
        return Add()(self, other)

    def __radd__(self, other: Any) -> Variable:
        return Add()(other, self)

    def __sub__(self, other: Any) -> Variable:
        return Sub()(self, other)

    def __rsub__(self, other: Any) -> Variable:
        return Sub()(other, self)

    def __mul__(self, other: Any) -> Variable:
        return Mul()(self, other)

    def __rmul__(self, other: Any) -> Variable:
        return Mul()(other, self)

    def __neg__(self) -> Variable:
        return Sub()(0.0, self)

    def sin(self) -> Variable:
        return Sin()(self)


class Function:
    def __call__(self, *inputs: Any) -> Variable:
        self.inputs = [x if isinstance(x, Variable) else Variable(x) for x in inputs]
        self.output = Variable(self.forward(*(x.value for x in self.inputs)))
        self.output.creator = self
        self.output.generation = 1 + max(x.generation for x in self.inputs)
        return self.output

    forward: Callable[..., float]

    def backward(self, g: float) -> tuple[float, ...]:
        raise NotImplementedError


class Add(Function):
    def forward(self, x: float, y: float) -> float:
        return x + y

    def backward(self, g: float) -> tuple[float, ...]:
        return g, g


class Sub(Function):
    def forward(self, x: float, y: float) -> float:
        return x - y

    def backward(self, g: float) -> tuple[float, ...]:
        return g, -g


class Mul(Function):
    def forward(self, x: float, y: float) -> float:
        return x * y

    def backward(self, g: float) -> tuple[float, ...]:
        x, y = self.inputs
        return g * y.value, g * x.value


class Sin(Function):
    def forward(self, x: float) -> float:
        return math.sin(x)

    def backward(self, g: float) -> tuple[float, ...]:
        return (g * math.cos(self.inputs[0].value),)
