"""Code as Python, to run and to read."""
