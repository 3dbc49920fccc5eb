"""Derivatives of derivatives: a gradient that is a graph itself, and so has a gradient."""

from collections.abc import Callable
from math import atanh, pi

from scalargrad import Value, grad, sin, tanh


def derivatives(f: Callable[[Value], Value], at: float, order: int) -> list[float]:
    """Return f and its derivatives up to that order."""
    x = Value(at)
    y = f(x)
    found = [y.data]
    for _ in range(order):
        x.grad = 0
        y.backward(create_graph=True)  # x.grad is now a Value with a graph of its own ...
        y = x.grad  # ... which may be differentiated in turn
        found.append(y.data + 0.0)  # adding 0.0 makes a plain 0 of a -0.0
    return found


print("sin becomes cos, -sin, -cos and sin again. At x = pi/6 sin is 1/2:")
names = ["sin(x)", "cos(x)", "-sin(x)", "-cos(x)", "sin(x)", "cos(x)", "-sin(x)"]
for n, (number, name) in enumerate(zip(derivatives(sin, pi / 6, 6), names, strict=True)):
    print(f"  order {n}  {number:>9.6f}   {name}")

print("\nFor t = tanh(x), dt/dx is 1 - t**2. So all its derivatives are polynomials in")
print("t: each is the slope by t of the one before, times 1 - t**2.")
print("           t = 0     t = 1/2")
polynomials = [
    "t",
    "1 - t**2",
    "-2*t + 2*t**3",
    "-2 + 8*t**2 - 6*t**4",
    "16*t - 40*t**3 + 24*t**5",
    "16 - 136*t**2 + 240*t**4 - 120*t**6",
    "-272*t + 1232*t**3 - 1680*t**5 + 720*t**7",
]
at_zero = derivatives(tanh, 0.0, 6)
at_half = derivatives(tanh, atanh(0.5), 6)
for n, polynomial in enumerate(polynomials):
    print(f"  order {n}  {at_zero[n]:>4g}  {at_half[n]:>10.6f}   {polynomial}")
print("At t = 0 only the number without a t is left: 1, -2, 16.")
print("At t = 1/2, put in the half: order 3 is -2 + 8/4 - 6/16 = -0.375.")

print("\ngrad does the same to functions: grad(f) is the function that is f's derivative.")
print(f"  grad(grad(grad(tanh)))(0.0) = {grad(grad(grad(tanh)))(0.0)}")
print('\nSee it:\n  python3 -m scalargrad draw "tanh(t)" t=0.5 --open')
print("\nExercise: go on to order 7.")
