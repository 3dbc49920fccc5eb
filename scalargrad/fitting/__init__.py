"""Fitting: least squares and minima, with exact derivatives. Import them from `optim`."""
