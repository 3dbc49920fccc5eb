"""Fitting: least squares and minimisation with exact derivatives. `optim` has the functions."""
