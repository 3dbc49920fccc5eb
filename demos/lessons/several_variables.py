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


print("Three landscapes that optimisers are tried on, each at (1, 1):")
for f in (sphere, matyas, goldstein_price):
    x, y = Value(1.0), Value(1.0)
    z = f(x, y)
    z.backward()
    print(f"  {f.__name__:<16} z = {z:g}, gradient ({x.grad:g}, {y.grad:g})")

print("\nOn paper. sphere: dz/dx = 2*x = 2, and the same for y.")
print("matyas: dz/dx = 0.52*x - 0.48*y = 0.04, and the same for y.")
print("goldstein_price: with the names of the code, at (1, 1)")
print("  p = 3    dp/dx =   1                    dp/dy = 1")
print("  q = 3    dq/dx = -14 + 6 + 6 = -2       dq/dy = -14 + 6 + 6 = -2")
print("  r = -1   dr/dx =   2                    dr/dy = -3")
print("  s = 37   ds/dx = -32 + 24 - 36 = -44    ds/dy = 48 - 36 + 54 = 66")
print("The left factor is 1 + 9*3 = 28, the right one 30 + 1*37 = 67, z = 28 * 67 = 1876.")
print("  d(left)/dx  = 2*p*q*1 + p**2 * -2  = 18 - 18 = 0, and the same for y")
print("  d(right)/dx = 2*r*s*2 + r**2 * -44 = -148 - 44 = -192")
print("  d(right)/dy = 2*r*s*-3 + r**2 * 66 = 222 + 66 = 288")
print("  dz/dx = 0*67 + 28*-192 = -5376,  dz/dy = 0*67 + 28*288 = 8064")
print("A page of work with room for slips; the Values did it in one walk, for both variables.")
