"""A Function of one's own."""

from typing import Any

from scalargrad import Function, Value


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * 3 * x * x


x = Value(2.0)
Cube.apply(x).backward()
print(x.grad)
