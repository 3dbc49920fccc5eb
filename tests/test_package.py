"""The package as a whole: its names, their docstrings, and which module may import which."""

from __future__ import annotations

import ast
import builtins
import inspect
import subprocess
import sys
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
# Imports point from each of these to those before it only.
LAYERS = (
    *(
        "engine.real",
        "engine.op",
        "engine.operators",
        "engine.context",
        "engine.errors",
        "engine.tracer",
    ),
    *("engine.outputs", "engine.graph"),
    *("engine.fast", "engine.passes", "engine.value", "engine.signatures"),
    *(
        "engine.primitive",
        "engine.anomaly",
        "engine.gradient_mode",
        "custom.copies",
        "custom.run",
        "custom.twice",
        "custom.function",
    ),
    *("functions.numerics", "functions.choices", "functions.arithmetic", "functions.many"),
    *("functions.elementary", "functions.special", "functions.activations"),
    *("functions.complex_forms", "functions.methods", "functions.ufuncs"),
    *(
        "transforms.nesting",
        "transforms.starred",
        "transforms.chosen_values",
        "transforms.functional",
        "transforms.pullbacks",
    ),
    *("transforms.series", "programs.code", "programs.trace.functions", "programs.trace.symbols"),
    *("programs.trace.tuples", "programs.trace.subprograms", "programs.trace.calls"),
    *("programs.passes.linking", "programs.passes.kinds", "programs.passes.simplify"),
    *("programs.spell.names", "programs.spell.python.speller", "programs.spell.python.nests"),
    *("programs.spell.python.captured", "programs.spell.python.function"),
    *("programs.spell.c.loops", "programs.spell.c.writer", "programs.spell.c.rules"),
    *("programs.spell.c.program", "programs.run.frames", "programs.run.bindings"),
    *(
        "programs.run.c_compiler",
        "programs.run.c_program",
        "programs.run.c_batch",
        "programs.run.reader",
    ),
    *("programs.run.program", "programs.run.compiled", "programs.run.parallel"),
    *(
        "view.languages.spelling",
        "view.languages.notation",
        "view.languages.latex",
        "view.languages.javascript",
    ),
    *("fitting.box", "fitting.arguments", "fitting.models"),
    *("fitting.newton_cg", "fitting.minima"),
    *("fitting.orthogonal", "fitting.levenberg_marquardt", "fitting.robust", "fitting.fits"),
    *("descent.optimizers", "descent.schedules", "losses", "nn", "optim"),
)
# They stand above all of the above, and on each other as they like.
ABOVE = ("checks", "testing", "view", "commands")


def imports(module: str) -> list[tuple[str, bool]]:
    """Return the modules of the package that `module` imports, and whether at once."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.If)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            # `from scalargrad.functions import numerics` imports a module of that package.
            package = PACKAGE.joinpath(*source.split(".")[1:]).is_dir()
            names = [f"{source}.{a.name}" for a in node.names] if package else [source]
        ours = [name.split(".", 1)[1] for name in names if name.startswith("scalargrad.")]
        found += [(name, node not in later) for name in ours]
    return found


def modules() -> list[str]:
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    names = {".".join(path.parts) for path in paths if not path.name.startswith("__")}
    return sorted(name for name in names if name.split(".")[0] not in ABOVE)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_of_the_contract_are_there(name: str) -> None:
    assert hasattr(scalargrad, name)


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


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    assert module in LAYERS, "a new module needs its place among the layers"
    below = LAYERS[: LAYERS.index(module)]
    for name, at_once in imports(module):
        # What is imported where it is used may stand above: types, and what is seldom needed.
        assert name in below or (not at_once and name in (*LAYERS, "engine.methods")), name


def test_the_engine_and_the_functions_know_nothing_of_what_is_made_of_them() -> None:
    for module in modules():
        folder = module.split(".")[0]
        known = {"engine": ["engine"], "functions": ["engine", "functions"]}.get(folder)
        if known is not None:
            assert {name.split(".")[0] for name, _ in imports(module)} <= set(known), module


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
