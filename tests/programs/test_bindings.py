"""What a function looked up must still be bound to what it was, or the call says so."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any

import pytest

from scalargrad import TraceError, Value, compile, grad, no_grad, value_and_grad
from tests.sampled import one_in

REBOUND = r"when '{name}' was .*pass {name} as an argument, or compile the function anew"


def defined(source: str, **names: Any) -> dict[str, Any]:
    """Return the globals of a module of this source."""
    namespace = {"__name__": "notebook", "Value": Value, **names}
    exec(source, namespace)
    return namespace


def refused(program: Callable[..., Any], *args: Any, name: str = "batch") -> None:
    with pytest.raises(TraceError, match=REBOUND.format(name=name)):
        program(*args)


def test_a_loop_over_batches_is_refused_and_names_the_variable() -> None:
    weight = Value(2.0)
    batch = [1.0, 2.0]

    @compile
    def loss() -> Any:
        return sum((weight * x) ** 2 for x in batch)

    assert loss() == loss() == loss.backward() == 20.0
    batch = [3.0, 4.0]
    refused(loss)
    with pytest.raises(
        TraceError, match=r"loss was compiled when 'batch' was \[1.0, 2.0\]; it is \[3"
    ):
        loss.backward()


def test_the_message() -> None:
    module = defined("def f(x):\n    return x * rate", rate=0.5)
    f = compile(module["f"])
    f(1.0)
    module["rate"] = 0.25
    with pytest.raises(TraceError) as caught:
        f(1.0)
    assert str(caught.value) == (
        "f was compiled when 'rate' was 0.5; it is 0.25 now, which the program does not see: pass "
        "rate as an argument, or compile the function anew"
    )
    module["rate"] = 0.5
    assert f(1.0) == 0.5
    module["rate"] = "long" * 100
    with pytest.raises(TraceError, match=r"it is 'longlong\w*\.\.\. now"):
        f(1.0)
    assert compile(module["f"]) is not f


# --- where the names stand ------------------------------------------------------------------------

SOURCES = [
    "def f(x):\n    return x * batch[0]",
    "def f(x):\n    return sum([x * b for b in batch])",
    "def f(x):\n    return sum(x * b for b in batch)",
    "def f(x):\n    return {k: x * b for k, b in enumerate(batch)}[0]",
    "f = lambda x: (lambda: x * batch[0])()",
    "def f(x):\n    def g():\n        def h():\n            return batch[0]\n        return h()\n"
    "    return x * g()",
    "def f(x):\n    class C:\n        first = batch[0]\n    return x * C.first",
    "def f(x):\n    class C:\n        batch = batch[0]\n    return x * C.batch",
    "def f(x, *, scale=2.0):\n    return x * scale * batch[0]",
    "def f(x):\n    first, *_ = batch\n    return x * first",
]


@pytest.mark.parametrize("source", SOURCES)
def test_globals_of_the_function_and_of_those_that_it_defines(source: str) -> None:
    module = defined(source, batch=[2.0])
    f = compile(module["f"])
    assert f(3.0) == f(3.0)
    batch = module["batch"]
    module["batch"] = [2.0]  # equal, and yet another list, which may be changed in place
    refused(f, 3.0)
    module["batch"] = batch
    f(3.0)
    del module["batch"]
    with pytest.raises(TraceError, match=r"'batch' was \[2.0\]; it is not bound now"):
        f(3.0)


@pytest.mark.parametrize("source", SOURCES)
def test_names_of_closures(source: str) -> None:
    indented = source.replace("\n", "\n    ")
    bind = "def bind(new):\n        nonlocal batch\n        batch = new"
    outer = f"def outer(batch):\n    {bind}\n    {indented}\n    return f, bind"
    inner, bound = defined(outer)["outer"]([2.0])
    if "batch = batch" in source:
        return  # the body of a class takes the global: a closure has none
    f = compile(inner)
    assert f(3.0) == f(3.0)
    bound([5.0])
    refused(f, 3.0)


def test_a_model_made_anew_is_not_the_one_that_was_traced() -> None:
    module = defined("def loss(x):\n    return model * x", model=Value(2.0))
    loss = compile(module["loss"])
    assert loss.backward(3.0) == 6.0
    module["model"].data = 4.0
    assert loss(3.0) == 12.0
    module["model"] = Value(4.0)
    refused(loss.backward, 3.0, name="model")


def test_a_helper_defined_anew() -> None:
    module = defined("def helper(x):\n    return x\ndef f(x):\n    return helper(x) * 2")
    f = compile(module["f"])
    f(1.0)
    exec("def helper(x):\n    return x", module)
    refused(f, 1.0, name="helper")


def test_one_of_python_s_own_names_that_is_hidden_later() -> None:
    module = defined("def f(xs):\n    return sum(xs)")
    f = compile(module["f"])
    assert f([1.0, 2.0]) == 3.0
    module["sum"] = max
    refused(f, [1.0, 2.0], name="sum")


# --- what is compiled -----------------------------------------------------------------------------


def wrapped(f: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    return wrapper


class Model:
    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f


METHODS = (
    "class C:\n"
    "    def __call__(self, x):\n        return x * batch[0]\n"
    "    def method(self, x):\n        return x * batch[0]\n"
    "    @classmethod\n    def of_class(cls, x):\n        return x * batch[0]\n"
    "    @staticmethod\n    def static(x):\n        return x * batch[0]\n"
    "def f(x):\n    return x * batch[0]\n"
    "def g(scale, x):\n    return x * batch[0] * scale\n"
)
WAYS: dict[str, Callable[[Any], Any]] = {
    "wraps": lambda module: wrapped(module["f"]),
    "wraps twice": lambda module: wrapped(wrapped(module["f"])),
    "partial": lambda module: partial(module["g"], 2.0),
    "partial of wraps": lambda module: partial(wrapped(module["g"]), 2.0),
    "value_and_grad": lambda module: value_and_grad(module["f"]),
    "grad of grad": lambda module: grad(grad(module["f"])),
    "grad of a partial": lambda module: grad(partial(module["g"], 2.0)),
    "no_grad": lambda module: no_grad()(module["f"]),
    "bound method": lambda module: module["C"]().method,
    "grad of a bound method": lambda module: grad(module["C"]().method),
    "class method": lambda module: module["C"].of_class,
    "static method": lambda module: module["C"].static,
    "callable object": lambda module: module["C"](),
    "grad of a callable object": lambda module: grad(module["C"]()),
    "compiled": lambda module: compile(module["f"]),
    "grad of a compiled": lambda module: grad(compile(module["f"])),
}


@pytest.mark.parametrize("name", WAYS)
def test_names_are_found_behind_wrappers(name: str) -> None:
    module = defined(METHODS, batch=[2.0])
    f = compile(WAYS[name](module))
    assert f(3.0) == f(3.0)
    module["batch"] = [5.0]
    refused(f, 3.0)


# --- attributes, items, and the names of all functions that a trace may run -----------------------

REBINDABLE = """
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from types import ModuleType, SimpleNamespace
from scalargrad import Value, compile, grad, jvp, primitive, sin, stop_gradient
from scalargrad.nn import MLP, Linear

