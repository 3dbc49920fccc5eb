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


print("sin(x) = x - x**3/6 + x**5/120 - ...  and, differentiated term by term,")
print("cos(x) = 1 - x**2/2 + x**4/24 - ...")

print("\nA Value may hold a fraction. Then all arithmetic is exact. At x = 1:")
print("  terms           the series               its derivative")
for terms in range(1, 6):
    x = Value(Fraction(1))
    y = sin_series(x, terms)
    y.backward()
    cells = [f"{number!s:>13} = {float(number):.6f}" for number in (y.data, x.grad)]
    print(f"  {terms}  {cells[0]}  {cells[1]}")
print("With three terms on paper: 1 - 1/6 + 1/120 = 101/120, 1 - 1/2 + 1/24 = 13/24.")

x = Value(1.0)
y = sin(x)
y.backward()
print("\nThe sin of the package, whose rule says that its derivative is cos:")
print(f"        sin(1) = {y:.6f}        cos(1) = {x.grad:.6f}")

print("\nThe graph has the sums that the loop did, and no loop. So you can use any for,")
print("while and if of Python in what you differentiate.")
print('\nSee it:\n  python3 -m scalargrad draw "x - x**3/6 + x**5/120" x=1 --open')
print("\nExercise: what do six terms give?")
