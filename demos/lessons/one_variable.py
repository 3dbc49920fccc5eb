"""One variable: what a derivative is, and a Value that knows its own."""

from typing import Any

from scalargrad import Value


def f(x: Any) -> Any:
    return x**2 + 2 * x


print("y = x**2 + 2*x, at x = 3")
print(f"  y = 3*3 + 2*3 = {f(3)}")

print("\nHow fast does y grow there? Nudge x by a little h, and see what y gains:")
for h in (0.1, 0.01, 0.001):
    gain = f(3 + h) - f(3)
    print(f"  h = {h:<5}  y gains {gain:<8.6g}  that is {gain / h:.3f} times h")
print("The smaller the nudge, the closer to 8. That limit is the derivative, dy/dx.")
print("By the rules of calculus it is 2*x + 2, and at x = 3 that is 8.")

print("\nA Value is a number that finds its derivative without any nudge:")
x = Value(3.0, label="x")
y = f(x)
y.backward()
print(f"  y     = {y.data}")
print(f"  dy/dx = {x.grad}")

print("\nThis works because a result remembers its op, and the operands of that:")
square, double = y.parents
for name, result in [("y", y), ("x**2", square), ("2*x", double)]:
    sources = " and ".join(map(format, result.operands))
    print(f"  {name:<4} is {result.data:>4}, made by {result.op:<2} of {sources}")
print("The computation made this graph. The next lesson walks along it.")
print('\nSee it:\n  python3 -m scalargrad draw "x**2 + 2*x" x=3 --open')
print("\nExercise: at which x is dy/dx 0? Run it with that x.")