class Model:
    scale = 2.0
    def __init__(self):
        self.k, self.w, self.h = 2.0, Value(3.0), None
    @compile
    def compiled(self, x):
        return self.k * self.w * x
    def method(self, x):
        return self.k * x
    def __call__(self, x):
        return self.method(x) + self.w
    def __mul__(self, x):
        return batch[0] * x
    def of_global(self, x):
        return batch[0] * x
    def of_held(self, x):
        return held["rate"] * x
    @property
    def twice(self):
        return self.k * 2
    @classmethod
    def of_class(cls, x):
        return cls.scale * x
    @staticmethod
    def static(x):
        return batch[0] * x

class Child(Model):
    def method(self, x):
        return super().method(x) * self.scale

@dataclass
class Config:
    rate: float = 2.0
@dataclass(slots=True)
class Slots:
    rate: float = 2.0
class Holder:
    def __init__(self, **items):
        self.items = items
    def __getattr__(self, name):
        return self.items[name]

batch, chosen = [2.0], {2.0}
model, child, config, slots = Model(), Child(), Config(), Slots()
models, held = [Model(), Model()], {"a": [Model()], "rate": 2.0}
space = SimpleNamespace(inner=SimpleNamespace(rates={"a": [1.0, 2.0]}), f=Model().of_global)
module = ModuleType("settings")
module.rate = 2.0
holder = Holder(rate=2.0)
net, linear = MLP(2, [3, 1]), Linear(2, 2)
def helper(x):
    return batch[0] * x
