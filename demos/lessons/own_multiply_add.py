"""An op of your own: write its forward and its backward, and it joins the graph as one node."""

from typing import Any

from scalargrad import Function, Value


class MultiplyAdd(Function):
    @staticmethod
    def forward(ctx: Any, a: float, b: float, c: float) -> float:
        print(f"  forward gets the plain numbers {a}, {b}, {c}")
        ctx.save_for_backward(a, b)
        return a * b + c

    @staticmethod
    def backward(ctx: Any, g: float) -> Any:
        a, b = ctx.saved_values
        print(f"  backward gets g = {g}, and finds {a} and {b} where forward saved them")
        by_c = g if ctx.needs_input_grad[2] else None
        return g * b, g * a, by_c


print("MultiplyAdd is a*b + c in one op. With Values a and b, and a plain c:")
a, b = Value(2.0), Value(3.0)
y = MultiplyAdd.apply(a, b, 4.0)
y.backward()
print(f"  y = 2*3 + 4 = {y.data}")
print(f"  dy/da = b = {a.grad}")
print(f"  dy/db = a = {b.grad}")
print(f"y was made by {y.op} and has {len(y.parents)} parents, a and b. The plain c cannot")
print("hold a gradient, so backward returns None for it.")

print("\nNow with a Value for c, and ten times as large, z = 10 * (a*b + c):")
a.grad = b.grad = 0
c = Value(4.0)
z = 10 * MultiplyAdd.apply(a, b, c)
z.backward()
print(f"  z = 10 * (2*3 + 4) = {z.data}")
print(f"  dz/da = 10 * 3 = {a.grad}")
print(f"  dz/db = 10 * 2 = {b.grad}")
print(f"  dz/dc = 10 * 1 = {c.grad}")
print("The derivative that arrives at this op is 10: that is its g.")
print('\nSee it:\n  python3 -m scalargrad draw "10*(a*b + c)" a=2 b=3 c=4 --open')
print("\nExercise: write Cube, x**3, in the same way.")
