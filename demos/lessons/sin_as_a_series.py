"""sin from its Taylor series: differentiate a loop, exactly, and watch cos come out."""

from fractions import Fraction

from scalargrad import Value, sin


def sin_series(x: Value, terms: int) -> Value:
    """Return x - x**3/3! + x**5/5! - ..., with so many terms."""
    term = total = x
    for k in range(2, 2 * terms, 2):
        term = -term * x * x / (k * (k + 1))
        total = total + term
    return total


print("sin(x) = x - x**3/6 + x**5/120 - ...   and its derivative, term by term, is")
print("cos(x) = 1 - x**2/2 + x**4/24 - ...")

print("\nA Value may hold a fraction, and then everything is exact. At x = 1:")
print("  terms        sum                   derivative of the sum")
for terms in range(1, 6):
    x = Value(Fraction(1))
    y = sin_series(x, terms)
    y.backward()
    y_cell, slope_cell = (f"{str(n):>13} = {float(n):.6f}" for n in (y.data, x.grad))
    print(f"  {terms}   {y_cell}   {slope_cell}")
print("Three terms by hand: 1 - 1/6 + 1/120 = 101/120,  1 - 1/2 + 1/24 = 13/24.")

x = Value(1.0)
y = sin(x)
y.backward()
print("\nAnd the sin of the package, whose rule says that its derivative is cos:")
print(f"                      {y:.6f}                   {x.grad:.6f}")

print("\nThe loop left no trace of being a loop: the graph is what ran, so that")
print("any for, while and if that Python has may stand in what you differentiate.")
