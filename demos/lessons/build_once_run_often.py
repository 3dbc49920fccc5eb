"""A graph as an object: build it first, feed it numbers later, and run it as often as you like."""

from scalargrad import Value

x = Value(0.0, label="x")
w = Value(2.0, label="w")
b = Value(1.0, label="b")
product = w * x
y = product + b

print("Build y = w*x + b with w = 2 and b = 1. x is 0 and gets its number later:")
print(f"  y = {y.data}")

x.data = 3.0
print("\nSet x to 3. y changes only when forward() computes the graph again:")
print(f"  before forward():  y = {y.data}")
y.forward()
print(f"  after forward():   y = 2*3 + 1 = {y.data}")

y.backward()
print("\nbackward() uses the same graph. The slope by w is x, the slope by x is w:")
print(f"  dy/dw = {w.grad}")
print(f"  dy/dx = {x.grad}")
print(f"  dy/db = {b.grad}")

print("\nOther numbers, same graph. The gradients are set to 0 before each run:")
for number in (-1.0, 0.5, 10.0):
    for leaf in (x, w, b):
        leaf.grad = 0
    x.data = number
    y.forward()
    y.backward()
    print(f"  x = {number:>4}   y = {y.data:>4}   dy/dw = {w.grad:>4}   dy/dx = {x.grad}")
print(f"No new graph was built: y.parents[0] is product: {y.parents[0] is product}")

print("\nThe weights are leaves, too. With w = 5, and x still 10:")
w.data = 5.0
print(f"  y = 5*10 + 1 = {y.forward()}")
print('\nSee it:\n  python3 -m scalargrad draw "w*x + b" w=2 x=3 b=1 --open')
print("\nExercise: run it with w = -1, x = 4 and b = 2.")
