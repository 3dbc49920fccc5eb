"""Newton's method: with second derivatives, jump to where the slope would be zero."""

from typing import Any

from scalargrad import grad, hessian


def f(x: Any) -> Any:
    return x**4 - 2 * x**2


def rosenbrock(point: Any) -> Any:
    x, y = point
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


print("y = x**4 - 2*x**2. If its slope changed evenly, it would be 0 at x - slope / curvature.")
print("Jump there, and again, from x = 2:\n")
print(" step   x                    slope                  curvature")
x = 2.0
for step in range(8):
    slope, curvature = grad(f)(x), grad(grad(f))(x)
    print(f"{step:>5}   {x:<19.15f}  {slope:<21.15g}  {curvature:.9f}")
    x -= slope / curvature
print("\nOn paper: slope 4*x**3 - 4*x, curvature 12*x**2 - 4. At 2 these are 24 and 44, and the")
print("first jump is to 2 - 24/44 = 16/11. The slope is 0 at x = 1, with y = -1, a minimum.")
print("Close to it, every step doubles the number of right digits.")

print("\nThe same in two variables: Rosenbrock's valley from (0, 2) as in the lesson before.")
print("Now the slope is the gradient, the curvature is the Hessian's four numbers, and the jump")
print("solves two equations.\n")
print(" step   x          y          z            gradient")
x, y = 0.0, 2.0
for step in range(8):
    gx, gy = grad(rosenbrock)([x, y])
    [[xx, xy], [yx, yy]] = hessian(rosenbrock)([x, y])
    print(f"{step:>5}  {x:9.6f}  {y:9.6f}  {rosenbrock([x, y]):11.4e}  ({gx:.4g}, {gy:.4g})")
    # xx*dx + xy*dy = -gx and yx*dx + yy*dy = -gy, by Cramer's rule
    determinant = xx * yy - xy * yx
    x, y = x + (xy * gy - yy * gx) / determinant, y + (yx * gx - xx * gy) / determinant
print("\nThe first jump on paper: the Hessian at (0, 2) is")
print(f"  {hessian(rosenbrock)([0.0, 2.0])}, of 1200*x**2 - 400*y + 2, -400*x, 200")
print("and the gradient (-2, 400), so x moves by 2 / -798 = -0.002506, y by -400/200 = -2.")
