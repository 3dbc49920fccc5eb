"""The power series of sin: all derivatives at once, from the rules of sin and cos alone."""

from fractions import Fraction
from math import factorial

from scalargrad import cos, grad, sin, taylor

print("Near 0, sin(x) = c0 + c1*x + c2*x**2 + ..., where ck is the derivative number k")
print("divided by k!. taylor finds them. It knows only the rules of sin and cos:\n")
print("   k      ck               times k!")
series = taylor(sin, 0.0, 9)
for k, c in enumerate(series):
    print(f"   {k}  {c + 0.0:18.15f}  {round(c * factorial(k)):4}")
print("The same c5, by grad five times:")
fifth = grad(grad(grad(grad(grad(sin)))))(0.0) / factorial(5)
print(f"  c5 = 1 / 120 = {fifth:.15f}")

print("\nHow it is done: the rule says that the derivative of sin is cos. The derivative")
print("of ck*x**k is k*ck*x**(k-1), so k*ck must be the coefficient k-1 of cos:")
print("  k*ck, k = 1, 2, ...:", *[f"{k * c + 0.0:8.5f}" for k, c in enumerate(series)][1:7])
print("  cos:                ", *[f"{c + 0.0:8.5f}" for c in taylor(cos, 0.0, 5)])
print("Those of cos come from -sin in the same way. Each needs only earlier ones.")

print("\nAdded up at x = 1, to more and more terms:")
for order in (1, 3, 5, 7, 9):
    print(f"  to x**{order}: {sum(series[: order + 1]):.9f}")
print(f"  sin(1):  {sin(1.0):.9f}")

print("\nNear x = 1 they are sin(1), cos(1), -sin(1)/2 and -cos(1)/6:")
print("  ", *[f"{c:9.6f}" for c in taylor(sin, 1.0, 3)])

print("\nFor a fraction all coefficients are exact. 1/(1 - x - x**2) at x = 0 has")
print("  ", *taylor(lambda x: 1 / (1 - x - x**2), Fraction(0), 12))
print("Each is the sum of the two before it: 2 + 3 = 5, 89 + 144 = 233.")
print("\nExercise: what is the series of 1/(1 - x)**2, at Fraction(0)?")
