"""The graph of a Value, looked at."""

from scalargrad import Value, derivatives, detect_anomaly, no_grad, stop_gradient

x, w = Value(3.0), Value(2.0)
with detect_anomaly():
    y = w * x + stop_gradient(x)
first: float = derivatives(y, [x, w])[0]
with no_grad():
    z = y * 2
for parent in y.parents:
    print(parent.op, parent.data)
print(first, z.data, y.forward(), isinstance(y, Value))
