"""The package as a whole: its names, their docstrings, and which module may import which."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import scalargrad

PACKAGE = Path(scalargrad.__file__).parent
CONTRACT = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "copysign",
    "cos",
    "cosh",
    "degrees",
    "dist",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fma",
    "fmod",
    "fsum",
    "gamma",
    "hypot",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "pow",
    "prod",
    "radians",
    "remainder",
    "sin",
    "sinh",
    "sqrt",
    "sumprod",
    "tan",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "sigmoid",
    "softplus",
    "silu",
    "gelu",
    "softmax",
    "logsumexp",
    "maximum",
    "minimum",
    "where",
    "digamma",
    "Value",
    "no_grad",
    "grad",
    "value_and_grad",
    "jacobian",
    "hessian",
    "jvp",
    "vjp",
    "hvp",
    "taylor",
    "Function",
    "compile",
    "numerical_gradient",
    "gradcheck",
    "nn",
    "optim",
    "losses",
    "testing",
]
# Imports point from each of these to those before it only.
LAYERS = (
    *("special", "ops", "errors", "value", "functions", "nesting", "custom", "transforms"),
    *("captured", "symbols", "writer", "program"),
    *("numeric", "losses", "nn", "optim"),
)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_of_the_contract_are_there(name: str) -> None:
    assert hasattr(scalargrad, name)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'scalargrad' has no attribute 'sine'"):
        scalargrad.sine  # noqa: B018


def test_public_names_have_docstrings_with_an_example() -> None:
    for name in scalargrad.__all__:
        thing = getattr(scalargrad, name)
        doc = inspect.getdoc(thing)
        assert doc, name
        plain = isinstance(thing, type) and issubclass(thing, Exception | tuple)
        assert plain or ">>>" in doc, name


def imported_by(module: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scalargrad"):
            assert node.module is not None
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("module", LAYERS)
def test_imports_point_one_way(module: str) -> None:
    assert imported_by(module) <= set(LAYERS[: LAYERS.index(module)])


def test_every_module_has_its_layer() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert modules == set(LAYERS)


def test_types_ship() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_importing_loads_only_the_standard_library_and_no_networks() -> None:
    program = (
        "import sys, scalargrad; print(*[m for m in sys.modules if m.startswith('scalargrad.')]);"
        "print(*{m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    ours, others = done.stdout.splitlines()
    assert not {"scalargrad.nn", "scalargrad.optim", "scalargrad.program"} & set(ours.split())
    assert set(others.split()) <= {"scalargrad", "__main__", "__mp_main__"}
