"""Differential equations: from them follows a power series, one coefficient at a time."""

import math
from functools import partial
from typing import Any

from scalargrad import cos, sin, taylor


def value(series: list[float], t: Any) -> Any:
    """Return the sum of the series at time t: c0 + c1*t + c2*t**2 + ..."""
    total: Any = 0.0
    for c in reversed(series):
        total = total * t + c
    return total


def shown(series: list[float]) -> str:
    return " ".join(f"{c + 0.0:.6f}" for c in series)


print("Money grows in proportion to itself: y' = y, and y = 1 at t = 0.")
print("If y = c0 + c1*t + c2*t**2 + ..., then y' = c1 + 2*c2*t + 3*c3*t**2 + ...")
print("Both are the same series, so c1 = c0, 2*c2 = c1, 3*c3 = c2, and so on.")
money = [1.0]
for k in range(19):
    money.append(money[k] / (k + 1))
print(f"  {shown(money[:6])}")
print(f"  At t = 1 they add up to {value(money, 1.0):.9f}, and e is {math.e:.9f}.")

print("\nA spring pulls a weight back, in proportion to its distance x: x'' = -x. It")
print("starts at 1 with the speed 0. Differentiate twice: c(k+2) * (k+1)*(k+2) = -c(k).")
spring = [1.0, 0.0]
for k in range(18):
    spring.append(-spring[k] / ((k + 1) * (k + 2)))
print(f"  {shown(spring[:6])}")
print(f"  At t = 1 it is at {value(spring, 1.0):.9f}, and cos(1) is {math.cos(1):.9f}.")

print("\nGravity pulls a pendulum back: angle'' = -sin(angle). `taylor` finds the")
print("coefficients of the sine, as far as the angle is known. From the angle pi/2:")


def swing(state: list[float], order: int) -> list[float]:
    """Return the series of the angle in time, from angle and speed."""
    series = [*state]
    for k in range(order - 1):
        sine = taylor(lambda t: sin(value(series, t)), 0.0, k)[k]
        series.append(-sine / ((k + 1) * (k + 2)))
    return series


print(f"  {shown(swing([math.pi / 2, 0.0], order=6))}")
print("On paper: the sine of pi/2 - t**2/2 is 1 - t**4/8 + ..., 1/(8*5*6) = 0.004167.")

print("\nThis series is exact for a short time. Step by 0.5, and start a new one there:\n")
print("  time   angle         speed         energy")
state = [math.pi / 2, 0.0]
for n in range(9):
    angle, speed = state
    energy = speed**2 / 2 - cos(angle)
    print(f"   {n / 2:.1f}  {angle:12.9f}  {speed:12.9f}  {abs(energy):.10f}")
    series = swing(state, order=20)
    state = taylor(partial(value, series), 0.5, 1)  # the angle, and its derivative
print("\nThe energy, speed**2/2 - cos(angle), is 0 at the start, and stays 0.")
print("\nExercise: start both at 0.1. Where are the pendulum and the weight at t = 1.5?")
