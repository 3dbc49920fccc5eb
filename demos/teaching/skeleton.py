"""Your own autodiff engine, in five steps. README.md says what to do in each.

A `Value` holds a number. What is computed from Values is a Value again, and remembers what it was
computed from. `backward()` then finds the derivative of the result by every Value in it.
"""


class Value:
    """A number that remembers how it was computed.

    `parents` are the Values it was computed from, `slopes` its derivatives by them.
    """

    def __init__(self, data, parents=(), slopes=()):
        self.data = data
        self.grad = 0.0
        self.parents = parents
        self.slopes = slopes

    # Step 1: return a Value with the right number.
    # Step 2: give it its parents and slopes.
    # Step 3: take a plain number for `other`, and on the left side too.

    def __add__(self, other):
        raise NotImplementedError

    def __mul__(self, other):
        raise NotImplementedError

    def __sub__(self, other):
        raise NotImplementedError

    def __truediv__(self, other):
        raise NotImplementedError

    def __neg__(self):
        raise NotImplementedError

    def tanh(self):
        raise NotImplementedError

    # Step 2: pass the gradient back to the parents.
    # Step 4: do that in the right order, when parents share their parents.
    # Step 5: do it again on the same graph, and on a very deep one.

    def backward(self):
        raise NotImplementedError
