"""A module of one's own."""

from scalargrad import Value
from scalargrad.nn import Module


class Line(Module):
    def __init__(self) -> None:
        self.slope, self.offset = Value(2.0), Value(1.0)

    def __call__(self, x: float) -> Value:
        return self.slope * x + self.offset


line = Line()
line(3.0).backward()
for name, parameter in line.named_parameters():
    print(name, parameter.data, parameter.grad)
