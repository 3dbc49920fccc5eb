"""A graph as an object: build it first, feed it numbers later, and run it as often as you like."""

from scalargrad import Value

x = Value(0.0, label="x")
w = Value(2.0, label="w")
b = Value(1.0, label="b")
y = w * x + b

print("y = w*x + b with w = 2 and b = 1 is built. x is only a place to fill, with 0 in it:")
print(f"  y = {y.data}")

x.data = 3.0
print("\nNow x is 3. The graph does not know yet, until forward() computes it again:")
print(f"  before forward()  y = {y.data}")
y.forward()
print(f"  after forward()   y = 2*3 + 1 = {y.data}")

y.backward()
print("\nThe walk back runs over the same graph:")
print(f"  dy/dw = x = {w.grad}")
print(f"  dy/dx = w = {x.grad}")
print(f"  dy/db =     {b.grad}")

print("\nOther numbers, same graph. The gradients are set to 0 before each run:")
made = y.parents
for number in (-1.0, 0.5, 10.0):
    for leaf in (x, w, b):
        leaf.grad = 0
    x.data = number
    y.forward()
    y.backward()
    print(f"  x = {number:>4}   y = {y.data:>4}   dy/dw = {w.grad:>4}   dy/dx = {x.grad}")
print(f"No op was added: y has the parents it had before: {made == y.parents}")

print("\nThe weights are leaves like any other. With w = 5 and x = 10:")
w.data = 5.0
print(f"  y = 5*10 + 1 = {y.forward()}")
