"""Transforms of a function of numbers."""

from typing import Any

from scalargrad import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp


def f(v: list[Any]) -> Any:
    return v[0] ** 2 * v[1]


slope = grad(f)
print(slope([1.0, 2.0]), jacobian(f)([1.0, 2.0]), hessian(f)([1.0, 2.0]))
value, gradient = value_and_grad(f)([1.0, 2.0])
moved, tangent = jvp(f, ([1.0, 2.0],), ([1.0, 0.0],))
y, pull = vjp(f, [1.0, 2.0])
print(value, gradient, moved, tangent, y, pull(1.0), hvp(f, ([1.0, 2.0],), ([1.0, 0.0],)))
