"""The process that the engine under test lives in: it runs code it is sent, and reports numbers.

It imports nothing but the standard library, and keeps no right answers: those stay in the parent.
This is no sandbox. It contains accidents (endless loops, crashes, exits, huge allocations), not
attacks. Messages are JSON, one a line: from the parent {"lines": [code], "observe": [expressions],
"collect": bool} or {"describe": options}; back {"values": [...]} or {"error": {...}}.
"""

import builtins
import gc
import importlib
import importlib.util
import inspect
import json
import math
import os
import re
import sys
import traceback
from typing import Any

# In the order in which they are looked for.
DATA = ("data", "value", "val", "v", "_data", "_value", "_val", "x", "number", "item", "scalar")
GRADIENT = (
    *("grad", "gradient", "derivative", "d", "g", "dx", "deriv", "der", "adjoint", "adj", "bar"),
    *("partial", "_grad", "_gradient", "delta", "grad_value", "diff"),
)
BACKWARD = ("backward", "backprop", "back", "backpropagate", "backward_pass", "back_prop")
SEED = ("gradient", "grad", "seed", "g", "upstream", "grad_output", "dout", "out_grad", "d")
FORWARD = ("forward", "run", "evaluate", "eval", "compute", "forward_pass", "execute", "calculate")


def limit_memory(megabytes: int) -> bool:
    """Limit this process's memory; return whether the system can."""
    try:
        import resource

        with open("/proc/self/statm") as statistics:
            present = int(statistics.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return False
    limit = present + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def load(module: str | None, path: str | None, name: str) -> tuple[dict[str, Any], Any]:
    """Import the engine; return its module's names, and the class."""
    if path is not None:
        folder, file = os.path.split(os.path.abspath(path))
        if os.path.exists(os.path.join(folder, "__init__.py")):
            # A module of a package: its relative imports need the package's name.
            parts = [file.removesuffix(".py")]
            while os.path.exists(os.path.join(folder, "__init__.py")):
                folder, package = os.path.split(folder)
                parts.insert(0, package)
            sys.path.insert(0, folder)
            loaded = importlib.import_module(".".join(parts))
        else:
            sys.path.insert(0, folder)
            spec = importlib.util.spec_from_file_location(file.removesuffix(".py"), path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{path} is no Python file: its name must end in .py")
            loaded = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = loaded
            spec.loader.exec_module(loaded)
    else:
        assert module is not None
        loaded = importlib.import_module(module)
    engine: Any = loaded
    for part in name.split("."):
        engine = getattr(engine, part)
    return dict(vars(loaded)), engine


class Session:
    """One engine, and what its nodes' numbers are called."""

    def __init__(self, names: dict[str, Any], engine: Any, name: str) -> None:
        self.names = {**names, name: engine}
        self.engine = engine
        self.name = name
        self.data = "data"
        self.still = False
        self.originals = {module: dict(vars(module)) for module in (builtins, math)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to one request, whatever the engine does."""
        reply: dict[str, Any]
        try:
            if "describe" in request:
                reply = {"description": self.describe(request["describe"])}
            else:
                reply = self.run(request["lines"], request["observe"])
            if request.get("collect"):
                gc.collect()
        except BaseException as error:
            reply = {"error": self.failure(error)}
        changed = self.restore()
        if changed:
            reply["changed"] = changed
        return reply

    def run(self, lines: list[str], observe: list[str]) -> dict[str, Any]:
        """Run the lines of code, then return the numbers that the expressions give."""
        scope = dict(self.names)
        exec(compile("\n".join(lines), "<engine>", "exec"), scope)
        values = [self.number(eval(text, scope), self.data) for text in observe]
        return {"values": values}

    def number(self, x: Any, data: str) -> Any:
        """Return x as a float, None for None, or text for what is no real number."""
        for _ in range(5):
            if x is None or isinstance(x, str):
                return x
            if isinstance(x, int | float):
                return float(x)
            if isinstance(x, complex):
                return repr(x)
            name = data.removesuffix("()")
            if isinstance(x, self.engine if isinstance(self.engine, type) else ()):
                x = getattr(x, name)
            elif hasattr(x, "item"):
                x = x.item()
            elif hasattr(x, name):
                x = getattr(x, name)
            else:
                x = float(x)
            if callable(x):
                x = x()
        return repr(x)[:80]

    def failure(self, error: BaseException) -> dict[str, Any]:
        """Return what is to be told about an exception."""
        frames = traceback.extract_tb(error.__traceback__)
        places = [frame.lineno for frame in frames if frame.filename == "<engine>"]
        try:
            message = str(error)
        except BaseException:
            message = ""
        kinds = [kind.__name__ for kind in type(error).__mro__]
        line = places[0] if places else None
        message = re.sub(r"0x[0-9a-fA-F]{4,}", "0x...", message)[:300]
        return {"kinds": kinds, "message": message, "line": line}

    def restore(self) -> list[str]:
        """Put back what the engine changed in builtins and math; return the names."""
        changed = []
        for module, originals in self.originals.items():
            present = vars(module)
            for name in [n for n in originals if present.get(n) is not originals[n]]:
                if name != "_":
                    changed.append(f"{module.__name__}.{name}")
                present[name] = originals[name]
        return sorted(changed)

    # --- what things are called ----------------------------------------------------------------

    def describe(self, options: dict[str, str]) -> dict[str, Any]:
        """Find out by looking what the engine calls its number, its gradient and its methods.

        With the option "still", nothing is computed: an earlier look did not end.
        """
        self.still = "still" in options
        x = self.engine(2.0)
        data = options.get("data") or self.find_data(x)
        if data is None:
            given = ", ".join(DATA[:4])
            raise LookupError(
                f"found no attribute of {self.name}(2.0) that holds 2.0 ({given}, ... were tried);"
                " give its name with --data"
            )
        self.data = data
        backward = options.get("backward") or self.find_callable(x, BACKWARD, "back")
        required, seed = self.seed_of(x, backward)
        if backward and required:
            backward += "(1.0)"
        forward = options.get("forward") or self.find_forward()
        gradient = options.get("gradient") or self.find_gradient(forward, backward)
        x = self.engine(2.0)
        initial = getattr(x, (gradient or "").removesuffix("()"), "missing")
        methods = [n for n in dir(x) if not n.startswith("__") and callable(getattr(x, n, None))]
        return {
            "data": data,
            "gradient": gradient,
            "backward": backward,
            "seed": seed,
            "forward": forward,
            "initial": self.kind_of_gradient(initial),
            "gradient_is_node": self.gradient_is_node(forward, backward, gradient),
            "methods": methods,
            "dunders": [n for n in dir(type(x)) if n.startswith("__")],
            "functions": [n for n, f in self.names.items() if self.is_function(f)],
            "tenth": self.number(self.engine(0.1), data),
        }

    def seed_of(self, x: Any, backward: str | None) -> tuple[bool, bool]:
        """Return whether the backward pass must be given its seed, and whether it can be."""
        try:
            parameters = inspect.signature(getattr(x, backward or "")).parameters.values()
        except (AttributeError, TypeError, ValueError):
            return False, False
        first = next(iter(parameters), None)
        if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
            return False, False
        return first.default is first.empty, first.name in SEED

    def is_function(self, f: Any) -> bool:
        foreign = {"math", "cmath", "numpy", "builtins", "random", "operator", "typing"}
        if isinstance(f, type) or not callable(f):
            return False
        module = getattr(f, "__module__", None)
        return str(module).split(".")[0] not in foreign and type(f).__name__ != "ufunc"

    def find_data(self, x: Any) -> str | None:
        others = sorted(n for n in dir(x) if not n.startswith("__"))
        for name in (*DATA, *(n for n in others if n not in GRADIENT)):
            try:
                found = getattr(x, name, None)
                if callable(found) and name in DATA:
                    found, name = found(), name + "()"
                if found is not None and not callable(found) and self.plain(found) == 2.0:
                    return name
            except Exception:
                continue
        return None

    def plain(self, found: Any) -> float:
        """Return a number that is no node as a float; a bool or text is none."""
        if isinstance(found, bool | str):
            return math.nan
        return float(found.item() if hasattr(found, "item") else found)

    def find_callable(self, x: Any, names: tuple[str, ...], part: str) -> str | None:
        others = sorted(n for n in dir(x) if part in n.lower() and not n.startswith("_"))
        for name in (*names, *others):
            if callable(getattr(x, name, None)):
                return name
        return None

    def find_forward(self) -> str | None:
        """Return the method that computes a result, of an engine that first builds a graph."""
        x = self.engine(2.0)
        if self.still:
            return None
        try:
            y = x + x
        except Exception:
            return None
        try:
            if self.number(y, self.data) == 4.0:
                return None
        except Exception:
            pass
        for name in FORWARD:
            if callable(getattr(y, name, None)):
                try:
                    getattr(y, name)()
                    if self.number(y, self.data) == 4.0:
                        return name
                except Exception:
                    continue
        return None

    def after_backward(self, forward: str | None, backward: str | None) -> Any:
        """Return a leaf, after the backward pass of it doubled if it can be doubled."""
        x = self.engine(2.0)
        if self.still:
            return x
        try:
            y = x + x
            if forward:
                getattr(y, forward)()
            if backward and backward.endswith("(1.0)"):
                getattr(y, backward.removesuffix("(1.0)"))(1.0)
            elif backward:
                getattr(y, backward)()
        except Exception:
            pass
        return x

    def find_gradient(self, forward: str | None, backward: str | None) -> str | None:
        x = self.after_backward(forward, backward)
        name = self.data.removesuffix("()")
        for candidate in GRADIENT:
            if candidate != name and hasattr(x, candidate):
                found = getattr(x, candidate)
                if not callable(found):
                    return candidate
                try:
                    self.number(found(), self.data)
                    return candidate + "()"
                except Exception:
                    continue
        for candidate in sorted(n for n in dir(x) if not n.startswith("__") and n != name):
            try:
                if self.number(getattr(x, candidate), self.data) == 2.0:
                    return candidate
            except Exception:
                continue
        return None

    def gradient_is_node(
        self, forward: str | None, backward: str | None, gradient: str | None
    ) -> bool:
        name = (gradient or "").removesuffix("()")
        found = getattr(self.after_backward(forward, backward), name, None)
        return isinstance(self.engine, type) and isinstance(found, self.engine)

    def kind_of_gradient(self, initial: Any) -> str:
        if isinstance(initial, str) and initial == "missing":
            return "missing"
        if initial is None:
            return "none"
        if isinstance(initial, int | float):
            return "number"
        if isinstance(self.engine, type) and isinstance(initial, self.engine):
            return "node"
        return "method" if callable(initial) else "other"


def serve(incoming: int, outgoing: int, config: dict[str, Any], engine: Any = None) -> None:
    """Answer requests that come on one file descriptor on the other, until it is closed."""
    sink = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(sink, descriptor)
    # Forked from a test run, the process has objects here that keep what is printed.
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    requests = os.fdopen(incoming, "rb")
    limited = limit_memory(config["memory"])
    names: dict[str, Any] = {}
    session = Session({}, None, config["name"].split(".")[-1])
    ready: dict[str, Any] = {"ready": limited}
    try:
        if engine is None:
            sys.path[:] = config["sys_path"]
            names, engine = load(config["module"], config["path"], config["name"])
        else:
            names = dict(vars(sys.modules.get(engine.__module__, object)))
        session.names = {**names, session.name: engine}
        session.engine = engine
    except BaseException as error:
        ready["error"] = session.failure(error)
    changed = session.restore()
    if changed:
        ready["changed"] = changed
    _send(outgoing, ready)
    for line in requests:
        _send(outgoing, session.answer(json.loads(line)))


def _send(outgoing: int, reply: dict[str, Any]) -> None:
    text = (json.dumps(reply) + "\n").encode()
    while text:
        text = text[os.write(outgoing, text) :]


if __name__ == "__main__":
    serve(os.dup(0), os.dup(1), json.loads(sys.argv[1]))
    os._exit(0)
