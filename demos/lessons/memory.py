"""Memory: how long a graph lives, and how to compute without a graph."""

import gc

from scalargrad import Value, no_grad

gc.disable()  # Python's garbage collector does nothing from here on, unless asked to.


def alive(kind: type) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


def add_many(x: Value) -> Value:
    y = x
    for _ in range(10_000):
        y = y + 1.0
    return y


x = Value(0.0)
print(f"Values alive with x alone:           {alive(Value):>6}")
y = add_many(x)
print(f"after 10000 additions, y = {y:.0f}:    {alive(Value):>6}")
y.backward()
print(f"after backward(), with dy/dx = {x.grad:.0f}:    {alive(Value):>6}")
del y
print(f"after dropping y:                    {alive(Value):>6}")
print("The collector is off, so who freed them? A result holds its parents, and no")
print("parent holds its results. Without y nobody holds the last addition, so Python")
print("frees it at once, and then nobody holds the one before it, and so on.")


class Friend:
    other: object = None


print("\nObjects that hold each other live on until the collector runs:")
one, two = Friend(), Friend()
one.other, two.other = two, one
del one, two
print(f"Friends alive after dropping both:   {alive(Friend):>6}")
gc.collect()
print(f"after a run of the collector:        {alive(Friend):>6}")

print("\nIf you only want the number, build no graph:")
with no_grad():
    y = add_many(x)
print(f"Values alive with y = {y:.0f} and x:     {alive(Value):>6}")
print(f"y has {len(y.parents)} parents: backward() cannot reach x.")
print("\nExercise: how many Values are alive after x = Value(1.0), y = x * x + x?")
