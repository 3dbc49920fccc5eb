"""Learning: a model with two weights, a loss that says how wrong it is, and steps downhill."""

from scalargrad import Value
from scalargrad.losses import mse
from scalargrad.optim import SGD

xs = [0.0, 1.0, 2.0]
targets = [1.0, 3.0, 5.0]

w, b = Value(0.0, label="w"), Value(0.0, label="b")
optimizer = SGD([w, b], lr=0.1)

print("Find the line w*x + b through the points (0, 1), (1, 3) and (2, 5).")
print("Start with w = 0, b = 0. How wrong is it? The loss is the mean of the squared")
print("errors, and the errors are -1, -3, -5:")
print("  loss = (1 + 9 + 25) / 3 = 11.66667")
print("  dloss/dw, the mean of 2 * error * x:  2 * (-1*0 - 3*1 - 5*2) / 3 = -8.66667")
print("  dloss/db, the mean of 2 * error:      2 * (-1 - 3 - 5) / 3 = -6")
print("A step of 0.1 against them goes to")
print("  w = 0 + 0.1 * 8.66667 = 0.86667")
print("  b = 0 + 0.1 * 6 = 0.6\n")

print(" step     w        b         loss   dloss/dw   dloss/db")
for step in range(101):
    predictions = [w * x + b for x in xs]
    loss = mse(predictions, targets)
    optimizer.zero_grad()
    loss.backward()
    if step in (0, 1, 2, 10, 50, 100):
        print(f"{step:>5}  {w:8.5f} {b:8.5f} {loss:10.6f} {w.grad:10.5f} {b.grad:10.5f}")
    optimizer.step()  # w.data -= 0.1 * w.grad, and the same for b

print("\nThe points lie on 2*x + 1. Nobody told it so: it only went downhill.")
print(f"For x = 10 it says {w * 10 + b:.2f}.")
print('\nSee it:\n  python3 -m scalargrad draw "(w*2 + b - 5)**2" w=0 b=0 --open')
print("\nExercise: add the point (3, 9), and take 300 steps.")
