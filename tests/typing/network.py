"""A network, an optimiser and a loop."""

import random

from scalargrad.losses import mse
from scalargrad.nn import MLP
from scalargrad.optim import Adam

model = MLP(2, [4, 1], rng=random.Random(0))
optimizer = Adam(model.parameters(), lr=0.05)
xs = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
ys = [0.0, 1.0, 1.0, 0.0]
for _ in range(5):
    optimizer.zero_grad()
    loss = mse([model(x) for x in xs], ys)
    loss.backward()
    optimizer.step()
print(loss.data, len(model.parameters()))
