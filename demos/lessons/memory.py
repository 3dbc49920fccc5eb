"""Memory: how long a graph lives, and how to do sums without building one."""

import gc

from scalargrad import Value, no_grad

gc.disable()  # Python's collector of garbage is off from here on.


def alive(kind: type) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


def build(x: Value) -> Value:
    y = x
    for _ in range(10_000):
        y = y + 1.0
    return y


x = Value(0.0)
print(f"One variable.                        Values alive: {alive(Value)}")
y = build(x)
print(f"10000 additions, y = {y.data}:        Values alive: {alive(Value)}")
y.backward()
print(f"backward() adds none, dy/dx = {x.grad}:   Values alive: {alive(Value)}")
del y
print(f"y is dropped, with all before it:    Values alive: {alive(Value)}")

print("\nThe collector is off, so who freed them? Each result holds its parents, and no parent")
print("holds its results. Nobody holds what is dropped, and Python frees it there and then.")


class Node:
    def __init__(self) -> None:
        self.parent = self.child = self


print("\nNodes that hold each other both ways are another matter:")
parent, child = Node(), Node()
parent.child, child.parent = child, parent
del parent, child
print(f"  both dropped:                       Nodes alive: {alive(Node)}")
gc.collect()
print(f"  after a run of the collector:       Nodes alive: {alive(Node)}")
print("A training loop that left this to the collector would wait for it again and again.")

print("\nWhere only the number is wanted, no graph need be built at all:")
with no_grad():
    y = build(x)
    print(f"within no_grad, y = {y.data}:         Values alive: {alive(Value)}, x and y")
print(f"y has {len(y.parents)} parents, so backward() would not find x.")
