"""Code as C, for speed."""
