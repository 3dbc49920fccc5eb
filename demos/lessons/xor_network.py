"""A network: two layers learn what a straight line cannot, in steps that you can check."""

from scalargrad.losses import mse
from scalargrad.nn import MLP
from scalargrad.optim import SGD

inputs = [(0, 0), (0, 1), (1, 0), (1, 1)]
targets = [0, 1, 1, 0]  # whether just one of the two is 1: exclusive or

model = MLP(2, [2, 1])
first, second = model.layers[0].neurons
[last] = model.layers[1].neurons
for neuron, numbers in [(first, (1, 1, 0)), (second, (1, 1, -1)), (last, (1, -1, 0))]:
    for parameter, number in zip([*neuron.w, neuron.b], numbers, strict=True):
        parameter.data = float(number)

print("Two neurons, h1 = relu(x1 + x2) and h2 = relu(x1 + x2 - 1), and a third that")
print("takes them: y = 1*h1 - 1*h2 + 0. relu(s) is s where that is positive, else 0.")
for x, target in zip(inputs, targets, strict=True):
    h1, h2 = model.layers[0](x)
    print(f"  {x}   h1 = {h1.data}   h2 = {h2.data}   y = {model(x).data}   want {target}")

loss = mse([model(x) for x in inputs], targets)
loss.backward()
print("Only the last is wrong, by 1. The mean of the squared errors:")
print(f"  loss = (0 + 0 + 0 + 1) / 4 = {loss.data}")
print("\nSo the walk back goes only through (1, 1). There dloss/dy = 2 * 1 / 4 = 0.5,")
print("and dloss/dh1 is 0.5 * 1, dloss/dh2 is 0.5 * -1, and x1 = x2 = 1. The slopes by")
print("weight, weight and bias are therefore")
for name, neuron, sums in [
    ("h1", first, "0.5*1, 0.5*1, 0.5"),
    ("h2", second, "-0.5*1, -0.5*1, -0.5"),
    ("y", last, "0.5*2, 0.5*1, 0.5"),
]:
    print(f"  of {name:<2}  {sums:<21} {[p.grad for p in [*neuron.w, neuron.b]]}")

print("\nGo 0.1 times that downhill, and again, with all four inputs:")
optimizer = SGD(model.parameters(), lr=0.1)
for step in range(201):
    outputs = [model(x) for x in inputs]
    loss = mse(outputs, targets)
    if step in (0, 1, 2, 10, 50, 200):
        ys = "  ".join(f"{y:7.4f}" for y in outputs)
        print(f"  step {step:>3}   loss {loss:.6f}   y = {ys}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("On paper, step 1 at (1, 1): h1 = 0.95 + 0.95 - 0.05 = 1.85,")
print("h2 = 1.05 + 1.05 - 0.95 = 1.15, y = 0.9 * 1.85 - 1.05 * 1.15 - 0.05 = 0.4075.")
print("In the end all four are right. A large network does the same with more numbers.")
print("\nSee it:\n  python3 -m scalargrad play xor")
print("\nExercise: let it learn whether both are 1. What is the first loss?")
