"""An op of one's own by its rule."""

from scalargrad import Value, primitive


@primitive(lambda g, y, x: g * (2 * x))
def square(x: float) -> float:
    return x * x


y: Value = square(Value(3.0))
plain: float = square(3.0)
y.backward()
print(y.data, plain)
