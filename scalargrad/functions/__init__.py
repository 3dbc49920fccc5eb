"""The functions, in families: each with its derivative rule, its domain and its documentation.

The names, signatures and domain errors are those of Python's `math` module, and all of them are
here on every supported Python. Each takes plain numbers and gives a plain number, or takes Values
among them and gives a Value; what it raises on numbers it raises on Values, naming the op, its
inputs and their labels. Beyond `math` there are the activations and choices of small networks.
"""
