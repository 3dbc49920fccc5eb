"""Newton's method: with second derivatives, jump to where the slope would be zero."""

from math import hypot
from typing import Any

from scalargrad import grad, hessian


def f(x: Any) -> Any:
    return x**4 - 2 * x**2


def rosenbrock(point: Any) -> Any:
    x, y = point
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


print("y = x**4 - 2*x**2. If the slope changed at a constant rate, the curvature, it")
print("would be 0 at x - slope / curvature. Jump there, and again, from x = 2:\n")
print(" step  x                  slope            curvature")
x = 2.0
for step in range(8):
    slope, curvature = grad(f)(x), grad(grad(f))(x)
    print(f"{step:>5}  {x:.15f}  {slope:<15.9g}  {curvature:.9f}")
    x -= slope / curvature
print("\nOn paper: the slope is 4*x**3 - 4*x, the curvature 12*x**2 - 4. At x = 2")
print("these are 4 * 2**3 - 4 * 2 = 24 and 12 * 2**2 - 4 = 44, and the first jump")
print("goes to 2 - 24/44 = 1.454545. The slope is 0 at x = 1, at the bottom. Near it")
print("every step doubles the number of right digits.")

print("\nThe same in two variables, in the valley of the lesson before, from (0, 2).")
print("The curvature is now four numbers, the Hessian, and each jump solves two")
print("equations:\n")
print(" step     x         y          z       length of the gradient")
x, y = 0.0, 2.0
for step in range(7):
    z, (gx, gy) = rosenbrock([x, y]), grad(rosenbrock)([x, y])
    print(f"{step:>5} {x:9.6f} {y:9.6f}  {z:10.3e}  {hypot(gx, gy):10.3e}")
    [[xx, xy], [yx, yy]] = hessian(rosenbrock)([x, y])
    # xx*dx + xy*dy = -gx and yx*dx + yy*dy = -gy, solved by Cramer's rule
    determinant = xx * yy - xy * yx
    x, y = x + (xy * gy - yy * gx) / determinant, y + (yx * gx - xx * gy) / determinant
print("\nOn paper: the Hessian is 1200*x**2 - 400*y + 2 and -400*x, -400*x and 200. At")
print("(0, 2) it is -798 and 0, 0 and 200, and the gradient is (-2, 400). So the first")
print("jump goes to x = 0 - -2/-798 = -0.002506, y = 2 - 400/200 = 0. Far from the end")
print("a jump may even go uphill, as the second one does; near it, nothing is faster.")
print(f"Check another one: at (-1.2, 1) it is {hessian(rosenbrock)([-1.2, 1.0])},")
print("since 1200 * 1.2**2 - 400 * 1 + 2 = 1330 and -400 * -1.2 = 480.")
print('\nSee it:\n  python3 -m scalargrad draw "100*(y - x**2)**2 + (1 - x)**2" x=0 y=2 --open')
print("\nExercise: start at x = 0.5. Where does the first jump go?")
