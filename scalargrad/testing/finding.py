"""Find out how an engine is used, by trying: with 3 and 5, `a * b` must give 15, 5 and 3.

This runs in the engine's process, beside child.py, and imports nothing but the standard library.
What is found is text: templates of code, in which {0} is the output's name and {1} an input's.
"""

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

# In the order in which they are looked for.
DATA = ("data", "value", "val", "v", "_data", "_value", "_val", "x", "number", "item", "scalar")
GRADIENT = (
    *("grad", "gradient", "derivative", "d", "g", "dx", "deriv", "der", "adjoint", "adj", "bar"),
    *("partial", "_grad", "_gradient", "delta", "grad_value", "diff", "tangent", "dual", "eps"),
)
BACKWARD = ("backward", "backprop", "back", "backpropagate", "backward_pass", "back_prop")
FORWARD = ("forward", "run", "evaluate", "eval", "compute", "forward_pass", "execute", "calculate")
SETTERS = ("set_value", "set_data", "set_val", "set", "assign", "feed")
SEED = ("gradient", "grad", "seed", "g", "upstream", "grad_output", "dout", "out_grad", "d")
PASSES = ("back", "grad", "deriv", "diff", "prop", "adjoint", "reverse", "partial")
NO_PASS = (
    "zero",
    "reset",
    "clear",
    "check",
    "no_",
    "numeric",
    "plot",
    "draw",
    "show",
    "test",
    "set",
)

KEYS = ("[{1}]", "[id({1})]", "['{1}']")
"""How a leaf's derivative may be found in a dict."""

OPERATORS = {
    "+": ("{0} + {1}", "add", "plus"),
    "-": ("{0} - {1}", "sub", "subtract", "minus"),
    "*": ("{0} * {1}", "mul", "multiply", "times"),
    "/": ("{0} / {1}", "div", "divide", "truediv"),
}
SECONDS = 0.7
"""How long one way of using an engine may take, where the system has alarms."""

MOST_HANGS = 3
"""How often that may happen before the passes are given up."""


class GaveUpError(BaseException):
    """Raised where so much does not end that no more is tried."""

    def __init__(self) -> None:
        super().__init__("most ways to use it do not end: say how with --leaf, --data, --backward")


@dataclass
class Way:
    """One way to use an engine: how to make a leaf, read it, and come by the gradient.

    Each is a template of code. `mode` is "reverse", with a pass; "pull", where a gradient is asked
    for; "forward", where numbers carry derivatives by the input of seed 1; or "values", where no
    gradient was found. `operators` has the spelling of each op of two nodes that is there.
    """

    leaf_form: str
    value: str
    prepare_forms: list[str] = field(default_factory=list)
    operators: dict[str, str] = field(default_factory=dict)
    backward: list[str] = field(default_factory=list)
    gradient_form: str = ""
    mode: str = "values"

    def leaf(self, name: str, x: object, seed: float = 0.0, form: str = "") -> str:
        """Return the line or lines that make a leaf of a number, or of its text."""
        return (form or self.leaf_form).format(x, name=name, seed=seed)

    def prepare(self, name: str) -> list[str]:
        """Return the lines needed before a result's number can be read."""
        return [line.format(name) for line in self.prepare_forms]

    def steps(self, op: str, again: bool = False) -> list[str]:
        """Return the lines of an op of a and b, and again of that and e: none if it is not there.

        The result is c.
        """
        form = self.operators.get(op)
        if form is None:
            return []
        if not again:
            return ["c = " + form.format("a", "b")]
        return ["d = " + form.format("a", "b"), "c = " + form.format("d", "e")]

    def sample(self) -> list[str]:
        """Return the lines of one op, none where no op is there."""
        return self.steps("*") or self.steps("+")

    def go_back(self, output: str) -> list[str]:
        """Return the lines of the backward pass; none where there is no pass."""
        return [line.format(output) for line in self.backward]

    def score(self, proofs: list[bool]) -> int:
        """Return how well it is proven if these programs gave right derivatives; 0 if it is not."""
        times, plus, times_chain, plus_chain = proofs
        steps = times_chain or plus_chain
        # One node's own step, seeded by hand or kept in a dict, is not the pass; nor is it better.
        seeded = len(self.backward) > 1 or (self.mode == "reverse" and not self.backward)
        if not (times or plus) or ((seeded or "[" in self.gradient_form) and not steps):
            return 0
        return sum(proofs) - seeded


