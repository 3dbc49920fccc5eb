"""The tools, each run as its users run it: how it gets a loss, and what is then called.

`make(problem, gradient)` returns what is timed: a run that gives the loss, or the loss and its
gradient, in the tool's own kinds of numbers. All compute with 64 bits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Protocol

from scalargrad import Value, compile, value_and_grad
from tests.benchmarks.others.arrays import split
from tests.benchmarks.others.problems import Problem
from tests.benchmarks.workloads import casadi_function
from tests.benchmarks.wrapped import Functions, Wrapped, functions_of

Run = Callable[[], Any]


class Maker(Protocol):
    """A tool with its package imported."""

    def make(self, problem: Problem, gradient: bool) -> Run: ...


@dataclass(frozen=True)
class Tool:
    """A way to compute: `package` is the index's, or "" for what needs none."""

    label: str
    package: str
    maker: Callable[[], Maker]
    compiles: bool = False
    on_arrays: bool = False


class Eager:
    """Our Values and their backward pass, no program written."""

    def make(self, problem: Problem, gradient: bool) -> Run:
        return eager(Value, problem, gradient)


class Compiled:
    """Our `compile`."""

    def __init__(self, target: str) -> None:
        self.target = target

    def make(self, problem: Problem, gradient: bool) -> Run:
        f = value_and_grad(problem.loss) if gradient else problem.loss
        return partial(compile(f, target=self.target), problem.numbers)


class PlainFloats:
    """Python's floats and `math`: the value alone."""

    def make(self, problem: Problem, gradient: bool) -> Run:
        if gradient or problem.of_floats is None:
            raise NotImplementedError
        return partial(problem.of_floats, problem.numbers)


class CasADi:
    """A function of SX symbols: in CasADi's virtual machine, or in C that it has compiled."""

    def __init__(self, c: bool) -> None:
        self.casadi = import_module("casadi")
        self.options: dict[str, Any] = {}
        if c:
            # Its C is one function: gcc -O1 takes 17 times as long as -O0 at 10,000 ops already.
            flags = {"flags": ["-O0"]}
            self.options = {"jit": True, "compiler": "shell", "jit_options": flags}

    def make(self, problem: Problem, gradient: bool) -> Run:
        return casadi_function(
            self.casadi, problem.loss, problem.numbers, gradient, dict(self.options)
        )


class Jax:
    """`jax.jit`, of the scalar loss of one array's elements or of the loss on arrays."""

    def __init__(self, arrays: bool) -> None:
        self.arrays = arrays
        self.jax: Any = import_module("jax")
        self.jax.config.update("jax_enable_x64", True)
        jnp = self.jnp = import_module("jax.numpy")
        self.functions = functions_of(jnp, lambda x: jnp.maximum(x, 0.0))
        # What JAX does once in a process is no part of a compilation.
        self.jax.jit(lambda x: x + 1.0)(jnp.asarray([1.0])).block_until_ready()

    def make(self, problem: Problem, gradient: bool) -> Run:
        if self.arrays:
            given: Any = [self.jnp.asarray(m) for m in matrices(problem)]
            loss = of_arrays(problem, namespace(self.jnp, self.functions))
        else:
            given = self.jnp.asarray(problem.numbers)
            loss = partial(_of_elements, problem.loss, self.functions)
        f = self.jax.jit(self.jax.value_and_grad(loss) if gradient else loss)
        return lambda: self.jax.block_until_ready(f(given))


def _of_elements(loss: Any, functions: Functions, array: Any) -> Any:
    return loss([Wrapped(functions, array[i]) for i in range(len(array))]).data


class PyTorch:
    """Eager PyTorch on one thread: a tensor for each number, or for each matrix."""

    def __init__(self, arrays: bool) -> None:
        self.arrays = arrays
        torch = self.torch = import_module("torch")
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        self.namespace = SimpleNamespace(
            exp=torch.exp,
            log=torch.log,
            einsum=torch.einsum,
            relu=torch.relu,
            floats=torch.tensor,
            integers=lambda xs: torch.tensor(list(xs)),
        )

    def make(self, problem: Problem, gradient: bool) -> Run:
        given = matrices(problem) if self.arrays else problem.numbers
        loss = of_arrays(problem, self.namespace) if self.arrays else problem.loss
        leaves = [self.torch.tensor(x, requires_grad=gradient) for x in given]
        if not gradient:
            return lambda: loss(leaves)

        def run() -> Any:
            y = loss(leaves)
            return y.detach(), self.torch.autograd.grad(y, leaves, materialize_grads=True)

        return run


class Autograd:
    """HIPS autograd: of a list of floats, or of arrays."""

    def __init__(self, arrays: bool) -> None:
        self.arrays = arrays
        self.np = import_module("autograd.numpy")
        self.value_and_grad = import_module("autograd").value_and_grad
        self.functions = functions_of(self.np, lambda x: self.np.maximum(x, 0.0))

    def make(self, problem: Problem, gradient: bool) -> Run:
        if self.arrays:
            given: Any = [self.np.array(m) for m in matrices(problem)]
            loss = of_arrays(problem, namespace(self.np, self.functions))
        else:
            given = problem.numbers
            loss = partial(_of_elements, problem.loss, self.functions)
        return partial(self.value_and_grad(loss) if gradient else loss, given)


