"""Losses of Values are Values, of floats floats."""

from scalargrad import Value
from scalargrad.losses import cross_entropy, mse

x = Value(0.5)
loss: Value = mse([x, x * 2], [1.0, 2.0])
loss.backward()
plain: float = mse([1.0, 2.0], [1.0, 4.0])
by_class: Value = cross_entropy([x, x * 2], 1)
by_probability: Value = cross_entropy([x, x * 2], [0.25, 0.75])
print(loss.data, plain, by_class.data, by_probability.data)
