"""Ops of as many inputs as you like, and of several outputs."""

from typing import Any

from scalargrad import Function, Value


class Add(Function):
    @staticmethod
    def forward(ctx: Any, *numbers: float) -> float:
        return sum(numbers)

    @staticmethod
    def backward(ctx: Any, g: float) -> Any:
        # The slope by every number is 1. ctx knows how many there are.
        return (g,) * len(ctx.needs_input_grad)


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx: Any, a: float, b: float) -> tuple[float, float]:
        ctx.save_for_backward(a, b)
        return a + b, a * b

    @staticmethod
    def backward(ctx: Any, by_sum: float, by_product: float) -> Any:
        print(f"  backward is called, with {by_sum} for the sum and {by_product} for the product")
        a, b = ctx.saved_values
        return by_sum + by_product * b, by_sum + by_product * a


print("Add takes any number of inputs and is one node:")
for numbers in ([2, 3], [2, 3, 5, 7]):
    xs = [Value(number) for number in numbers]
    y = Add.apply(*xs)
    y.backward()
    sum_ = " + ".join(map(str, numbers))
    print(f"  {sum_} = {y.data}   parents: {len(y.parents)}   slopes: {[x.grad for x in xs]}")

print("\nSumAndProduct has two outputs. At a = 2, b = 3:")
a, b = Value(2.0), Value(3.0)
s, p = SumAndProduct.apply(a, b)
print(f"  s = 2 + 3 = {s.data}, p = 2 * 3 = {p.data}")

print("Use both, y = s * p, so dy/ds = p and dy/dp = s:")
y = s * p
y.backward()
print(f"  y = {y.data}, dy/da = 6*1 + 5*3 = {a.grad}, dy/db = 6*1 + 5*2 = {b.grad}")
print("  on paper: y = a*a*b + a*b*b, so dy/da = 2*a*b + b*b = 12 + 9")
print("One call served both outputs, after both had got their share.")

print("\nUse only the product, y = 10 * p. The sum was not used, and its share is 0:")
a.grad = b.grad = 0
_, p = SumAndProduct.apply(a, b)
(10 * p).backward()
print(f"  dy/da = 10*3 = {a.grad}, dy/db = 10*2 = {b.grad}")