class SymPy:
    """SymPy's derivatives as a function of `math`'s: `lambdify` with common subexpressions."""

    def __init__(self) -> None:
        sympy = self.sympy = import_module("sympy")
        zero = sympy.Integer(0)
        self.functions = functions_of(sympy, lambda x: sympy.Piecewise((x, x > 0), (zero, True)))

    def make(self, problem: Problem, gradient: bool) -> Run:
        # Of symbols that may be complex, it would not even reach the end of 100 ops.
        symbols = self.sympy.symbols(f"x:{len(problem.numbers)}", real=True)
        value = problem.loss([Wrapped(self.functions, x) for x in symbols]).data
        outputs = [value, *(value.diff(x) for x in symbols)] if gradient else [value]
        f = self.sympy.lambdify([symbols], outputs, modules="math", cse=True)
        return partial(f, problem.numbers)


class Micrograd:
    """micrograd, with the functions that it lacks added in its own manner."""

    def __init__(self) -> None:
        self.Value = import_module("micrograd.engine").Value
        sys.setrecursionlimit(1_000_000)  # its backward pass recurses over the graph

        def method(name: str, forward: Any, slope: Any) -> None:
            def op(a: Any) -> Any:
                out = self.Value(forward(a.data), (a,), name)

                def _backward() -> None:
                    a.grad += slope(a.data, out.data) * out.grad

                out._backward = _backward
                return out

            setattr(self.Value, name, op)

        method("exp", math.exp, lambda x, y: y)
        method("log", math.log, lambda x, y: 1 / x)
        method("sqrt", math.sqrt, lambda x, y: 0.5 / y)
        method("sin", math.sin, lambda x, y: math.cos(x))
        method("tanh", math.tanh, lambda x, y: 1 - y * y)

    def make(self, problem: Problem, gradient: bool) -> Run:
        return eager(self.Value, problem, gradient)


def eager(Value: Any, problem: Problem, gradient: bool) -> Run:
    """Return a run of the loss of Values, with its backward pass or without."""
    leaves = [Value(x) for x in problem.numbers]
    if not gradient:
        return lambda: problem.loss(leaves).data

    def step() -> tuple[float, list[float]]:
        for leaf in leaves:
            leaf.grad = 0.0
        y = problem.loss(leaves)
        y.backward()
        return y.data, [leaf.grad for leaf in leaves]

    return step


def matrices(problem: Problem) -> list[list[list[float]]]:
    if problem.shapes is None:
        raise NotImplementedError
    return split(problem.numbers, problem.shapes)


def of_arrays(problem: Problem, np: Any) -> Any:
    if problem.of_arrays is None:
        raise NotImplementedError
    return problem.of_arrays(np)


def namespace(np: Any, functions: Functions) -> Any:
    """Return what `arrays` needs, of a module with numpy's names."""
    return SimpleNamespace(
        exp=np.exp,
        log=np.log,
        einsum=np.einsum,
        relu=functions["relu"],
        floats=lambda xs: np.array(xs, dtype=float),
        integers=lambda xs: np.array(list(xs)),
    )


OURS = {
    "c": Tool("scalargrad, compiled to C", "", partial(Compiled, "c"), compiles=True),
    "python": Tool(
        "scalargrad, compiled to Python", "", partial(Compiled, "python"), compiles=True
    ),
    "eager": Tool("scalargrad, eager", "", Eager),
}
TOOLS = {
    **OURS,
    "floats": Tool("Python floats, no gradient", "", PlainFloats),
    "casadi": Tool("CasADi, virtual machine", "casadi", partial(CasADi, c=False), compiles=True),
    "casadi-c": Tool("CasADi, in C", "casadi", partial(CasADi, c=True), compiles=True),
    "jax": Tool("JAX, jit of scalars", "jax", partial(Jax, arrays=False), compiles=True),
    "jax-arrays": Tool(
        "JAX, jit of arrays", "jax", partial(Jax, arrays=True), compiles=True, on_arrays=True
    ),
    "torch": Tool("PyTorch, scalars", "torch", partial(PyTorch, arrays=False)),
    "torch-arrays": Tool("PyTorch, arrays", "torch", partial(PyTorch, arrays=True), on_arrays=True),
    "autograd": Tool("autograd, scalars", "autograd", partial(Autograd, arrays=False)),
    "autograd-arrays": Tool(
        "autograd, arrays", "autograd", partial(Autograd, arrays=True), on_arrays=True
    ),
    "sympy": Tool("SymPy, lambdify", "sympy", SymPy, compiles=True),
    "micrograd": Tool("micrograd", "micrograd", Micrograd),
}