def deeper(x, f=helper):
    return f(x)
def of_model(m, x):
    return m.k * x
called = compile(helper)
slope = grad(helper)
cached = lru_cache(lambda: batch[0])
halved = partial(of_model, model)
@primitive(lambda g, y, x: g * batch[0])
def own(x):
    return x
"""
# What is compiled (a function, or its body), what is bound anew after that, and how errors name it.
ANEW = [
    *(
        ("model.compiled", "model.k = 5.0", "self.k"),
        ("model.compiled", "model.w = Value(3.0)", "self.w"),
        ("compile(model.method)", "model.k = 5.0", "self.k"),
        ("compile(model)", "model.k = 5.0", "self.k"),
        ("compile(model)", "model.w = Value(3.0)", "self.w"),
        ("compile(model)", "model.method = sin", "self.method"),
        ("compile(model)", "Model.method = lambda self, x: x", "Model.method"),
        ("compile(model)", "Model.__call__ = lambda self, x: x", "Model.__call__"),
        ("compile(child)", "child.k = 5.0", "self.k"),
        ("compile(child)", "Model.scale = 5.0", "Child.scale"),
        ("compile(child)", "Child.scale = 5.0", "Child.scale"),
        ("compile(child)", "child.scale = 5.0", "self.scale"),
        ("compile(grad(child))", "child.scale = 5.0", "self.scale"),
        ("compile(of_model, static_argnums=0)", "model.k = 5.0", "m.k"),
        ("compile(halved)", "model.k = 5.0", "k"),
    ),
    *(
        ("config.rate", "config.rate = 3.0", "config.rate"),
        ("slots.rate", "slots.rate = 3.0", "slots.rate"),
        ("module.rate", "module.rate = 3.0", "module.rate"),
        ("holder.rate", "holder.items['rate'] = 3.0", "holder.items"),
        ("getattr(config, 'rate')", "config.rate = 3.0", "config.rate"),
        ("vars(config)['rate']", "config.rate = 3.0", "config.rate"),
        ("held['rate']", "held['rate'] = 3.0", "held"),
        ("held.get('rate')", "held['rate'] = 3.0", "held"),
        ("batch[0]", "batch[0] = 3.0", "batch"),
        ("batch[-1]", "batch[-1] = 3.0", "batch"),
        ("Model.scale", "Model.scale = 3.0", "Model.scale"),
        ("Model().scale", "Model.scale = 3.0", "Model.scale"),
        ("model.twice", "model.k = 3.0", "model.k"),
        ("model.of_class(x)", "Model.scale = 3.0", "scale"),
        ("Model.of_class(x)", "Model.scale = 3.0", "Model.scale"),
        ("space.inner.rates['a'][1]", "space.inner.rates['a'][1] = 3.0", "rates['a']"),
        ("space.inner.rates['a'][1]", "space.inner.rates['a'] = [1.0, 3.0]", "inner.rates"),
        ("space.inner.rates['a'][1]", "space.inner = None", "space.inner"),
        ("sum(m(x) for m in models)", "models[1].k = 3.0", "models[1].k"),
        ("held['a'][0](x)", "held['a'][0].k = 3.0", "k"),
        ("net([x, x])", "net.layers[0].neurons[1].b = Value(0.0)", "net.layers[0].neurons[1].b"),
        ("net([x, x])", "net.layers[0].neurons[1].w[0] = Value(7.0)", "neurons[1].w"),
        ("linear([x, x])[0]", "linear.weight[0][1] = Value(7.0)", "linear.weight[0]"),
        ("sum(b * x for b in batch)", "batch.append(3.0)", "batch"),
        (
            "sum(b * x for b in space.inner.rates['a'])",
            "space.inner.rates['a'][0] = 5.0",
            "rates['a']",
        ),
        ("sum(k * x for k in chosen)", "chosen.add(5.0)", "chosen"),
        ("sum(k * x for k in held.values() if k == 2.0)", "held['b'] = 2.0", "held"),
        ("models[0](x)", "models.reverse()", "models"),
        ("linear([x, x])[0]", "linear.bias = [Value(0.0)] * 2", "linear.bias"),
    ),
    *(
        (expression, "batch = [2.0]", "batch")
        for expression in (
            *("helper(x)", "deeper(x)", "called(x)", "slope(x)", "grad(helper)(x)", "cached()"),
            *("model.of_global(x)", "model * x", "Model.static(x)", "space.f(x)", "grad(own)(x)"),
            *("jvp(helper, (x,), (1.0,))[1]", "stop_gradient(helper(x))", "(lambda: helper(x))()"),
            *("[f(x) for f in (helper, sin)][0]", "compile(helper)(x)", "grad(called)(x)"),
        )
    ),
]


@pytest.mark.parametrize(
    ("what", "change", "name", "calls"), one_in(3, [(*case, n) for case in ANEW for n in (1, 3)])
)
def test_what_any_function_looks_up_is_looked_after(
    what: str, change: str, name: str, calls: int
) -> None:
    module = defined(REBINDABLE, __name__=__name__)
    if "compile" in what and not what.startswith("compile(helper)"):
        f = eval(what, module)
        args = (module["model"], 1.0) if "static" in what else (1.0,)
    else:
        exec(f"def f(x):\n    return x * ({what})", module)
        f, args = compile(module["f"]), (1.0,)
    results = {f(*args) for _ in range(calls)}
    assert len(results) == 1
    exec(change, module)
    with pytest.raises(TraceError, match=rf"was compiled when .*{re.escape(name)}.? was "):
        f(*args)


CLASSES = """
class Base:
    rate = 2.0
    def method(self, x):
        return x * Base.rate
