"""Gradient descent: step against the gradient, again and again, down Rosenbrock's valley."""

from scalargrad import Value


def rosenbrock(x: Value, y: Value) -> Value:
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


print("z = 100 * (y - x**2)**2 + (1 - x)**2 is a long bent valley, lowest at (1, 1),")
print("where both squares are 0. Start at (0, 2). Each step goes 0.001 times the slope")
print("downhill, in x and in y:\n")

x, y = Value(0.0), Value(2.0)
print("   step       x        y            z       dz/dx      dz/dy")
for step in range(10_001):
    z = rosenbrock(x, y)
    x.grad = y.grad = 0
    z.backward()
    if step in (0, 1, 2, 10, 100, 1000, 10_000):
        print(f"{step:>7}  {x:8.5f} {y:8.5f} {z:12.6f} {x.grad:11.5f} {y.grad:10.5f}")
    x.data -= 0.001 * x.grad
    y.data -= 0.001 * y.grad

print("\nThe first step on paper:")
print("  dz/dx = -400*x * (y - x**2) - 2 * (1 - x), here -400*0 * 2 - 2 * 1 = -2")
print("  dz/dy = 200 * (y - x**2), here 200 * (2 - 0) = 400")
print("  x goes to 0 + 0.001 * 2 = 0.002")
print("  y goes to 2 - 0.001 * 400 = 1.6")
print("The way down to the floor of the valley is quick. Along the floor the slope is")
print("small, and the way is slow. The next lesson needs only a few steps.")
print('\nSee it:\n  python3 -m scalargrad draw "100*(y - x**2)**2 + (1 - x)**2" x=0 y=2 --open')
print("\nExercise: start at (-1, 1). Where does the first step go?")
