"""The package as a whole: its names, their docstrings, and which module may import which."""

from __future__ import annotations

import ast
import builtins
import inspect
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import FunctionType

import pytest

import scalargrad
from scalargrad.engine.tracer import Tracer

PACKAGE = Path(scalargrad.__file__).parent
CONTRACT = [
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "copysign", "cos"),
    *("cosh", "degrees", "dist", "erf", "erfc", "exp", "exp2", "expm1", "fabs", "fma", "fmod"),
    *("fsum", "gamma", "hypot", "lgamma", "log", "log10", "log1p", "log2", "pow", "prod"),
    *("radians", "remainder", "sin", "sinh", "sqrt", "sumprod", "tan", "tanh", "relu"),
    *("leaky_relu", "elu", "sigmoid", "softplus", "silu", "gelu", "softmax", "logsumexp"),
    *("maximum", "minimum", "where", "digamma", "Value", "no_grad", "grad", "value_and_grad"),
    *("jacobian", "hessian", "jvp", "vjp", "hvp", "Function", "compile", "numerical_gradient"),
    *("gradcheck", "nn", "optim", "losses", "testing", "derivatives", "primitive"),
    *("complex_step_gradient", "TraceError", "once_differentiable", "taylor"),
]
# The package from below to above: each imports from its own folder, and from those before it.
FOLDERS = (
    "peers",  # what to write for their names
    "engine",  # autodiff, and nothing else
    "custom",  # Function
    "functions",  # the derivative table
    "transforms",  # grad and its kin, taylor
    "programs.code",  # a computation as data
    "programs.trace",  # from a function to its code
    "programs.passes",  # from code to code
    "programs.spell",  # from code to Python and C
    "programs.run",  # what people call
    *("checks", "losses", "nn", "fitting", "descent", "optim"),
    "view",  # explain, draw, the pages; LaTeX and JavaScript
    "testing",  # the judge
    "commands",  # the command line
)


@cache
def modules() -> list[str]:
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts) for path in paths if not path.name.startswith("__"))


@cache
def imports(module: str) -> set[str]:
    """Return the modules of the package that `module` imports, anywhere in it."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    known, found = set(modules()), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            # `from scalargrad.functions import numerics` imports a module of that package.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {name.removeprefix("scalargrad.") for name in names} & known
    return found


def folder_of(module: str) -> int:
    [place] = [k for k, name in enumerate(FOLDERS) if f"{module}.".startswith(f"{name}.")]
    return place


def test_the_names_of_the_contract_are_there() -> None:
    assert [name for name in CONTRACT if not hasattr(scalargrad, name)] == []


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'scalargrad' has no attribute 'sine'"):
        scalargrad.sine  # noqa: B018


def test_public_names_have_docstrings_with_an_example() -> None:
    for name in scalargrad.__all__:
        thing = getattr(scalargrad, name)
        if isinstance(thing, float):
            continue
        doc = inspect.getdoc(thing)
        assert doc, name
        plain = isinstance(thing, type) and issubclass(thing, Exception | tuple)
        assert plain or ">>>" in doc, name


def test_imports_point_one_way() -> None:
    for module in modules():
        for name in imports(module):
            assert folder_of(name) <= folder_of(module), f"{module} imports {name} from above"


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Imports under TYPE_CHECKING and within functions count as well.
    TopologicalSorter({module: imports(module) for module in modules()}).prepare()


def test_modules_are_not_named_as_public_functions() -> None:
    folders = [path.name for path in PACKAGE.rglob("*") if path.is_dir()]
    stems = {path.stem for path in PACKAGE.rglob("*.py") if path.parent == PACKAGE}
    assert not {*folders, *stems} & {*scalargrad.__all__, "compile", "pow", "draw", "explain"}


def test_importing_all_leaves_pythons_own_functions_in_place() -> None:
    assert set(scalargrad.__all__) & set(dir(builtins)) == set()
    assert len(scalargrad.__all__) == len(set(scalargrad.__all__))
    assert callable(scalargrad.pow)


def test_the_stub_has_the_functions_that_are_methods() -> None:
    stub = ast.parse((PACKAGE / "engine" / "methods.pyi").read_text(encoding="utf-8"))
    (methods,) = [node for node in stub.body if isinstance(node, ast.ClassDef)]
    typed = {node.name: node for node in methods.body if isinstance(node, ast.FunctionDef)}
    given = {
        name
        for name, method in vars(Tracer).items()
        if getattr(method, "__module__", "").startswith("scalargrad.functions.")
    }
    assert set(typed) - {"_repr_html_"} == given - {"__array_ufunc__"}
    for name, node in typed.items():
        arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        function = vars(scalargrad).get(name)
        if isinstance(function, FunctionType):
            assert len(arguments) == len(inspect.signature(function).parameters), name


def test_types_ship() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_importing_loads_only_the_standard_library_and_no_networks() -> None:
    program = (
        "import sys, scalargrad; print(*[m for m in sys.modules if m.startswith('scalargrad.')]);"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    ours, others = done.stdout.splitlines()
    slow = {"asyncio", "dataclasses", "decimal", "fractions", "inspect"}
    assert not slow & set(others.split()), "they take longer than all the rest"
    later = ("scalargrad.nn", "scalargrad.optim", "scalargrad.programs", "scalargrad.testing")
    assert not [name for name in ours.split() if name.startswith(later)]
    known = {*sys.stdlib_module_names, "scalargrad", "__main__", "__mp_main__"}
    assert set(others.split()) <= known