class Derived(Base):
    def method(self, x):
        return super().method(x)
class Point:
    __match_args__ = ("rate",)
    def __init__(self):
        self.rate = 2.0
def helper(x):
    return x * helper.rate
helper.rate = 2.0
derived, point = Derived(), Point()
"""
# The body of a function, what is bound anew or for the first time, and how errors name it.
FOUND = [
    ("return helper(x)", "helper.rate = 3.0", "helper.rate"),
    ("return derived.method(x)", "Base.rate = 3.0", "rate"),
    ("return derived.method(x)", "Base.method = lambda self, x: x", "method"),
    ("match point:\n        case Point(k): return x * k", "point.rate = 3.0", "point.rate"),
    ("return x * hasattr(point, 'late')", "point.late = 1", "point.late"),
    ("return x * getattr(point, 'late', 2.0)", "point.late = 1", "point.late"),
    ("try: return x * point.late\n    except AttributeError: return x", "point.late = 2", "late"),
    ("try: return x * late\n    except NameError: return x", "late = 2.0", "late"),
]


@pytest.mark.parametrize(("body", "change", "name"), FOUND)
def test_what_is_found_or_not_there_is_looked_after(body: str, change: str, name: str) -> None:
    module = defined(f"{CLASSES}\ndef f(x):\n    {body}")
    f = compile(module["f"])
    assert f(1.0) == f(1.0)
    exec(change, module)
    with pytest.raises(TraceError, match=rf"was compiled when .*{re.escape(name)}.? was "):
        f(1.0)


def test_what_a_trace_binds_itself_is_its_own() -> None:
    module = defined(
        REBINDABLE
        + """
