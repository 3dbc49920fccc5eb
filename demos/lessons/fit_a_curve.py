"""Fitting a curve: the least sum of squared errors, and how far off the parameters may be."""

from scalargrad import exp
from scalargrad.optim import curve_fit

xs = [0.0, 1.0, 2.0, 3.0]

print("First a line, since paper can check it: a + b*x near (0, 1), (1, 3), (2, 4)")
print("and (3, 6). The means are 1.5 and 3.5, and so")
print("  b = (1.5*2.5 + 0.5*0.5 + 0.5*0.5 + 1.5*2.5) / 5 = 8/5")
print("  a = 3.5 - 1.6*1.5 = 1.1")
line = curve_fit(lambda x, a, b: a + b * x, xs, [1.0, 3.0, 4.0, 6.0], p0=[0.0, 0.0])
a, b = line.parameters
print(f"curve_fit, from a = 0, b = 0:  a = {a:.6f}, b = {b:.6f}")
print("The line misses by 0.1, 0.3, 0.3 and 0.1:")
print(f"  sum of squares = 0.01 + 0.09 + 0.09 + 0.01 = {line.residual_sum_of_squares:.6f}")
print("Four points, two parameters: the variance of a point is 0.2 / (4 - 2) = 0.1, and")
print("b is known to sqrt(0.1/5) = 0.141421, a to sqrt(0.1 * (1/4 + 1.5**2/5)).")
error_a, error_b = line.standard_errors
print(f"  standard errors: of a {error_a:.6f}, of b {error_b:.6f}")

print("\nNow a curve without such a formula, a * exp(-b*x), near points that halve:")
curve = curve_fit(lambda x, a, b: a * exp(-b * x), xs, [8.0, 4.0, 2.0, 1.0], p0=[1.0, 1.0])
a, b = curve.parameters
print(f"  a = {a:.6f}, b = {b:.6f}, which is log(2)")
print("\nSee it:\n  python3 -m scalargrad play sin")
print("\nExercise: fit it to 9, 3, 1, 1/3. What is b?")
