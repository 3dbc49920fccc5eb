"""A variable that is used twice gets a share from each use, and the order of the walk matters."""

from scalargrad import Value

x = Value(3.0)
y = x + x
y.backward()
print("y = x + x, at x = 3")
print(f"  dy/dx = 1 from the left x, 1 from the right: {x.grad}")

y = x + x + x
y.backward()
print("\nShares are added to what x.grad holds, and it still holds that 2:")
print(f"  after y = x + x + x, x.grad = 2 + 3 = {x.grad}")
x.grad = 0
y.backward()
print(f"  set to 0 before backward(),   {x.grad}")

x = Value(2.0)
a = x**2
b = a**2
c = a**2
y = b + c
print("\na = x**2, b = a**2, c = a**2, y = b + c, at x = 2")
print(f"  a = {a.data}, b = {b.data}, c = {c.data}, y = {y.data}")


def slope(node: Value, parent: Value) -> float:
    return 1.0 if node.op == "+" else 2 * parent.data


print("\nAn impatient walk passes on what a node has got, as soon as it has got anything:")
got = {y: 1.0, b: 0.0, c: 0.0, a: 0.0, x: 0.0}
waiting = [y]
while waiting:
    node = waiting.pop()
    for parent in node.parents:
        got[parent] += got[node] * slope(node, parent)
        waiting.append(parent)
    if node is a:
        print(f"  a has {got[a]} now, passes it on, and x has {got[x]}")
print(f"The first 8 was passed on twice, and {got[x]} is wrong.")

print("\nSo first put the nodes in order, each after all that use it: y, b, c, a, x")
got = {y: 1.0, b: 0.0, c: 0.0, a: 0.0, x: 0.0}
for node in got:
    for parent in node.parents:
        got[parent] += got[node] * slope(node, parent)
print(f"  a has {got[a]}, from b 2*4 and from c 2*4")
print(f"  x has {got[x]}, which is 16 * 2*2")

y.backward()
print(f"\nbackward() keeps that order:   dy/dx = {x.grad}")
print("On paper: y = 2 * x**4, so dy/dx = 8 * x**3 = 64")
