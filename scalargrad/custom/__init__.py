"""`Function`: ops with a hand-written forward and backward."""
