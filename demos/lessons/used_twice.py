"""A variable that is used twice gets a share from each use, and the order of the walk matters."""

from scalargrad import Value

x = Value(3.0)
y = x + x
y.backward()
print("y = x + x, at x = 3")
print(f"  dy/dx = 1 from the left x and 1 from the right: {x.grad}")

y = x + x + x
y.backward()
print("\nbackward() adds to x.grad, which still has the 2 from before:")
print(f"  after y = x + x + x, x.grad = 2 + 3 = {x.grad}")
x.grad = 0
y.backward()
print(f"  with x.grad set to 0 before:          {x.grad}")

x = Value(2.0)
a = x**2
b = a**2
c = a**2
y = b + c
print(f"\na = x**2, b = a**2, c = a**2, y = b + c, at x = {x.data:g}")
print(f"  a = {a.data}, b = {b.data}, c = {c.data}, y = {y.data}")


def slope(node: Value, parent: Value) -> float:
    return 1.0 if node.op == "+" else 2 * parent.data


print("\nAn impatient walk back passes on at once what has arrived:")
got = {y: 1.0, b: 0.0, c: 0.0, a: 0.0, x: 0.0}
waiting = [y]
while waiting:
    node = waiting.pop()
    for parent in node.parents:
        got[parent] += got[node] * slope(node, parent)
        waiting.append(parent)
    if node is a:
        print(f"  a has {got[a]} now, passes it on times 2*{x.data:g}, and x has {got[x]}")
print(f"The first {2 * a.data:g} was passed on twice: {got[x]} is wrong.")

print("\nSo first put the nodes in order, each after all that use it: y, b, c, a, x.")
got = {y: 1.0, b: 0.0, c: 0.0, a: 0.0, x: 0.0}
for node in got:
    for parent in node.parents:
        got[parent] += got[node] * slope(node, parent)
print(f"  a has 2*{a.data:g} from b and 2*{a.data:g} from c:  {got[a]}")
print(f"  x has {got[a]:g} * 2*{x.data:g} = {got[x]}")

y.backward()
print("\nbackward() keeps that order:")
print(f"  dy/dx = {x.grad}")
print("On paper: y = 2 * x**4, so dy/dx = 8 * x**3.")
print('\nSee it:\n  python3 -m scalargrad draw "(x**2)**2 + (x**2)**2" x=2 --open')
print("\nExercise: start the second part with x = Value(3.0). Before you run it, guess:")
print("what does the impatient walk say, and what is right?")
