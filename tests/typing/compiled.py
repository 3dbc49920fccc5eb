"""A compiled loss: what it returns, its backward and its source."""

from scalargrad import Value, compile

w = Value(2.0, label="w")


@compile
def loss(x: float, y: float) -> Value:
    error = w * x - y
    return error * error


@compile(static_argnames="n")
def power(x: float, n: int) -> float:
    return x**n


total: float = loss(3.0, 5.0)
total = total + loss.backward(3.0, 5.0)
text: str = loss.source
print(total, text, power(2.0, n=3), w.grad, loss.cache_info().hits)
