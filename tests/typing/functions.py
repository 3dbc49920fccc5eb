"""Functions give Values for Values and floats for floats; methods of Value are known."""

from scalargrad import Value, exp, log, maximum, sin, tanh

x: Value = Value(0.5, label="x")
y: Value = exp(x) * sin(x) + tanh(x)
z: Value = maximum(x.tanh().relu(), 0.1) + log(x)
number: float = exp(0.5) + sin(1.0)
y.backward()
data: float = (y + z).data
print(f"{y:.3f} {number + data:.3f}", x.op, x.label)
