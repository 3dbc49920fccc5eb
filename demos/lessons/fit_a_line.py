"""Learning: a machine with two weights, a measure of how wrong it is, and steps downhill."""

from scalargrad import Value
from scalargrad.losses import mse
from scalargrad.optim import SGD

xs = [0.0, 1.0, 2.0]
targets = [1.0, 3.0, 5.0]

w, b = Value(0.0, label="w"), Value(0.0, label="b")
optimizer = SGD([w, b], lr=0.1)

print(f"Find the line w*x + b through the points {list(zip(xs, targets, strict=True))}.")
print("It starts as w = 0, b = 0. How wrong it is: the mean of the squares of the errors.")
print("  errors 0-1, 0-3, 0-5, loss = (1 + 9 + 25) / 3 = 11.6667")
print("  dloss/dw = mean of 2 * error * x = 2 * (-1*0 - 3*1 - 5*2) / 3 = -8.6667")
print("  dloss/db = mean of 2 * error     = 2 * (-1 - 3 - 5) / 3       = -6")
print("  a step of 0.1 against them: w = 0.86667, b = 0.6\n")

print(" step    w        b        loss      dloss/dw   dloss/db")
for step in range(201):
    predictions = [w * x + b for x in xs]
    loss = mse(predictions, targets)
    optimizer.zero_grad()
    loss.backward()
    if step in (0, 1, 2, 10, 50, 200):
        print(f"{step:>5}  {w:8.5f} {b:8.5f} {loss:10.6f} {w.grad:10.5f} {b.grad:10.5f}")
    optimizer.step()  # w.data -= 0.1 * w.grad, and so for b

print("\nThe points lie on 2*x + 1. Nobody told it: it went downhill.")
print(f"For x = 10 it now says {w * 10 + b:.4f}.")
