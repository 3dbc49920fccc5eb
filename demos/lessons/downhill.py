"""Gradient descent: step against the gradient, again and again, down Rosenbrock's valley."""

from scalargrad import Value


def rosenbrock(x: Value, y: Value) -> Value:
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


print("z = 100 * (y - x**2)**2 + (1 - x)**2 is a long bent valley with its lowest point")
print("at (1, 1), where both squares are 0. Start at (0, 2), and go 0.001 times the slope")
print("downhill in each direction, 10000 times:\n")

x, y = Value(0.0), Value(2.0)
print("   step       x        y          z       dz/dx      dz/dy")
for step in range(10_001):
    z = rosenbrock(x, y)
    x.grad = y.grad = 0
    z.backward()
    if step in (0, 1, 2, 10, 100, 1000, 10_000):
        print(f"{step:>7}  {x:8.5f} {y:8.5f} {z:11.6f} {x.grad:11.5f} {y.grad:10.5f}")
    x.data -= 0.001 * x.grad
    y.data -= 0.001 * y.grad

print("\nThe first step on paper: dz/dx = -400*x * (y - x**2) - 2 * (1 - x) = -2,")
print("dz/dy = 200 * (y - x**2) = 400. So x goes to 0 + 0.002, y to 2 - 0.4.")
print("Down to the floor of the valley is quick, and along it slow: the slope that is left")
print("is tiny. The next lesson arrives in a handful of steps.")
