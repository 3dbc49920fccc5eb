"""`python3 -m tests.benchmarks.others.branches`: what other tools do with a branch on a number.

It prints Markdown. Each tool is installed into a throw-away environment, and asked for a program
of a gradient through `if`, through `while`, and for the derivative at 0 of a choice whose other
side has none there.
"""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.from_index import Unavailable, environment

FUNCTIONS = """
def branch(x):
    return x * x if x > 0 else -x

def loop(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x

def attempt(run):
    try:
        return f"{float(run()):g}"
    except Exception as error:
        return type(error).__name__
"""
# What each prints: the derivatives of `branch` and `loop` at 2, and of the choice at 0.
PROGRAMS = {
    "scalargrad, compile": """
from scalargrad import compile, grad, sqrt, where
print(attempt(lambda: compile(grad(branch))(2.0)))
print(attempt(lambda: compile(grad(loop))(2.0)))
print(attempt(lambda: compile(grad(lambda x: where(x > 0, sqrt(x), 0.0)))(0.0)))
""",
    "JAX, jit": """
import jax, jax.numpy as jnp
print(attempt(lambda: jax.jit(jax.grad(branch))(2.0)))
print(attempt(lambda: jax.jit(jax.grad(loop))(2.0)))
print(attempt(lambda: jax.jit(jax.grad(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0)))(0.0)))
""",
    "PyTorch, compile(fullgraph=True)": """
import torch
def slope(f, x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    torch.compile(f, fullgraph=True, backend="aot_eager")(x).backward()
    return x.grad
print(attempt(lambda: slope(branch, 2.0)))
print(attempt(lambda: slope(loop, 2.0)))
print(attempt(lambda: slope(lambda x: torch.where(x > 0, torch.sqrt(x), 0.0 * x), 0.0)))
""",
    "CasADi, Function": """
import casadi
def slope(f, x):
    s = casadi.SX.sym("x")
    return casadi.Function("g", [s], [casadi.gradient(f(s), s)])(x)
print(attempt(lambda: slope(branch, 2.0)))
print(attempt(lambda: slope(loop, 2.0)))
print(attempt(lambda: slope(lambda x: casadi.if_else(x > 0, casadi.sqrt(x), 0), 0.0)))
""",
    "autograd (makes no programs)": """
import autograd, autograd.numpy as np
print(attempt(lambda: autograd.grad(branch)(2.0)))
print(attempt(lambda: autograd.grad(loop)(2.0)))
print(attempt(lambda: autograd.grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0))(0.0)))
""",
}
PACKAGES = {"JAX": "jax", "PyTorch": "torch", "CasADi": "casadi", "autograd": "autograd"}


def answers(python: str, program: str) -> list[str]:
    """Return the three lines that a program prints."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", FUNCTIONS + program], capture_output=True, text=True
    )
    return done.stdout.splitlines() or [done.stderr.strip().splitlines()[-1]] * 3


def main() -> None:
    print("| tool | `if` | `while` | `where(x > 0, sqrt(x), 0)` at 0 |\n| --- | --- | --- | --- |")
    for name, program in PROGRAMS.items():
        package = PACKAGES.get(name.split(",")[0].split(" ")[0])
        try:
            if package is None:
                found = answers(sys.executable, program)
            else:
                with environment(package) as python:
                    found = answers(str(python), program)
        except Unavailable as error:
            found = [str(error)] * 3
        print(f"| {name} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
