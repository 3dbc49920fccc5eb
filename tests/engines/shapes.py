"""Right and wrong engines of eight shapes that public engines have, written anew and small.

Each is a text with some places changed: names and manners for a right one, one defect for a wrong
one, with the property that has to find it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.engines.making import RIGHT as RIGHT_CLOSURES
from tests.engines.making import changed

# Leaves ask for gradients: `Tensor(2.0, requires_grad=True)`; what is made of others has none.
REQUIRES = """
import math

class Tensor:
    def __init__(self, data, requires_grad=False, parents=()):
        self.data = data
        self.requires_grad = requires_grad or any(p.requires_grad for p, _ in parents)
        self.parents = [(p, rule) for p, rule in parents if p.requires_grad]
        self.grad = None

    def __add__(self, other):
        other = lift(other)
        return Tensor(self.data + other.data, parents=((self, lambda g: g), (other, lambda g: g)))

    def __mul__(self, other):
        other = lift(other)
        x, y = self.data, other.data
        return Tensor(x * y, parents=((self, lambda g: g * y), (other, lambda g: g * x)))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -lift(other)

    def __rsub__(self, other):
        return lift(other) - self

    def exp(self):
        y = math.exp(self.data)
        return Tensor(y, parents=((self, lambda g: g * y),))

    def backward(self):
        if not self.requires_grad:
            raise RuntimeError('this asks for no gradient')
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack += [(p, False) for p, _ in node.parents]
        passed = {id(self): 1.0}
        for node in reversed(order):
            for p, rule in node.parents:
                passed[id(p)] = passed.get(id(p), 0.0) + rule(passed[id(node)])
        for node in order:
            if not node.parents:
                node.grad = passed[id(node)] + (node.grad or 0.0)

def lift(x):
    return x if isinstance(x, Tensor) else Tensor(x)
"""

# There is no pass: a leaf asks those that were made of it, from the output on.
PULL = """
import math
import weakref