# An op, whether its result goes through it once more, and the derivatives by a and b: of the op of
# a and b, where a is 3 and b is 5, and then of that and e, which is 7.
PROOFS = (
    ("*", False, 5.0, 3.0),
    ("+", False, 1.0, 1.0),
    ("*", True, 35.0, 21.0),
    ("+", True, 1.0, 1.0),
)


class Finder:
    """Looks for the way to use an engine; `options` has what the user says about it."""

    def __init__(self, session: Any, options: dict[str, Any]) -> None:
        self.session = session
        self.options = options
        self.engine = session.engine
        self.name = session.name
        self.tried: list[str] = []
        self.shown: list[str] = []
        self.hung = 0
        self.wrong_numbers = False

    def describe(self) -> dict[str, Any]:
        """Return how the engine is used, and what it has."""
        found = self.best(self.reverse()) or self.best(self.forward())
        if found is None:
            self.hung = 0
            found = self.values_only()
        if found is None:
            raise LookupError(self.why_no_leaf())
        if "gradients" not in found.gradient_form:
            found.backward = [line.removeprefix("gradients = ") for line in found.backward]
        x = self.run([found.leaf("a", 2.0)])["a"]
        tenth = self.read(found.value, self.run([found.leaf("a", 0.1)]), "a")
        callables = [n for n in dir(x) if not n.startswith("_") and self.is_method(x, n)]
        return {
            **vars(found),
            "tried": self.tried[:6],
            "shown": self.shown,
            "seed": self.takes_seed(found, x),
            "initial": self.initial(found, x),
            "constant": self.constant(found),
            "methods": [n for n in callables if not is_static(x, n)],
            "statics": [n for n in callables if is_static(x, n)],
            "dunders": [n for n in dir(type(x)) if n.startswith("__")],
            "functions": [n for n, f in self.session.names.items() if self.is_function(f)],
            # Single precision holds 0.1 to 1.5e-8.
            "epsilon": 2.3e-16 if tenth == 0.1 else 6e-8,
        }

    # --- running small programs ------------------------------------------------------------------

    def run(self, lines: Iterable[str]) -> dict[str, Any]:
        """Run lines and return the names that they leave; an endless one raises an error."""
        scope = dict(self.session.names)
        if self.hung > MOST_HANGS:
            raise GaveUpError
        try:
            with self.session.alarm(SECONDS):
                exec("\n".join(lines), scope)
        except self.session.too_long as error:
            self.hung += 1
            raise RuntimeError("it does not end") from error
        return scope

    def read(self, template: str, scope: dict[str, Any], output: str, leaf: str = "") -> Any:
        """Return the number that the template reads, or None."""
        with contextlib.suppress(Exception), self.session.alarm(SECONDS):
            found = eval(template.format(output, leaf), scope)
            return None if isinstance(found, bool) else self.session.number(found)
        return None

    def text(self, template: str, scope: dict[str, Any], output: str) -> str:
        """Return what the template reads, as text, be it a number or not."""
        with contextlib.suppress(Exception), self.session.alarm(SECONDS):
            return repr(eval(template.format(output), scope))[:40]
        return "not there"

    # --- leaves and their numbers ----------------------------------------------------------------

    def leaves(self) -> Iterator[str]:
        """Yield templates of a line that makes a leaf of a number."""
        if given := self.options.get("leaf"):
            yield "{name} = " + given.replace("{}", "{0}")
            return
        name = self.name
        parameters = self.parameters(self.engine)
        numpy = self.numpy()
        # A flag may be needed that says that there is to be a gradient, whatever its name.
        flags = [
            f", {flag}=True"
            for flag, p in parameters.items()
            if p.default is False or ("grad" in flag.lower() and p.default is None)
        ]
        for flag in ["", *flags]:
            yield f"{{name}} = {name}({{0}}{flag})"
        for word in parameters:
            if word.lower() in DATA:
                yield f"{{name}} = {name}({word}={{0}})"
        yield f"{{name}} = {name}('{{name}}', {{0}})"
        if numpy:
            for flag in ["", *flags]:
                yield f"{{name}} = {name}({numpy}.array({{0}}){flag})"
        for start in (f"{name}()", f"{name}('{{name}}')"):
            for setter in SETTERS:
                yield f"{{name}} = {start}\n{{name}}.{setter}({{0}})"
            with contextlib.suppress(Exception):
                empty = self.run([start.format(name="a").replace(name, f"a = {name}", 1)])["a"]
                for word in [word for word in DATA if word in attributes(empty)]:
                    yield f"{{name}} = {start}\n{{name}}.{word} = {{0}}"

    def numpy(self) -> str | None:
        """Return the name that the module has numpy by, if it has it."""
        names = self.session.names.items()
        return next((n for n, f in names if inspect.ismodule(f) and f.__name__ == "numpy"), None)

    def parameters(self, f: Any) -> dict[str, inspect.Parameter]:
        try:
            return dict(inspect.signature(f).parameters)
        except (TypeError, ValueError):
            return {}

    def readings(self, leaf: str) -> Iterator[str]:
        """Yield the templates that read the number of a leaf which this template makes."""
        try:
            scopes = [(x, self.run([leaf.format(x, name="a")])) for x in (3.0, 5.0)]
        except Exception as error:
            self.note(leaf.format(3.0, name="a").replace("\n", "; "), error)
            return
        if given := self.options.get("data"):
            yield given if "{" in given else "{0}." + given
            return
        others = [n for n in attributes(scopes[0][1]["a"]) if n not in (*DATA, *GRADIENT)]
        names = [
            *DATA,
            *(n + "()" for n in (*DATA, *FORWARD)),
            "get_value()",
            "get_data()",
            *others,
        ]
        for name in names:
            if all(self.read("{0}." + name, scope, "a") == x for x, scope in scopes):
                yield "{0}." + name

    def ways(self) -> Iterator[Way]:
        """Yield the ways to make a leaf and to read results, those that give 3 + 5 and 3 * 5."""
        for leaf in self.leaves():
            for value in self.readings(leaf):
                way = Way(leaf, value)
                if self.finds_operators(way):
                    yield way

    def finds_operators(self, way: Way) -> bool:
        """Return whether some op gives the right number, with `forward` where one is needed."""
        rights = {"+": 8.0, "*": 15.0, "-": -2.0, "/": 0.6}
        proven = False
        way.operators = {}
        for op, (symbol, *names) in OPERATORS.items():
            forms = [
                symbol,
                *(f"{{0}}.{n}({{1}})" for n in names),
                *(f"{n}({{0}}, {{1}})" for n in names),
            ]
            for form in forms:
                right = self.gives(way, form, rights[op])
                if right is not None:
                    way.operators[op] = form
                    proven = proven or right
                    if right:
                        break
        return proven

    def gives(self, way: Way, form: str, right: float) -> bool | None:
        """Return whether an op gives the right number, None if it is not there."""
        lines = [way.leaf("a", 3.0), way.leaf("b", 5.0), "c = " + form.format("a", "b")]
        try:
            scope = self.run(lines)
        except Exception as error:
            self.note(lines[-1], error)
            return None
        if close(self.read(way.value, scope, "c"), right):
            return True
        given = self.options.get("forward")
        names = [given] if given else FORWARD
        calls = [name if "{" in name else f"{{0}}.{name}()" for name in names]
        for line in way.prepare_forms or calls:
            with contextlib.suppress(Exception):
                prepared = self.run([*lines, line.format("c")])
                if close(self.read(way.value, prepared, "c"), right):
                    way.prepare_forms = [line]
                    return True
        found = self.text(way.value, scope, "c")
        self.wrong_numbers = True
        self.note(f"{lines[-1]}; {way.value.format('c')} is {found}, right is {right}")
        return False

    def note(self, text: str, error: Exception | None = None) -> None:
        """Keep what did not work, to be told; not that a name is not there, nor an error twice."""
        if error is not None:
            text += f" raises {type(error).__name__}: {error}"
            tb = error.__traceback__
            while tb is not None and tb.tb_next is not None:
                tb = tb.tb_next
            ours = tb is not None and tb.tb_frame.f_code.co_filename == "<string>"
            told = any(str(error) in other for other in self.tried)
            if told or (ours and isinstance(error, AttributeError | NameError)):
                return
        if text not in self.tried:
            self.tried.append(text[:160])

    def why_no_leaf(self) -> str:
        tried = "; ".join(self.tried[:3])
        return (
            f"found no attribute of {self.name}(3.0) that holds 3.0, and 8.0 when 5.0 is added: "
            f"say where the number is with --data, how a leaf is made with --leaf "
            f"'{self.name}({{}})' (tried: {tried})"
        )

    # --- the gradient ----------------------------------------------------------------------------

    def best(self, candidates: Iterator[Way]) -> Way | None:
        """Return the way that is proven by most programs, the first of those that are alike."""
        best, score = None, 0
        with contextlib.suppress(GaveUpError):
            for way in candidates:
                proofs = [self.proves(way, *proof) for proof in PROOFS]
                if all(proofs):
                    return way
                if way.score(proofs) > score and (proofs[0] or not self.is_always_one(way)):
                    best, score = way, way.score(proofs)
        return best

    def build(
        self, way: Way, steps: Iterable[str], seeds: tuple[float, ...] = (0.0,) * 3
    ) -> list[str]:
        leaves = zip("abe", (3.0, 5.0, 7.0), seeds, strict=True)
        lines = [way.leaf(name, x, seed) for name, x, seed in leaves]
        return [*lines, *steps, *way.prepare("c")]

    def proves(self, way: Way, op: str, again: bool, by_a: float, by_b: float) -> bool:
        """Return whether a program's derivatives are right, by this way."""
        steps = way.steps(op, again)
        if not steps:
            return False
        if not self.shown:
            passes = [line.removeprefix("gradients = ").format("c") for line in way.backward]
            read = f"print({way.gradient_form.format('c', 'a')})  # right: {by_a}"
            self.shown = [*self.build(way, steps)[:2], *steps, *passes, read]
        found = []
        for place, leaf in enumerate("ab"):
            seeds = tuple(float(i == place) for i in range(3))
            scope = self.went_back(way, steps, way.backward, seeds)
            if scope is None:
                return False
            found.append(self.read(way.gradient_form, scope, "c", leaf))
        right = all(map(close, found, (by_a, by_b)))
        if not right:
            run = "; ".join([*steps, *way.go_back("c")])
            texts = [
                f"{way.gradient_form.format('c', leaf)} is {x}"
                for leaf, x in zip("ab", found, strict=True)
            ]
            self.note(f"{run}; {texts[0]} and {texts[1]}, right are {by_a} and {by_b}")
        return right

    def went_back(
        self,
        way: Way,
        steps: list[str],
        backward: list[str],
        seeds: tuple[float, ...] = (0.0,) * 3,
    ) -> dict[str, Any] | None:
        """Return the names after a program and this pass, None if it raises an error."""
        lines = [line.format("c") for line in backward]
        try:
            return self.run([*self.build(way, steps, seeds), *lines])
        except Exception as error:
            run = "; ".join(lines or steps)
            self.note(run, error)
            return None

    def is_always_one(self, way: Way) -> bool:
        """Return whether a leaf that is not used has the derivative 1 as well."""
        scope = self.went_back(way, way.steps("+"), way.backward)
        return scope is not None and close(self.read(way.gradient_form, scope, "c", "e"), 1.0)

    def reverse(self) -> Iterator[Way]:
        """Yield the ways with a pass, and those in which a leaf is asked for its gradient."""
        for way in filter(Way.sample, self.ways()):
            for seeded in (False, True):
                for backward in self.passes(way, seeded):
                    for gradient in self.gradients(way, backward):
                        yield replace(
                            way, backward=backward, gradient_form=gradient, mode="reverse"
                        )
                if not self.options.get("backward") and not seeded:
                    yield from self.pulls(way)

    def passes(self, way: Way, seeded: bool) -> Iterator[list[str]]:
        """Yield the lines that might be the backward pass, by itself or after setting a seed."""
        scope = self.run(self.build(way, way.sample()))
        c = scope["c"]
        calls = []
        if given := self.options.get("backward"):
            if "{" in given:
                yield from [[given.replace("{}", "{0}")]][seeded:]
                return
            calls = [given.partition("(")[0]]
        else:
            here = [n for n in attributes(c) if self.is_method(c, n) and is_pass(n)]
            calls = [*(n for n in BACKWARD if n in here), *(n for n in here if n not in BACKWARD)]
        seeds = ["", "1.0", way.leaf_form.partition(" = ")[2].format(1.0, name="c")]
        seeds += [f"{numpy}.array(1.0)"] if (numpy := self.numpy()) else []
        static = [f"{self.name}.{name}({{0}})" for name in calls if is_static(c, name)]
        calls = [*static, *(f"{{0}}.{name}({seed})" for seed in seeds for name in calls)]
        if not given:
            calls += self.free_passes(scope)
        if not seeded:
            yield from ([call] for call in calls)
            return
        for name in [n for n in attributes(c) if self.could_be_gradient(c, n)]:
            for call in calls:
                yield [f"{{0}}.{name} = 1.0", call]

    def free_passes(self, scope: dict[str, Any]) -> Iterator[str]:
        """Yield calls of the module's functions, and of its objects' methods, that might be it."""
        for name, f in self.session.names.items():
            if self.is_function(f) and is_pass(name):
                for arguments in ("{0}", "{0}, 1.0", "", "[{0}]"):
                    yield f"gradients = {name}({arguments})"
            elif not callable(f) and not inspect.ismodule(f) and self.is_own(type(f)):
                for method in filter(is_pass, attributes(f)):
                    for arguments in ("{0}", ""):
                        yield f"gradients = {name}.{method}({arguments})"

    def gradients(self, way: Way, backward: list[str]) -> list[str]:
        """Return the templates that read the right derivatives of `a * b`, or of `a + b`."""
        if given := self.options.get("gradient"):
            # One of an output is asked for: see `pulls`.
            one = given.replace("{}", "{1}") if "{" in given else "{1}." + given
            return [] if "{0}" in given else [one]
        found: list[str] = []
        for op, _, by_a, by_b in PROOFS[:2]:
            steps = way.steps(op)
            if not steps:
                continue
            before = self.went_back(way, steps, [])
            scope = self.went_back(way, steps, backward)
            if before is None or scope is None:
                continue
            for template in self.places(way, scope):
                read = [self.read(template, scope, "c", leaf) for leaf in "ab"]
                was = [self.read(template, before, "c", leaf) for leaf in "ab"]
                if template not in found and all(map(close, read, (by_a, by_b))) and read != was:
                    found.append(template)
        if not found:
            # What a pass by this name leaves in a place by that name: said if nothing is right.
            names = attributes(self.run([way.leaf("a", 3.0)])["a"])
            found = [t for t in ("{1}.grad", "{1}.gradient") if t[4:] in names][:1]
        return found

    def places(self, way: Way, scope: dict[str, Any]) -> Iterator[str]:
        """Yield the templates of all places in which a gradient might be, the likely ones first."""
        a = scope["a"]
        names = attributes(a)
        likely = [n for n in GRADIENT if n in names]
        for name in [*likely, *(n for n in names if n not in likely)]:
            read = way.value.removeprefix("{0}.")
            if name == read.removesuffix("()"):
                continue
            if not self.is_method(a, name):
                yield "{1}." + name
                yield f"{{1}}.{name}.{read}"
            elif is_pass(name) and name not in BACKWARD:
                yield f"{{1}}.{name}()"
        dicts = [n for n, found in self.session.names.items() if isinstance(found, dict)]
        for name in [*(["gradients"] if "gradients" in scope else []), *dicts]:
            yield from (f"{name}{key}" for key in KEYS)

    def pulls(self, way: Way) -> Iterator[Way]:
        """Yield the ways in which there is no pass, and a gradient is asked for."""
        scope = self.run(self.build(way, way.sample()))
        a, c = scope["a"], scope["c"]
        asks = []
        for name in [n for n in attributes(a) if self.is_method(a, n) and is_pass(n)]:
            asks += [
                f"{{1}}.{name}()",
                f"{{1}}.{name}({{0}})",
                f"{{0}}.{name}({{1}})",
                *(f"{{0}}.{name}(){key}" for key in KEYS),
            ]
        for name in [n for n in attributes(c) if isinstance(held(c, n), dict)]:
            asks += [f"{{0}}.{name}{key}" for key in KEYS]
        for name, f in self.session.names.items():
            if self.is_function(f) and is_pass(name):
                asks += [f"{name}({{0}}, {{1}})", f"{name}({{0}}, [{{1}}])[0]"]
        if (given := self.options.get("gradient")) and "{0}" in given:
            asks = [given]
        seeds = [n for n in attributes(c) if self.could_be_gradient(c, n)]
        for backward in [[], *([f"{{0}}.{name} = 1.0"] for name in seeds)]:
            for ask in asks:
                yield replace(way, backward=backward, gradient_form=ask, mode="pull")

    def forward(self) -> Iterator[Way]:
        """Yield the ways of forward mode: a leaf carries its derivative by the input."""
        given = self.options.get("leaf")
        name = self.name
        if given:
            leaves = ["{name} = " + given.replace("{}", "{0}")]
        else:
            words = [w for w in self.parameters(self.engine) if w.lower() in GRADIENT]
            leaves = [f"{{name}} = {name}({{0}}, {{seed}})"]
            leaves += [f"{{name}} = {name}({{0}}, {word}={{seed}})" for word in words]
        for leaf in leaves:
            try:
                x = self.run([leaf.format(3.0, name="a", seed=2.0)])["a"]
            except Exception:
                continue
            for value in list(self.readings(leaf.replace("{seed}", "0.0"))):
                for tangent in [t for t in self.that_read(x, 2.0) if t != value]:
                    way = Way(leaf, value, gradient_form=tangent, mode="forward")
                    if self.finds_operators(way):
                        yield way
        for way in [] if given else self.ways():
            for tangent in self.that_read(self.run([way.leaf("a", 3.0)])["a"], 1.0):
                leaf = f"{way.leaf_form}\n{{name}}{tangent.removeprefix('{0}')} = {{seed}}"
                yield replace(way, leaf_form=leaf, gradient_form=tangent, mode="forward")

    def that_read(self, x: Any, number: float) -> Iterator[str]:
        """Yield the templates of the attributes of x that hold a number."""
        for attribute in attributes(x):
            template = "{0}." + attribute
            if self.read(template, {"a": x}, "a") == number:
                yield template

    def values_only(self) -> Way | None:
        """Return a way to make leaves and read results, without gradients."""
        way = next(self.ways(), None)
        if way is None:
            # No op is there, or none is right: the leaves at least can be read.
            for leaf in self.leaves():
                for value in self.readings(leaf):
                    told = any(self.options.get(n) for n in ("data", "leaf"))
                    # Where ops gave numbers, and none the right one, it is misread.
                    return None if self.wrong_numbers and not told else Way(leaf, value)
        return way

    # --- what things are -------------------------------------------------------------------------

    def is_method(self, x: Any, name: str) -> bool:
        found = held(x, name)
        return callable(found) and not isinstance(found, self.session.kind)

    def could_be_gradient(self, x: Any, name: str) -> bool:
        if not (name in GRADIENT or "grad" in name.lower() or "adj" in name.lower()):
            return False
        with contextlib.suppress(Exception):
            found = getattr(x, name)
            return found is None or self.session.number(found) in (0.0, 1.0)
        return False

    def is_function(self, f: Any) -> bool:
        if isinstance(f, type) or not callable(f) or type(f).__name__ == "ufunc":
            return False
        foreign = {"math", "cmath", "numpy", "builtins", "random", "operator", "typing"}
        return str(getattr(f, "__module__", None)).split(".")[0] not in foreign

    def is_own(self, kind: type) -> bool:
        module = str(kind.__module__).split(".")[0]
        return module == str(self.session.names.get("__name__")).split(".")[0]

    def takes_seed(self, way: Way, x: Any) -> bool:
        """Return whether the pass takes the gradient to start with, and need not be given it."""
        if way.mode != "reverse" or not way.backward[-1].endswith("()"):
            return way.mode == "reverse" and way.backward[-1].endswith("(1.0)")
        name = way.backward[-1].removeprefix("{0}.").removesuffix("()")
        first = next(iter(self.parameters(getattr(x, name, None)).values()), None)
        return first is not None and first.name in SEED and first.kind is not first.KEYWORD_ONLY

    def initial(self, way: Way, x: Any) -> str:
        """Return what a gradient is before the pass."""
        if way.mode != "reverse" or not way.gradient_form.startswith("{1}."):
            return "missing"
        name, *_ = way.gradient_form.removeprefix("{1}.").split(".")
        if name.endswith("()"):
            return "method"
        try:
            found = getattr(x, name)
        except Exception:
            return "missing"
        if found is None:
            return "none"
        if isinstance(found, self.session.kind):
            return "node"
        return "number" if isinstance(found, int | float) else "other"

    def constant(self, way: Way) -> str | None:
        """Return how to make a leaf that asks for no gradient, if leaves can say so."""
        for flag in self.parameters(self.engine):
            if flag.lower() in ("requires_grad", "needs_grad", "require_grad", "requires_gradient"):
                plain = way.leaf_form.replace(f", {flag}=True", "")
                return plain[:-1] + f", {flag}=False)" if plain.endswith("{0})") else None
        return None


def attributes(x: Any) -> list[str]:
    """Return the names of an object's attributes, but for those of Python's own."""
    return [name for name in dir(x) if not name.startswith("__")]


def held(x: Any, name: str) -> Any:
    """Return an attribute, None if it is not to be had."""
    with contextlib.suppress(Exception):
        return getattr(x, name)
    return None


def is_static(x: Any, name: str) -> bool:
    """Return whether a method is one of the class, to be called with all operands."""
    found = inspect.getattr_static(type(x), name, None)
    return isinstance(found, staticmethod | classmethod)


def is_pass(name: str) -> bool:
    """Return whether a function of that name might run the backward pass, or give a gradient."""
    low = name.lower()
    return any(part in low for part in PASSES) and not any(part in low for part in NO_PASS)


def close(found: Any, right: float) -> bool:
    """Return whether a number is right, to the digits of single precision."""
    return isinstance(found, float) and abs(found - right) <= 1e-4 * (1 + abs(right))
