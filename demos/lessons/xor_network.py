"""A network: two layers learn what no single line can, and every step can be checked."""

from scalargrad.losses import mse
from scalargrad.nn import MLP
from scalargrad.optim import SGD

inputs = [(0, 0), (0, 1), (1, 0), (1, 1)]
targets = [0, 1, 1, 0]  # whether just one of the two is 1: exclusive or

model = MLP(2, [2, 1])
first, second = model.layers[0].neurons
[last] = model.layers[1].neurons
for neuron, weights, bias in [(first, [1, 1], 0), (second, [1, 1], -1), (last, [1, -1], 0)]:
    for parameter, number in zip([*neuron.w, neuron.b], [*weights, bias], strict=True):
        parameter.data = float(number)

print("Two neurons, h1 = relu(x1 + x2) and h2 = relu(x1 + x2 - 1), and y = h1 - h2.")
print("relu(s) is s where s is positive, else 0.")
for x, target in zip(inputs, targets, strict=True):
    h1, h2 = model.layers[0](x)
    print(f"  x = {x}   h1 = {h1.data}   h2 = {h2.data}   y = {model(x).data}   want {target}")
print("Only the last is wrong, by 1, so the mean of the squared errors is 1/4.")

loss = mse([model(x) for x in inputs], targets)
loss.backward()
print(f"\nThe walk back from loss = {loss.data}, as you would do it, for the input (1, 1):")
print("  dloss/dy = 2 * error / 4 = 0.5     y = v1*h1 + v2*h2 + c with v = (1, -1), c = 0")
print(f"  by v1: 0.5 * h1 = {last.w[0].grad}   by v2: 0.5 * h2 = {last.w[1].grad}", end="")
print(f"   by c: {last.b.grad}")
print("  dloss/dh1 = 0.5 * v1 = 0.5, dloss/dh2 = 0.5 * v2 = -0.5, and both x are 1:")
print(f"  by the weights and bias of h1: {[p.grad for p in first.parameters()]}")
print(f"  by the weights and bias of h2: {[p.grad for p in second.parameters()]}")

print("\nStep against the gradient, and again, over all four inputs:")
optimizer = SGD(model.parameters(), lr=0.1)
for step in range(201):
    outputs = [model(x) for x in inputs]
    loss = mse(outputs, targets)
    if step in (0, 1, 2, 10, 50, 200):
        print(f"  step {step:>3}   loss {loss:.6f}   y = {[round(y.data, 3) for y in outputs]}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("All four are right. This is all that happens in a larger network, only more of it.")
