"""Several variables: one walk back gives the slope in every direction, the gradient."""

from typing import Any

from scalargrad import Value


def sphere(x: Any, y: Any) -> Any:
    return x**2 + y**2


def matyas(x: Any, y: Any) -> Any:
    return 0.26 * (x**2 + y**2) - 0.48 * x * y


def goldstein_price(x: Any, y: Any) -> Any:
    p = x + y + 1
    q = 19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2
    r = 2 * x - 3 * y
    s = 18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2
    return (1 + p**2 * q) * (30 + r**2 * s)


print("Three functions that optimisers are tested on, each at (1, 1):")
for f in (sphere, matyas, goldstein_price):
    x, y = Value(1.0), Value(1.0)
    z = f(x, y)
    z.backward()
    print(f"  {f.__name__:<16} z = {z:g}, gradient ({x.grad:g}, {y.grad:g})")

print("\nOn paper, at x = y = 1:")
print("sphere:  dz/dx = 2*x = 2, and the same for y.")
print("matyas:  dz/dx = 0.52*x - 0.48*y, that is 0.52 - 0.48 = 0.04, same for y.")
print("goldstein_price, with the names in the code:")
print("  p = 1 + 1 + 1 = 3")
print("  q = 19 - 14 + 3 - 14 + 6 + 3 = 3")
print("  r = 2 - 3 = -1")
print("  s = 18 - 32 + 12 + 48 - 36 + 27 = 37")
print("  z = (1 + 3**2 * 3) * (30 + 1 * 37) = 28 * 67 = 1876")
print("Their slopes by x:                  and by y:")
print("  dp/dx = 1                           dp/dy = 1")
print("  dq/dx = -14 + 6 + 6 = -2            dq/dy = -14 + 6 + 6 = -2")
print("  dr/dx = 2                           dr/dy = -3")
print("  ds/dx = -32 + 24 - 36 = -44         ds/dy = 48 - 36 + 54 = 66")
print("Left factor, 1 + p**2 * q: slope 2*p*q * dp + p**2 * dq.")
print("  by x: 18 * 1 + 9 * -2 = 0           by y: 18 * 1 + 9 * -2 = 0")
print("Right factor, 30 + r**2 * s: slope 2*r*s * dr + r**2 * ds.")
print("  by x: -74 * 2 + 1 * -44 = -192      by y: -74 * -3 + 1 * 66 = 288")
print("The product's slope is left' * right + left * right'.")
print("  by x: 0 * 67 + 28 * -192 = -5376    by y: 0 * 67 + 28 * 288 = 8064")
print("That is a page of work. The Values found both slopes in one walk.")
print('\nSee it:\n  python3 -m scalargrad draw "0.26*(x**2 + y**2) - 0.48*x*y" x=1 y=1 --open')
print("\nExercise: goldstein_price is lowest at (0, -1). What are z and the slopes?")
