"""A graph as an object: build it first, feed it numbers later, and run it as often as you like."""

from scalargrad import Value

x = Value(0.0, label="x")
w = Value(2.0, label="w")
b = Value(1.0, label="b")
product = w * x
y = product + b

print("y = w*x + b is built, with w = 2, b = 1, and x a place to fill, now 0:")
print(f"  y = {y.data}")

x.data = 3.0
print("\nPut a 3 into x. The graph does not know until forward() computes it again:")
print(f"  before forward():  y = {y.data}")
y.forward()
print(f"  after forward():   y = 2*3 + 1 = {y.data}")

y.backward()
print("\nThe walk back runs over the same graph. The slope by w is x, that by x is w:")
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
print(f"Nothing was built anew: y.parents[0] is product: {y.parents[0] is product}")

print("\nThe weights are leaves like any other. With w = 5, and x still 10:")
w.data = 5.0
print(f"  y = 5*10 + 1 = {y.forward()}")
print('\nSee it:\n  python3 -m scalargrad draw "w*x + b" w=2 x=3 b=1 --open')
print("\nExercise: put in w = -1, x = 4, b = 2, and run it.")
