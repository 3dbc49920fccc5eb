"""Rounding, bounds and tests of numbers."""

from scalargrad import Value, clip, isfinite, isnan, logit, pi, sign, sinc, where

x = Value(0.3)
y: Value = sign(x) + sinc(x) + logit(x)
bounded = clip(x, 0.0, 1.0)
chosen = where(isnan(x), 0.0, y + bounded)
print(y.data, chosen, isfinite(x), pi)
