"""Checking a gradient: a nudge gives a second opinion, and gradcheck knows how far to trust it."""

from typing import Any

from scalargrad import Function, GradientError, gradcheck, numerical_gradient


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * 2 * x * x  # a mistake: it should be 3


def cube(x: float) -> float:
    return x * x * x


print("The slope of x**3 at 2 is 3 * 2**2 = 12. Nudge x up and down by h, and divide")
print("what y gains by 2*h. On paper that is 12 + h**2:")
for h in (0.1, 0.01, 0.001):
    print(f"  h = {h:<6} gives {(cube(2 + h) - cube(2 - h)) / (2 * h):.6f}")
print("A smaller h is better, until only rounding is left of the difference:")
h = 1e-14
print(f"  h = {h} is off by {abs((cube(2 + h) - cube(2 - h)) / (2 * h) - 12):.1g}")

print("\nnumerical_gradient tries many h, and says how far off it may be:")
[estimate] = numerical_gradient(cube, [2.0])
print(f"  {estimate.derivative:.9f}, and less than 0.000001 off: {estimate.error < 1e-6}")

print("\nNow an op whose backward was written by hand, as g * 2 * x * x:")
try:
    gradcheck(Cube.apply, 2.0)
except GradientError:
    print("  gradcheck raises GradientError: 2 * 2**2 = 8 is not 12")
print("\nExercise: correct backward.")
