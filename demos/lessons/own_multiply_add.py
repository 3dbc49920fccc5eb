"""An op of your own: write its forward and its backward, and it joins the graph as one node."""

from typing import Any

from scalargrad import Function, Value


class MultiplyAdd(Function):
    @staticmethod
    def forward(ctx: Any, a: float, b: float, c: float) -> float:
        print(f"  forward gets {a}, {b}, {c}: plain numbers")
        ctx.save_for_backward(a, b)
        return a * b + c

    @staticmethod
    def backward(ctx: Any, g: float) -> Any:
        a, b = ctx.saved_values
        print(f"  backward gets g = {g}, and finds {a} and {b} as forward saved them")
        by_c = g if ctx.needs_input_grad[2] else None
        return g * b, g * a, by_c


a, b = Value(2.0), Value(3.0)

print("MultiplyAdd is a*b + c in one op. With a = 2, b = 3 and the plain number c = 4:")
y = MultiplyAdd.apply(a, b, 4.0)
print(f"y = 2*3 + 4 = {y.data}, made by {y.op} with {len(y.parents)} parents")
y.backward()
print(f"dy/da = b = {a.grad}")
print(f"dy/db = a = {b.grad}")
print("c is not a Value: there is nothing to put a gradient into, so backward says None.")

print("\nWith a Value for c, and as a part of z = 10 * (a*b + c):")
a.grad = b.grad = 0
c = Value(4.0)
z = 10 * MultiplyAdd.apply(a, b, c)
z.backward()
print(f"z = {z.data}; dz/da = 10*3 = {a.grad}, dz/db = 10*2 = {b.grad}, dz/dc = {c.grad}")
print("g is what the chain rule has reached when it comes to this op, here the 10.")
