"""Double backpropagation: use a gradient in a formula, and differentiate that formula."""

from scalargrad import Value, grad

x = Value(2.0, label="x")
y = x**2
y.backward(create_graph=True)
slope = x.grad
print("y = x**2, at x = 2")
print(f"  y     = {y.data}")
print(f"  dy/dx = 2*x = {slope.data}, a Value too, made by {slope.op}")

x.grad = 0  # or the 4 would be counted in
z = slope**3 + y
z.backward()
print("\nz = (dy/dx)**3 + y")
print(f"  z     = 4**3 + 4 = {z.data}")
print(f"  dz/dx = {x.grad}")
print("On paper: z = (2*x)**3 + x**2 = 8*x**3 + x**2, so dz/dx = 24*x**2 + 2*x = 96 + 4 = 100.")

x.grad = 0
z = slope.data**3 + x**2
z.backward()
print("\nWith the number of the slope in place of its graph, the 96 is lost:")
print(f"  dz/dx = {x.grad}")

print("\nWhat is it for? A penalty on slopes. Which point near 3 has a small y = (x - 3)**2,")
print("but not at the price of a steep slope of g(x) = x**2? Go down in y + g'(x)**2 / 4:")


def cost(x: float) -> float:
    steepness: float = grad(lambda u: u**2)(x)
    return (x - 3) ** 2 + steepness**2 / 4


at = 3.0
for step in range(1, 6):
    slope_of_cost = grad(cost)(at)
    print(f"  step {step}: x = {at:.4f}, cost {cost(at):.4f}, its slope {slope_of_cost:.4f}")
    at -= 0.2 * slope_of_cost
print("On paper: the cost is (x - 3)**2 + x**2, least at x = 1.5; each step leaves a fifth")
print("of the distance, as its slope is 4 * (x - 1.5) and 1 - 0.2 * 4 = 0.2.")