class Counting(Model):
    calls = 0
    cache = None
    def __call__(self, x):
        self.calls += 1
        if self.cache is None:
            self.cache = {}
        self.last = len(x)
        self.cache["last"] = self.last
        return self.k * sum(x)
""",
        __name__=__name__,
    )
    model = module["Counting"]()
    f = compile(model)
    for xs in ([1.0], [1.0, 2.0], [1.0], [1.0, 2.0]):  # two traces
        assert f(xs) == 2.0 * sum(xs)
    model.k = 3.0
    with pytest.raises(TraceError, match=r"'self\.k' was 2\.0; it is 3\.0 now"):
        f([1.0])


def test_what_code_does_not_name_may_be_bound_anew() -> None:
    module = defined(REBINDABLE, __name__=__name__)
    f = compile(module["model"])
    assert f(1.0) == 5.0
    module["model"].h = module["model"].epoch = module["model"].batch = 1
    module["held"] = [7.0]  # only a method that does not run looks it up
    assert f(1.0) == 5.0
    module["model"].k = 1.0 + 1.0  # equal: it need not be the same
    assert f(1.0) == 5.0


# --- what is equal --------------------------------------------------------------------------------

EQUAL: list[tuple[Any, Any]] = [
    *((10**30, 10**30 + 0), (0.5, 1.0 / 2), (-0.0, 0.0 * -1), (math.nan, float("nan"))),
    *(
        (Fraction(1, 3), Fraction(2, 6)),
        ("relu" * 9, "".join(["relu"] * 9)),
        (b"ab", bytes([97, 98])),
    ),
    *((True, 1 == 1), (None, None)),
]
DIFFERENT: list[tuple[Any, Any]] = [
    *((0.0, -0.0), (1, True), (1, 1.0), (Fraction(1), 1), ("relu", "tanh"), ("1", b"1")),
    *(([1.0], [1.0]), ((1.0, [2.0]), (1.0, [2.0])), (Value(1.0), Value(1.0)), (None, 0)),
    *((math.nan, 0.0), (10**4000, 10**4000 + 1)),
]


def looking_up(name: str, value: Any) -> tuple[Any, dict[str, Any]]:
    module = defined(f"def f(x):\n    {name}\n    return x * 2", **{name: value})
    program = compile(module["f"])
    assert program(1.0) == 2.0
    return program, module


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal_numbers_and_strings_are_the_same(a: Any, b: Any) -> None:
    f, module = looking_up("rate", a)
    module["rate"] = b
    assert f(1.0) == 2.0


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_what_is_told_apart(a: Any, b: Any) -> None:
    f, module = looking_up("rate", a)
    module["rate"] = b
    refused(f, 1.0, name="rate")


# --- no false alarms ------------------------------------------------------------------------------

HARMLESS = [
    "def f(x):\n    return x * box.batch",  # an attribute with the name of a global
    "def f(x):\n    batch = 2.0\n    return x * batch",
    "def f(x, batch=2.0):\n    return x * batch",
    "def f(x):\n    return sum([x * batch for batch in (1.0, 1.0)])",
    "def f(x):\n    return sum(x * batch for batch in (1.0, 1.0))",
    "def f(x):\n    for batch in (1.0, 2.0):\n        pass\n    return x * batch",
    "def f(x):\n    import math as batch\n    return x * batch.sqrt(4.0)",
    "def f(x):\n    from math import sqrt as batch\n    return x * batch(4.0)",
    "def f(x):\n    def batch():\n        return 2.0\n    return x * batch()",
    "def f(x):\n    class C:\n        batch = 2.0\n        y = batch * 1\n    return x * C.y",
    "def f(x):\n    with open('batch') if x is None else box as batch:\n        return x * batch",
    "def f(x):\n    try:\n        1 / 0\n    except Exception as batch:\n        return x * 2",
    "def f(x):\n    return x * {'batch': 2.0}['batch']",
    "def f(x):\n    return (batch := 2.0) * x",
    "def f(x, n=3):\n    return f(x, n - 1) if n else x * 2.0",  # recursion
    "def f(x):\n    def g(n):\n        return g(n - 1) if n else 2.0\n    return x * g(3)",
]


class Box:
    batch = 2.0

    def __enter__(self) -> float:
        return self.batch

    def __exit__(self, *error: object) -> None:
        pass


@pytest.mark.parametrize("source", HARMLESS)
def test_other_things_of_the_same_name_may_be_bound_anew(source: str) -> None:
    module = defined(source, box=Box(), batch=[1.0])
    f = compile(module["f"])
    assert f(3.0) == 6.0
    module["batch"] = [2.0]
    assert f(3.0) == 6.0
    del module["batch"]
    assert f(3.0) == 6.0


def test_a_function_under_its_own_name() -> None:
    module = defined(
        "@compile\ndef f(x, n=2):\n    return f(x, n - 1) if False else x", compile=compile
    )
    assert module["f"](3.0) == module["f"](3.0) == 3.0
    module = defined("def f(x):\n    return x * 2\nf = compile(f)\ng = compile(f)", compile=compile)
    assert module["g"](3.0) == module["g"](3.0) == module["f"](3.0) == 6.0


def test_loop_variables_of_a_module() -> None:
    source = (
        "fs = []\nfor rate in (1.0, 2.0):\n    fs.append(compile(lambda x, rate=rate: x * rate))"
    )
    module = defined(source, compile=compile)
    assert [f(3.0) for f in module["fs"]] == [f(3.0) for f in module["fs"]] == [3.0, 6.0]
    source = (
        "ys = []\nfor b in (1., 2.):\n    f = compile(lambda x: x * b)\n    ys += [f(1.0), f(1)]"
    )
    assert defined(source, compile=compile)["ys"] == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("word", ["global", "nonlocal"])
def test_names_that_the_function_binds_itself_while_it_is_traced(word: str) -> None:
    body = f"    def f(xs):\n        {word} count\n        count += 1\n        return sum(xs)\n"
    start = "    global count\n    count = 0\n" if word == "global" else "    count = 0\n"
    module = defined(f"def make():\n{start}{body}    return f, lambda: count\n")
    inner, count = module["make"]()
    f = compile(inner)
    for xs in ([1.0], [1.0, 2.0], [1.0], [1.0, 2.0]):  # two traces
        assert f(xs) == sum(xs)
    assert count() == 2


def test_names_that_no_call_has_looked_up_need_not_be_bound() -> None:
    module = defined("def f(x, kind='a'):\n    return x * later if kind == 'b' else x")
    f = compile(module["f"])
    assert f(3.0) == 3.0
    module["later"] = 2.0
    assert f(3.0) == 3.0
    assert f(3.0, "b") == 6.0
    module["later"] = 3.0
    refused(f, 3.0, "b", name="later")
    cell = [False]

    def late(x: Any) -> Any:
        return x * unbound if cell[0] else x

    program = compile(late)
    assert program(3.0) == 3.0
    unbound = 2.0
    assert program(3.0) == 3.0 * bool(unbound)


def test_what_is_not_seen_is_said() -> None:
    names, points = ["rate"], deque([1.0, 2.0])
    settings = SimpleNamespace(rate=2.0)
    f = compile(lambda x: sum(x * point * getattr(settings, names[0][:]) for point in points))
    assert f(1.0) == 6.0
    points.append(3.0)
    settings.rate = 5.0
    assert f(1.0) == 6.0
    assert "text" in str(compile.__doc__)
