"""Double backpropagation: use a gradient in a formula, and differentiate that formula."""

from scalargrad import Value

x = Value(2.0)
y = x**2
y.backward(create_graph=True)
slope = x.grad
print("y = x**2, at x = 2")
print(f"  y = {y.data}")
print(f"  dy/dx = 2 * 2 = {slope.data}, and it is a Value too, made by {slope.op}")

x.grad = 0  # or this slope would be added
z = slope**3 + y
z.backward()
print("\nz = (dy/dx)**3 + y")
print(f"  z = 4**3 + 4 = {z.data}")
print(f"  dz/dx = {x.grad}")
print("On paper: z = (2*x)**3 + x**2 = 8*x**3 + x**2, so dz/dx = 24*x**2 + 2*x,")
print("and 24 * 2**2 + 2 * 2 = 100.")

x.grad = 0
z = slope.data**3 + x**2
z.backward()
print("\nIf z gets only the number of the slope, 96 is missing:")
print(f"  dz/dx = {x.grad}")

print("\nA penalty on its slope keeps a network from being too steep.")
print("Let y = w*x be the network. It should give 3 at x = 1, so w = 3 would be right.")
print("Its slope by x is w. Go downhill in cost = (y - 3)**2 + slope**2:")
w = Value(3.0)
for step in range(6):
    x = Value(1.0)
    y = w * x
    y.backward(create_graph=True)
    cost = (y - 3) ** 2 + x.grad**2
    w.grad = 0
    cost.backward()
    print(f"  step {step}   w = {w:.5f}   cost = {cost:.5f}   dcost/dw = {w.grad:.5f}")
    w.data -= 0.2 * w.grad
print("On paper: cost = (w - 3)**2 + w**2, dcost/dw = 4*w - 6, which is 0 at w = 1.5.")
print("Each step goes 0.2 * 4 = 0.8 of the distance to 1.5.")
print("\nExercise: put 2 * slope**2 into the cost. Where does w go?")