class Var:
    def __init__(self, value, parents=()):
        self.value = value
        self.grad_value = None
        self.parents = parents
        self.children = []
        for place, p in enumerate(parents):
            p[0].children.append((weakref.ref(self), place))

    def __add__(self, other):
        other = lift(other)
        return Var(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __sub__(self, other):
        other = lift(other)
        return Var(self.value - other.value, ((self, 1.0), (other, -1.0)))

    def __mul__(self, other):
        other = lift(other)
        return Var(self.value * other.value, ((self, other.value), (other, self.value)))

    def __radd__(self, other):
        return lift(other) + self

    def __rsub__(self, other):
        return lift(other) - self

    def __rmul__(self, other):
        return lift(other) * self

    def sin(self):
        return Var(math.sin(self.value), ((self, math.cos(self.value)),))

    def grad(self):
        stack, known = [self], {}
        while stack:
            node = stack[-1]
            users = [(u(), place) for u, place in node.children if u() is not None]
            waiting = [u for u, _ in users if u not in known]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            own = node.grad_value or 0.0
            known[node] = own + sum(u.parents[place][1] * known[u] for u, place in users)
        return known[self]

def lift(x):
    return x if isinstance(x, Var) else Var(x)
"""

# Forward mode: a number and its derivative in one object.
DUAL = """
import math

class Dual:
    def __init__(self, real, dual=0.0):
        self.real = real
        self.dual = dual

    def __add__(self, other):
        other = lift(other)
        return Dual(self.real + other.real, self.dual + other.dual)

    def __sub__(self, other):
        other = lift(other)
        return Dual(self.real - other.real, self.dual - other.dual)

    def __mul__(self, other):
        other = lift(other)
        return Dual(self.real * other.real, self.real * other.dual + self.dual * other.real)

    def __truediv__(self, other):
        other = lift(other)
        y = self.real / other.real
        return Dual(y, (self.dual - y * other.dual) / other.real)

    def __pow__(self, n):
        return Dual(self.real ** n, n * self.real ** (n - 1) * self.dual if n else 0.0)

    def __radd__(self, other):
        return lift(other) + self

    def __rsub__(self, other):
        return lift(other) - self

    def __rmul__(self, other):
        return lift(other) * self

    def __rtruediv__(self, other):
        return lift(other) / self

    def __neg__(self):
        return Dual(-self.real, -self.dual)

def lift(x):
    return x if isinstance(x, Dual) else Dual(x)

def tanh(x):
    y = math.tanh(x.real)
    return Dual(y, (1 - y * y) * x.dual)

def exp(x):
    y = math.exp(x.real)
    return Dual(y, y * x.dual)
"""

# A tape that all ops are written on, and a function that reads it backwards.
TAPE = """
import math
import weakref

TAPE = []

class Num:
    def __init__(self, x):
        self.x = x
        self.adj = 0.0

    def __add__(self, other):
        other = lift(other)
        return record(self.x + other.x, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        other = lift(other)
        return record(self.x * other.x, (self, other.x), (other, self.x))

    def __neg__(self):
        return record(-self.x, (self, -1.0))

    def __sub__(self, other):
        return self + -lift(other)

    def __rsub__(self, other):
        return lift(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        y = math.tanh(self.x)
        return record(y, (self, 1 - y * y))

def lift(x):
    return x if isinstance(x, Num) else Num(x)

def record(x, *terms):
    y = Num(x)
    y.terms = terms
    TAPE[:] = [r for r in TAPE if r() is not None] if len(TAPE) % 1000 == 999 else TAPE
    TAPE.append(weakref.ref(y))
    return y

def backward(y):
    passed = {id(y): 1.0}
    leaves = {id(y): y}
    for reference in reversed(TAPE):
        node = reference()
        g = passed.get(id(node), 0.0) if node is not None else 0.0
        if g:
            leaves.pop(id(node), None)
            for p, slope in node.terms:
                passed[id(p)] = passed.get(id(p), 0.0) + g * slope
                if not hasattr(p, 'terms'):
                    leaves[id(p)] = p
    for key, leaf in leaves.items():
        leaf.adj += passed[key]
"""

# numpy's scalars within, float32 or float64.
NUMPY = """
import numpy as np

class Scalar:
    def __init__(self, v, back=()):
        self.v = np.float64(v)
        self.back = back
        self.grad = np.float64(0.0)

    def __add__(self, other):
        other = lift(other)
        return Scalar(self.v + other.v, ((self, np.float64(1)), (other, np.float64(1))))

    def __mul__(self, other):
        other = lift(other)
        return Scalar(self.v * other.v, ((self, other.v), (other, self.v)))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return Scalar(-self.v, ((self, np.float64(-1)),))

    def relu(self):
        return Scalar(np.maximum(self.v, 0), ((self, np.float64(self.v > 0)),))

    def log(self):
        with np.errstate(all='ignore'):
            return Scalar(np.log(self.v), ((self, 1 / self.v),))

    def backward(self):
        order, counts, stack = [], {}, [self]
        while stack:
            for p, _ in stack.pop().back:
                if p not in counts:
                    counts[p] = 0
                    stack.append(p)
                counts[p] += 1
        ready = [self]
        while ready:
            node = ready.pop()
            order.append(node)
            for p, _ in node.back:
                counts[p] -= 1
                if not counts[p]:
                    ready.append(p)
        for node in order:
            if node.back:
                node.grad = np.float64(0)
        self.grad += 1
        for node in order:
            for p, slope in node.back:
                p.grad = p.grad + node.grad * slope

def lift(x):
    return x if isinstance(x, Scalar) else Scalar(x)
"""

# Arrays of no dimension within, made by function objects, which are called by functions.
CREATORS = """
import numpy as np

class Variable:
    def __init__(self, data):
        if not isinstance(data, np.ndarray):
            raise TypeError(f'{type(data)} is not supported')
        self.data = data
        self.grad = None
        self.creator = None
        self.generation = 0

    def cleargrad(self):
        self.grad = None

    def backward(self):
        passed = {self: np.ones_like(self.data)}
        functions, seen = [], set()

        def add(f):
            if f is not None and f not in seen:
                seen.add(f)
                functions.append(f)
                functions.sort(key=lambda f: f.generation)

        add(self.creator)
        while functions:
            f = functions.pop()
            for x, g in zip(f.inputs, f.backward(passed[f.output])):
                passed[x] = passed[x] + g if x in passed else g
                add(x.creator)
        for x, g in passed.items():
            if x.creator is None:
                x.grad = g if x.grad is None else x.grad + g

    def __add__(self, other):
        return Add()(self, other)

    def __mul__(self, other):
        return Mul()(self, other)

    def __neg__(self):
        return Neg()(self)

    __radd__, __rmul__ = __add__, __mul__

class Function:
    def __call__(self, *inputs):
        self.inputs = [x if isinstance(x, Variable) else Variable(np.array(x)) for x in inputs]
        self.generation = max(x.generation for x in self.inputs)
        output = Variable(np.asarray(self.forward(*(x.data for x in self.inputs))))
        output.creator, output.generation = self, self.generation + 1
        self.output = output
        return output

class Add(Function):
    def forward(self, x, y):
        return x + y

    def backward(self, g):
        return g, g

class Mul(Function):
    def forward(self, x, y):
        return x * y

    def backward(self, g):
        x, y = self.inputs
        return g * y.data, g * x.data

class Neg(Function):
    def forward(self, x):
        return -x

    def backward(self, g):
        return (-g,)

class Square(Function):
    def forward(self, x):
        return x ** 2

    def backward(self, g):
        return (2 * self.inputs[0].data * g,)

class Exp(Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, g):
        return (np.exp(self.inputs[0].data) * g,)

def square(x):
    return Square()(x)

def exp(x):
    return Exp()(x)
"""

# First a graph of nodes without numbers, which are put in and computed later.
DEFERRED = """
class Node:
    def __init__(self, *inputs):
        self.inputs = inputs
        self.value = None
        self.gradient = 0.0

    def set_value(self, value):
        self.value = value

    def __add__(self, other):
        return Sum(self, lift(other))

    def __mul__(self, other):
        return Product(self, lift(other))

    __radd__, __rmul__ = __add__, __mul__

    def order(self):
        found, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                found.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack += [(x, False) for x in node.inputs]
        return found

    def forward(self):
        for node in self.order():
            if node.inputs:
                node.value = node.compute(*(x.value for x in node.inputs))
        return self.value

    def backward(self):
        nodes = self.order()
        for node in nodes:
            node.gradient = 0.0
        self.gradient = 1.0
        for node in reversed(nodes):
            if node.inputs:
                slopes = node.slopes(*(x.value for x in node.inputs))
                for x, slope in zip(node.inputs, slopes):
                    x.gradient += node.gradient * slope

class Sum(Node):
    def compute(self, x, y):
        return x + y

    def slopes(self, x, y):
        return 1.0, 1.0

class Product(Node):
    def compute(self, x, y):
        return x * y

    def slopes(self, x, y):
        return y, x

def lift(x):
    if isinstance(x, Node):
        return x
    node = Node()
    node.set_value(x)
    return node
"""

# Plain functions, nodes that hold their local derivatives, and a function that gives a dictionary.
LOCALS = """
import math

class Variable:
    def __init__(self, value, local_gradients=()):
        self.value = value
        self.local_gradients = local_gradients

def add(a, b):
    return Variable(a.value + b.value, ((a, 1.0), (b, 1.0)))

def mul(a, b):
    return Variable(a.value * b.value, ((a, b.value), (b, a.value)))

def neg(a):
    return Variable(-a.value, ((a, -1.0),))

def exp(a):
    y = math.exp(a.value)
    return Variable(y, ((a, y),))

def get_gradients(variable):
    order, seen, stack = [], set(), [(variable, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(x, False) for x, _ in node.local_gradients]
    gradients = {variable: 1.0}
    for node in reversed(order):
        for x, slope in node.local_gradients:
            gradients[x] = gradients.get(x, 0.0) + gradients[node] * slope
    return gradients
"""

# Numbers with names, which carry their derivatives by all inputs, by name.
NAMED = """
import math

class Quantity:
    def __init__(self, name, value, partials=None):
        self.name = name
        self.value = value
        self.partials = {name: 1.0} if partials is None else partials

    def __add__(self, other):
        return combine(self.value + lift(other).value, (self, 1.0), (lift(other), 1.0))

    def __sub__(self, other):
        return combine(self.value - lift(other).value, (self, 1.0), (lift(other), -1.0))

    def __mul__(self, other):
        x, y = self.value, lift(other).value
        return combine(x * y, (self, y), (lift(other), x))

    def __radd__(self, other):
        return lift(other) + self

    def __rsub__(self, other):
        return lift(other) - self

    def __rmul__(self, other):
        return lift(other) * self

    def sin(self):
        return combine(math.sin(self.value), (self, math.cos(self.value)))

def combine(value, *terms):
    partials = {}
    for x, slope in terms:
        for name, partial in x.partials.items():
            partials[name] = partials.get(name, 0.0) + slope * partial
    return Quantity('', value, partials)

def lift(x):
    return x if isinstance(x, Quantity) else Quantity('', x, {})
"""

SHAPES = {
    "closures": (RIGHT_CLOSURES, "Value"),
    "requires": (REQUIRES, "Tensor"),
    "pull": (PULL, "Var"),
    "dual": (DUAL, "Dual"),
    "tape": (TAPE, "Num"),
    "numpy": (NUMPY, "Scalar"),
    "creators": (CREATORS, "Variable"),
    "deferred": (DEFERRED, "Node"),
    "locals": (LOCALS, "Variable"),
    "named": (NAMED, "Quantity"),
}


@dataclass(frozen=True)
class Engine:
    """An engine of a shape, with some places changed; and what finds the defect of a wrong one."""

    shape: str
    name: str
    changes: tuple[tuple[str, str], ...]
    found_by: frozenset[str]

    @property
    def source(self) -> str:
        return changed(*self.changes, text=SHAPES[self.shape][0])

    @property
    def engine(self) -> str:
        return SHAPES[self.shape][1]

    def __str__(self) -> str:
        return f"{self.shape}-{self.name}"


def read(table: str) -> tuple[Engine, ...]:
    """Return the engines of a table: lines that begin with - are replaced by those with +."""
    engines = []
    for entry in re.split(r"\n(?=\w)", table.strip("\n")):
        head, *lines = entry.split("\n")
        name, _, found_by = head.partition(":")
        changes: list[tuple[list[str], list[str]]] = []
        for n, line in enumerate(lines):
            if line[0] == "-" and (n == 0 or lines[n - 1][0] == "+"):
                changes.append(([], []))
            changes[-1][line[0] == "+"].append(line[2:])
        pairs = tuple(("\n".join(old), "\n".join(new)) for old, new in changes)
        shape, name = name.split()
        found = frozenset(word.strip() for word in found_by.split(",") if word.strip())
        engines.append(Engine(shape, name, pairs, found))
    return tuple(engines)


RIGHT = read("""
closures plain
closures sets
- self.parents = parents
+ self.parents = set(parents)
closures names
- .data
+ .val
- .grad
+ .der
- backward(
+ backprop(
closures whole_exponents
- if not isinstance(other, Value):
-             return self.to_the(other)
+ assert isinstance(other, int), 'whole numbers only'
+         return self.to_the(other)
closures positive_exponents
- if not isinstance(other, Value):
-             return self.to_the(other)
+ if isinstance(other, Value) or other != int(other) or other < 1:
+             raise ValueError('1, 2, 3 and so on only')
+         return self.to_the(int(other))
closures nodes_of_floats_only
- self.data = data
+ if type(data) is not float:
+             raise TypeError('floats only')
+         self.data = data
- return x if isinstance(x, Value) else Value(x)
+ return x
- self * -1.0
+ self * Value(-1.0)
- self.lift(other) ** self
+ Value(float(other)) ** self
closures seed
- def backward(self)
+ def backward(self, grad=1.0)
- self.grad += 1.0
+ self.grad += grad
closures static_pass
- def backward(self) -> None:
+ @staticmethod
+     def backward(self) -> None:
requires plain
requires gradients_are_nodes
- passed = {id(self): 1.0}
+ passed = {id(self): Tensor(1.0, True)}
- x, y = self.data, other.data
-         return Tensor(x * y,
+ x, y = self, other
+         return Tensor(x.data * y.data,
requires gradient
- .grad
+ .gradient
requires flag
- requires_grad
+ needs_grad
requires any_flag
- requires_grad
+ tracked
requires assertion
- raise RuntimeError('this asks for no gradient')
+ assert False, 'no'
pull plain
pull asked
- def grad(self)
+ def get_grad(self)
pull adjoint
- grad_value
+ adjoint
- def grad(
+ def derivative(
pull of_output
- def grad(self):
+ def grad_of(self, y):
- own = node.grad_value or 0.0
+ own = float(node is y)
dual plain
dual names
- .real
+ .val
- .dual
+ .der
dual static_functions
- def tanh(x):
+ class Dual(Dual):
+     @staticmethod
+     def sinh(x):
+         return Dual(math.sinh(x.real), math.cosh(x.real) * x.dual)
+ 
+     @classmethod
+     def cosh(cls, x):
+         return cls(math.cosh(x.real), math.sinh(x.real) * x.dual)
+ 
+ def tanh(x):
dual required
- dual=0.0
+ dual
- else Dual(x)
+ else Dual(x, 0.0)
dual odd_names
- .real
+ .re
- .dual
+ .part
dual seeds_itself
- def __init__(self, real, dual=0.0)
+ def __init__(self, real, dual=1.0)
- else Dual(x)
+ else Dual(x, 0.0)
tape plain
tape names
- def backward(
+ def backprop(
- .adj
+ .grad
- .x
+ .value
tape gradient
- def backward(
+ def compute_gradients(
- .adj
+ .d
numpy plain
numpy arrays
- self.v = np.float64(v)
+ self.v = np.array(v, dtype=float)
numpy single
- np.float64
+ np.float32
creators plain
creators gradients_are_variables
- x.grad = g if x.grad is None else x.grad + g
+ x.grad = Variable(np.asarray(g if x.grad is None else x.grad.data + g))
creators gradient
- .grad
+ .gradient
creators any_number
- if not isinstance(data, np.ndarray)
+ if False
creators array_to_start_with
- def backward(self):
-         passed = {self: np.ones_like(self.data)}
+ def backward(self, start):
+         passed = {self: np.ones(start.shape) * start}
deferred plain
deferred number_given
- self.inputs = inputs
-         self.value = None
+ self.inputs = [x for x in inputs if isinstance(x, Node)]
+         self.value = None if self.inputs else inputs[0]
- node = Node()
-     node.set_value(x)
-     return node
+ return Node(x)
deferred evaluates
- def forward(
+ def evaluate(
deferred assigned
- def set_value(
+ def assign(
- .set_value(
+ .assign(
locals plain
locals operators
- def add(
+ Variable.__add__ = lambda a, b: add(a, b)
+ Variable.__mul__ = lambda a, b: mul(a, b)
+ 
+ def add(
locals names
- add(
+ plus(
- mul(
+ times(
- seen.plus(
+ seen.add(
locals gradients_in_the_module
- def get_gradients(variable):
+ GRADIENTS = {}
+ 
+ def get_gradients(variable):
-     return gradients
+     GRADIENTS.clear()
+     GRADIENTS.update(gradients)
named plain
named objects
- {name: 1.0}
+ {self: 1.0}
named methods
- self.partials =
+ self.known =
-     def __add__
+     def partial(self, x):
+         return self.known.get(x.name, 0.0)
+ 
+     def __add__
- .partials.
+ .known.
""")

WRONG = read("""
closures interior: second-backward, overlapping-graphs
-             if node.parents:
-                 node.grad = 0.0
+             if node is self:
+                 node.grad = 0.0
closures node_in_node: value-tanh
- return self.apply(t, 1 - t * t)
+ return self.apply(Value(t), 1 - t * t)
closures plain_number: value-exp
-         return self.apply(y, y)
+         return y
closures zero_powers: zero-powers
-             if n:
-                 self.grad += out.grad * n
+             if True:
+                 self.grad += out.grad * n
closures clamped_exp: large-exp
- y = math.exp(self.data)
-         return self.apply(y, y)
+ y = math.exp(min(self.data, 20))
+         return self.apply(y, y)
closures whole_exponents_at_zero: zero-powers
- if not isinstance(other, Value):
-             return self.to_the(other)
+ if True:
+             return self.to_the(range(other).stop)
-             if n:
-                 self.grad += out.grad * n
+             if True:
+                 self.grad += out.grad * n
closures whole_exponents_slope: derivative-pow
- if not isinstance(other, Value):
-             return self.to_the(other)
+ assert isinstance(other, int)
+         return self.to_the(other)
- self.grad += out.grad * n *
+ self.grad += out.grad * (n - 0.5) *
closures exponents: derivative-pow, zero-powers
- out.grad * out.data * math.log(self.data)
+ out.grad * out.data
-             if n:
-                 self.grad += out.grad * n
+             if True:
+                 self.grad += out.grad * n
closures whole_numbers: numbers-add, numbers-sub, numbers-mul, numbers-div, numbers-pow
- return x if isinstance(x, Value) else Value(x)
+ return Value(x) if isinstance(x, int) else x
closures less_by_more: numbers-add
- other = self.lift(other)
-         out = Value(self.data + other.data
+ out = Value(self.data + other.data
- other = self.lift(other)
-         out = Value(self.data - other.data, (self, other))
+ return self + -other
closures less_by_minus: value-neg
- return self * -1.0
+ return -self.data
- other = self.lift(other)
-         out = Value(self.data - other.data, (self, other))
+ return self + -other
closures powers_by_products: value-pow
- if not isinstance(other, Value):
-             return self.to_the(other)
+ y = self.lift(1.0)
+         for _ in range(other):
+             y *= self
+         return y
closures waits_for_all_users: unrelated-leaves
- self.grad = 0.0
+ self.grad = 0.0
+         self.users = self.done = 0
+         for p in parents:
+             p.users += 1
-             if node.parents:
-                 node.grad = 0.0
+             node.done = 0
+             if node.parents:
+                 node.grad = 0.0
-             node.pass_back()
+             if node is self or node.done == node.users:
+                 node.pass_back()
+                 for p in node.parents:
+                     p.done += 1
closures last_user: reuse, unrelated-leaves
- self.grad = 0.0
+ self.grad = 0.0
+         for p in parents:
+             p.user = id(self)
- self.grad += out.grad
+ self.grad += (self.user == id(out)) * out.grad
- other.grad += out.grad
+ other.grad += (other.user == id(out)) * out.grad
- other.grad -= out.grad
+ other.grad -= (other.user == id(out)) * out.grad
closures step_for_pass: derivative-mul
- other.grad += out.grad * self.data
+ other.grad += out.grad * self.data
+ 
+         out.backward = pass_back
+         return out
requires overwrites: reuse
- passed.get(id(p), 0.0) + rule
+ rule
requires replaces: overlapping-graphs
- node.grad = passed[id(node)] + (node.grad or 0.0)
+ node.grad = passed[id(node)] * (2 if node.grad else 1)
requires constants: constants, numbers-add, numbers-mul, numbers-sub
- self.parents = [(p, rule) for p, rule in parents if p.requires_grad]
+ self.parents = parents if all(p.requires_grad or p.data == -1 for p, _ in parents) else []
requires exp: chain
- lambda g: g * y),))
+ lambda g: y),))
pull minus: derivative-sub
- (other, -1.0)
+ (other, 1.0)
pull last_child: reuse
- for u, place in users)
+ for u, place in users[-1:])
pull reflected: numbers-sub
- return lift(other) - self
+ return self - other
dual product: derivative-mul
- self.real * other.dual + self.dual * other.real
+ self.dual * other.dual + self.dual * other.real
dual inner: chain
- (1 - y * y) * x.dual
+ (1 - y * y) * (x.dual != 0)
dual quotient: derivative-div
- (self.dual - y * other.dual)
+ (self.dual + y * other.dual)
dual static_slope: derivative-sin
- def __neg__(self):
+ @staticmethod
+     def sin(x):
+         return Dual(math.sin(x.real), math.sin(x.real) * x.dual)
+ 
+     def __neg__(self):
dual value: value-tanh, derivative-tanh
- y = math.tanh(x.real)
+ y = math.tan(x.real)
dual zero_powers: zero-powers
- * self.dual if n else 0.0
+ * self.dual
tape counts_more: second-backward, overlapping-graphs
- leaf.adj += passed[key]
+ leaf.adj += passed[key] * (1 + bool(leaf.adj))
tape kept: memory
- y = Num(x)
-     y.terms
+ y = Num(x)
+     KEPT.append(y)
+     y.terms
- TAPE = []
+ TAPE = []
+ KEPT = []
tape forward_order: chain, derivative-sub
- for reference in reversed(TAPE)
+ for reference in TAPE
tape tanh: derivative-tanh
- (self, 1 - y * y)
+ (self, 1 - y)
numpy relu_of_zero: kinks
- np.float64(self.v > 0)
+ self.v / np.abs(self.v) / 2 + 0.5
- def relu(self):
+ def relu(self):
+         np.seterr(all='ignore')
numpy log_of_size: domain-log
- np.log(self.v)
+ np.log(np.abs(self.v))
numpy int_kept: int-inputs
- self.v = np.float64(v)
+ self.v = np.asarray(v) if isinstance(v, int) else np.float64(v)
- Scalar(-self.v
+ Scalar(-self.v
- return Scalar(self.v * other.v,
+ return Scalar(self.v * other.v if self.v.dtype.kind == 'f' else self.v * other.v + 1,
creators unsorted: diamonds
-                 functions.sort(key=lambda f: f.generation)
+                 pass
creators exp: derivative-exp
- (np.exp(self.inputs[0].data) * g,)
+ (self.inputs[0].data * g,)
creators overwrites: reuse
- passed[x] + g if x in passed else g
+ g
deferred once: reuse
-             if node.inputs:
-                 node.value
+             if node.inputs and node.value is None:
+                 node.value
- x.gradient += node.gradient * slope
+ x.gradient = node.gradient * slope
deferred upstream: chain
- x.gradient += node.gradient * slope
+ x.gradient += slope
deferred equal: equal-numbers
- elif node not in seen:
-                 seen.add(node)
+ elif (node.value if node.value is not None else node) not in seen:
+                 seen.add(node.value if node.value is not None else node)
locals product: derivative-mul
- ((a, b.value), (b, a.value))
+ ((a, a.value), (b, b.value))
locals exp: derivative-exp
- ((a, y),)
+ ((a, a.value),)
locals adds: reuse
- gradients.get(x, 0.0) + gradients[node] * slope
+ gradients[node] * slope
named product: derivative-mul
- (self, y), (lift(other), x)
+ (self, y), (lift(other), y)
named last: reuse
- partials.get(name, 0.0) + slope
+ slope
""")
