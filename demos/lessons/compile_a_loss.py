"""compile: the same numbers without the graph, as a program that you can read."""

from typing import Any

from scalargrad import TraceError, Value, compile, sin, value_and_grad

f = compile(value_and_grad(lambda x, y: x * y + sin(x)))
print("x*y + sin(x) and its derivative by x, y + cos(x), at x = 0, y = 2:")
print(f"  {f(0.0, 2.0)}")
print("The function ran once, with symbols for numbers. This is what it wrote:")
print("  " + f.source.rstrip().replace("\n", "\n  "))

w = Value(1.0, label="w")
rate = 0.1


@compile
def loss(x: float, target: float) -> Any:
    return (w * x - target) ** 2


print("\nA captured Value is read at each call. loss.backward adds to its gradient, and")
print("the data, x = 2 and target = 6, are arguments. Downhill from w = 1:")
for step in range(4):
    w.grad = 0
    value = loss.backward(2.0, 6.0)
    print(f"  step {step}   w = {w:.5f}   loss = {value:.5f}   dloss/dw = {w.grad:.5f}")
    w.data -= rate * w.grad
print("On paper: loss = (2*w - 6)**2, dloss/dw = 8*w - 24. Each step goes 0.1 * 8 = 0.8")
print("of the distance to 3.")

print("\nA plain number that is captured is frozen into the program:")
scaled = compile(lambda x: rate * x)
print(f"  with rate = {rate}, scaled(10.0) = {scaled(10.0)}")
rate = 0.5
try:
    scaled(10.0)
except TraceError:
    print("  with rate = 0.5 it raises TraceError, and names rate: make it an argument")
print("\nExercise: do so. What is scaled(10.0, 0.5)?")
