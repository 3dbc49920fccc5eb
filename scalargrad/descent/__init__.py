"""Gradient descent: optimisers and learning-rate schedules. Import them from `optim`."""
