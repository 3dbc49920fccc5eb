"""Ops with any number of inputs, and ops with several outputs."""

from typing import Any

from scalargrad import Function, Value


class Add(Function):
    @staticmethod
    def forward(ctx: Any, *numbers: float) -> float:
        return sum(numbers)

    @staticmethod
    def backward(ctx: Any, g: float) -> Any:
        # The slope by each input is 1, and ctx knows how many inputs there are.
        return (g,) * len(ctx.needs_input_grad)


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx: Any, a: float, b: float) -> tuple[float, float]:
        ctx.save_for_backward(a, b)
        return a + b, a * b

    @staticmethod
    def backward(ctx: Any, by_sum: float, by_product: float) -> Any:
        print(f"  backward gets {by_sum} for the sum and {by_product} for the product")
        a, b = ctx.saved_values
        return by_sum + by_product * b, by_sum + by_product * a


print("Add takes any number of inputs, and is one node:")
for numbers in ([2, 3], [2, 3, 5, 7]):
    xs = [Value(number) for number in numbers]
    y = Add.apply(*xs)
    y.backward()
    print(f"  {' + '.join(map(str, numbers))} = {y.data}")
    print(f"    with {len(y.parents)} parents, and the slopes {[x.grad for x in xs]}")

print("\nSumAndProduct has two outputs, s = a + b and p = a * b. At a = 2, b = 3:")
a, b = Value(2.0), Value(3.0)
s, p = SumAndProduct.apply(a, b)
print(f"  s = 2 + 3 = {s.data}")
print(f"  p = 2 * 3 = {p.data}")

print("Use both, in y = s * p. Then dy/ds = p = 6 and dy/dp = s = 5:")
y = s * p
y.backward()
print(f"  y = 5 * 6 = {y.data}")
print(f"  dy/da = 6*1 + 5*3 = {a.grad}")
print(f"  dy/db = 6*1 + 5*2 = {b.grad}")
print("backward was called once, when the shares of both outputs had arrived.")

print("\nUse the product alone, in y = 10 * p. The sum's share is then 0:")
a.grad = b.grad = 0
_, p = SumAndProduct.apply(a, b)
(10 * p).backward()
print(f"  dy/da = 10 * 3 = {a.grad}")
print(f"  dy/db = 10 * 2 = {b.grad}")
print("\nExercise: add a third output, a - b, and let y be the product of all three.")
