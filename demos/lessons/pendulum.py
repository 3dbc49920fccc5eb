"""A pendulum: its differential equation solved by power series, one for each step in time."""

from math import pi, sqrt
from typing import Any

from scalargrad import cos, sin, taylor


def value(series: list[float], t: Any) -> Any:
    """Return the sum of the series at time t."""
    total: Any = 0.0
    for c in reversed(series):
        total = total * t + c
    return total


def swing(state: list[float], order: int) -> list[float]:
    """Return the series of the angle in time, from angle and speed: angle'' = -sin(angle)."""
    series = [*state]
    for k in range(order - 1):
        # What is known of the angle so far gives one more coefficient of its sine.
        sine = taylor(lambda t: sin(value(series, t)), 0.0, k)[k]
        series.append(-sine / ((k + 1) * (k + 2)))
    return series


def later(state: list[float], time: float) -> list[float]:
    """Return angle and speed after that time."""
    series = swing(state, order=20)
    return taylor(lambda t: value(series, t), time, 1)  # type: ignore[no-any-return]


print("A pendulum is held level, at the angle pi/2, and let go. Gravity changes its")
print("speed by -sin(angle), in units in which a small swing takes the time 2*pi. The")
print("series of the angle begins with angle + speed*t. The coefficient k of its sine,")
print("divided by -(k+1)*(k+2), is the coefficient k+2 of the angle. So, from t = 0:")
state = [pi / 2, 0.0]
print("  ", *[f"{c + 0.0:.6f}" for c in swing(state, order=6)])
print("On paper: angle = pi/2 - t**2/2 + ..., the sine of that is 1 - t**4/8 + ..., and")
print("so the next term has 1/(8*5*6) = 0.004167.")

print("\nThis series holds for a while. Take a step, and start a new one there:\n")
print("  time   angle         speed         energy")
for n in range(9):
    angle, speed = state
    energy = speed**2 / 2 - cos(angle)
    print(f"   {n / 2:.1f}  {angle:12.9f}  {speed:12.9f}  {abs(energy):.10f}")
    state = later(state, time=0.5)
print("\nThe energy is speed**2/2 - cos(angle): 0 at the start, and so for ever.")

a, b = 1.0, sqrt(0.5)
for _ in range(5):
    a, b = (a + b) / 2, sqrt(a * b)
quarter, state = pi / 2 / a, [pi / 2, 0.0]
for _ in range(4):
    state = later(state, time=quarter / 4)
print("It hangs straight down after pi/2 divided by Gauss's mean of 1 and sqrt(1/2),")
print(f"at time {quarter:.9f}: the angle is {abs(state[0]):.9f} there, and the speed")
print(f"{state[1]:.9f}, so speed**2/2 is {state[1] ** 2 / 2:.6f}: all the energy of the height.")
print("\nExercise: let it go at the angle 0.1. When does it hang straight down?")
print("Answer: at time 1.571779, a little late.")
