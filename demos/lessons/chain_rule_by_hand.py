"""The chain rule: walk from a result back to its variable, first by hand, then with backward()."""

from scalargrad import Value, exp

x = Value(0.5, label="x")
a = x**2
b = exp(a)
y = b**2
a.label, b.label, y.label = "a = x**2", "b = exp(a)", "y = b**2"

print("Three steps forward from x = 0.5. Each step adds a node to the graph:")
for node in (a, b, y):
    print(f"  {node.label:<10} = {node:.5f}")

print("\nNow back, by hand. Each step multiplies by the slope of one op:")
print("  p**2 has the slope 2*p, and exp(p) has the slope exp(p)")
node, slope = y, 1.0  # dy/dy is 1
while node.parents:
    [parent] = node.parents
    local = node.data if node.op == "exp" else 2 * parent.data
    slope *= local
    print(f"  {node.label:<10}  slope {local:.5f}   so dy/d{parent.label[0]} = {slope:.5f}")
    node = parent
print(f"There are no more parents: we are at {node.label}.")

y.backward()
print("\nbackward() takes the same walk:")
print(f"  dy/db = {b.grad:.5f}")
print(f"  dy/da = {a.grad:.5f}")
print(f"  dy/dx = {x.grad:.5f}")

print("\nOn paper: y is exp(2 * x**2), so dy/dx = 4*x * exp(2 * x**2)")
print("  = 4 * 0.5 * exp(0.5) = 2 * 1.64872 = 3.29744")
print('\nSee it:\n  python3 -m scalargrad draw "exp(x**2)**2" x=0.5 --open')
print("\nExercise: walk the same way from x = 1.0.")
