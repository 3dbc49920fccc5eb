"""The process that the engine under test lives in: it runs code it is sent, and reports numbers.

It imports nothing but the standard library, and keeps no right answers: those stay in the parent.
This is no sandbox. It contains accidents (endless loops, crashes, exits, huge allocations), not
attacks. Messages are JSON, one a line: from the parent {"run": [programs]}, each {"lines": [code],
"observe": [expressions], "gradients": [expressions]}; {"watch": [code]} or {"describe": options};
back {"replies": [...]}, for each program {"values": [...]} or {"error": {...}}.
"""

import builtins
import contextlib
import dis
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import math
import numbers
import os
import re
import signal
import sys
import traceback
import types
from collections.abc import Iterable, Iterator
from typing import Any

IMPORT_SECONDS = 8.0
"""How long a file may take: if it runs on, below its class, what is defined by then is tested."""


class NotANumberError(TypeError):
    """Raised where a result that is read is something else: the engine itself raises nothing."""


class TooLongError(BaseException):
    """Raised in code whose time is over."""


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TooLongError in what runs within, after a while, where the system has alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise TooLongError("it does not end")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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


# --- loading the engine --------------------------------------------------------------------------


class Stub(types.ModuleType):
    """A module that is missing and not needed to compute: whatever is asked of it is a stub."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__call__":
            raise AttributeError(name)
        return Stub(name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and callable(arguments[0]) and not named:
            return arguments[0]  # a decorator
        return Stub("result")


class StubFinder:
    """Finds a stub for each of some packages, and for what is imported from within them.

    It is asked after all others, so that a stub stands for what is missing; and before them for
    what is `wanted`.
    """

    def __init__(self, wanted: list[str]) -> None:
        self.wanted = set(wanted)
        self.missing: set[str] = set()
        self.used: set[str] = set()
        for package in wanted:
            sys.modules.update({package: Stub(package)})

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        package = name.split(".")[0]
        if package not in self.missing | self.wanted:
            return None
        self.used.add(package)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        return Stub(spec.name)

    def exec_module(self, module: Any) -> None:
        pass


def load(
    module: str | None, path: str | None, name: str, stubs: StubFinder
) -> tuple[dict[str, Any], Any, str]:
    """Import the engine; return its module's names, the class, and what the module raised.

    A package that is missing is done without: whether the engine computes then is proven anyhow.
    """
    raised = ""
    while True:
        try:
            loaded = (
                importlib.import_module(module) if module else load_file(os.path.abspath(str(path)))
            )
            break
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if not package or package in stubs.missing or package == str(module).split(".")[0]:
                raise
            stubs.missing.add(package)
        except PartlyLoaded as partly:
            loaded, raised = partly.module, str(partly)
            if not hasattr(loaded, name.split(".")[0]):
                raise partly.__cause__ or partly from None
            break
    engine: Any = loaded
    for part in name.split("."):
        engine = getattr(engine, part)
    return dict(vars(loaded)), engine, raised


class PartlyLoaded(Exception):
    """A file raised something when the names above had been defined: as a demonstration may."""

    def __init__(self, module: types.ModuleType, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.module = module


def load_file(path: str) -> types.ModuleType:
    """Import a file, as a module of its package if it is in one."""
    folder, file = os.path.split(path)
    parts = [file.removesuffix(".py")]
    if file == parts[0]:
        raise ImportError(f"{path} is no Python file: its name must end in .py")
    top = folder
    while os.path.exists(os.path.join(top, "__init__.py")):
        top, package = os.path.split(top)
        parts.insert(0, package)
    if top == folder:
        # Within a function, a relative import fails only when that runs.
        with open(path, encoding="utf-8", errors="replace") as text:
            dots = [len(found) for found in re.findall(r"^ *from (\.+)", text.read(), re.MULTILINE)]
        for _ in range(max(dots, default=0)):
            parts.insert(0, os.path.basename(top))
            top = os.path.dirname(top)
    sys.path.insert(0, top)
    while True:
        try:
            return import_parts(parts, path)
        except ImportError as error:
            if "relative import" in str(error) and top != os.path.dirname(top):
                parts.insert(0, os.path.basename(top))
                top = os.path.dirname(top)
                sys.path.insert(0, top)
                continue
            # Files that import each other from folders that are no packages. Only where they are
            # wanted are those looked into: else a module might be loaded twice.
            wanted = (error.name or "").split(".")[0]
            places = [up for up in above(path) if up not in sys.path and holds(up, wanted)]
            if not places:
                raise
            sys.path.insert(1, places[0])
            if wanted in parts[1:-1]:  # a folder around the package has an __init__.py too
                parts = parts[parts.index(wanted) :]


def above(path: str) -> list[str]:
    """Return the folders that a file or folder is in, the nearest first."""
    up = os.path.dirname(path)
    return [up, *above(up)] if up != path else []


def holds(folder: str, module: str) -> bool:
    """Return whether a module or package of that name is in the folder."""
    place = os.path.join(folder, module)
    return bool(module) and (os.path.exists(place + ".py") or os.path.isdir(place))


def import_parts(parts: list[str], path: str) -> types.ModuleType:
    """Import a file by the parts of its dotted name."""
    # A package whose import failed is gone, its modules are not: its next import would not
    # have them as attributes.
    for name in [n for n in sys.modules if "." in n and n.rpartition(".")[0] not in sys.modules]:
        del sys.modules[name]
    if len(parts) > 1:
        return importlib.import_module(".".join(parts))
    spec = importlib.util.spec_from_file_location(parts[0], path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[parts[0]] = module
    try:
        with alarm(IMPORT_SECONDS):
            spec.loader.exec_module(module)
    except ImportError:
        del sys.modules[parts[0]]
        raise
    except BaseException as error:
        raise PartlyLoaded(module, error) from error
    return module


def is_foreign(package: str, own: str) -> bool:
    """Return whether a package is neither Python's nor the engine's: ours, or one installed."""
    if package == own:
        return False
    file = str(getattr(sys.modules.get(package), "__file__", ""))
    return package == "scalargrad" or "site-packages" in file or "dist-packages" in file


# --- running code --------------------------------------------------------------------------------


class Session:
    """One engine, the names of its module, and what runs in them."""

    alarm = staticmethod(alarm)
    too_long = TooLongError

    def __init__(self, names: dict[str, Any], engine: Any, name: str, folder: str | None) -> None:
        self.names = {**names, name: engine}
        self.engine = engine
        self.name = name
        self.folder = folder
        self.imported: set[str] = set()  # with the engine, where it has a process of its own
        self.process = os.getpid()
        self.originals = {module: dict(vars(module)) for module in (builtins, math)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to one request, whatever the engine does."""
        reply: dict[str, Any]
        try:
            if "describe" in request:
                reply = {"description": _finding().Finder(self, request["describe"]).describe()}
            elif "watch" in request:
                reply = self.watch(request["watch"])
            else:
                reply = {"replies": self.run_all(request["run"])}
        except BaseException as error:
            reply = {"error": self.failure(error)}
        self.end_if_a_copy()
        changed = self.restore()
        if changed:
            reply["changed"] = changed
        return reply

    def run_all(self, programs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run programs, each among fresh objects: their addresses differ."""
        kept: list[Any] = []
        replies = []
        for n, program in enumerate(programs):
            kept.append([[] for _ in range(17 * n % 64)])
            replies.append(self.run(**program))
            self.end_if_a_copy()
        return replies

    def end_if_a_copy(self) -> None:
        """End the process if it is a copy of the first one, which the engine made."""
        if os.getpid() != self.process:
            os._exit(0)

    def run(
        self,
        lines: list[str],
        observe: Iterable[str] = (),
        gradients: Iterable[str] = (),
        collect: bool = False,
    ) -> dict[str, Any]:
        """Run the lines of code, then return the numbers that the expressions give.

        A gradient that is not there gives None.
        """
        scope = dict(self.names)
        reading = False
        try:
            exec(compile("\n".join(lines), "<engine>", "exec"), scope)
            reading = True
            values = [self.number(eval(text, scope)) for text in observe]
            values += [self.gradient(text, scope) for text in gradients]
        except BaseException as error:
            return {"error": {**self.failure(error), "reading": reading}}
        if collect:
            del scope
            gc.collect()
        return {"values": values}

    def number(self, x: Any) -> Any:
        """Return a plain number as a float, None for None; raise TypeError for anything else."""
        if x is None:
            return None
        if hasattr(x, "item") and not isinstance(x, self.kind):
            x = x.item()  # a numpy scalar, or an array or tensor of one
        if isinstance(x, complex):
            return repr(x)
        if isinstance(x, numbers.Real) or type(x).__name__ == "Decimal":
            return float(x)
        raise NotANumberError(f"is a {type(x).__name__}, not a number")

    @property
    def kind(self) -> Any:
        return self.engine if isinstance(self.engine, type) else ()

    def gradient(self, text: str, scope: dict[str, Any]) -> Any:
        try:
            return self.number(eval(text, scope))
        except (AttributeError, KeyError):
            return None
        except Exception as error:
            if self.is_deliberate(error, str(error)):
                return None  # it says that there is none
            raise

    def watch(self, lines: list[str]) -> dict[str, list[str]]:
        """Return what runs while the lines do: packages, and methods of the class; and imports."""
        found: set[str] = set()
        methods: set[str] = set()
        kinds = self.engine.__mro__ if isinstance(self.engine, type) else ()
        codes = {
            f.__code__: name
            for kind in kinds
            for name, f in vars(kind).items()
            if isinstance(f, types.FunctionType)
        }

        def note(frame: Any, event: str, function: Any) -> None:
            if event == "call":
                if frame.f_code in codes:
                    methods.add(codes[frame.f_code])
                file = frame.f_code.co_filename
                own = self.folder is not None and file.startswith(self.folder + os.sep)
                if not own and file != "<engine>":
                    found.add(str(frame.f_globals.get("__name__")))
            elif event == "c_call":
                owner = getattr(function, "__module__", None)
                found.add(str(owner or type(getattr(function, "__self__", None)).__module__))

        scope = dict(self.names)
        code = compile("\n".join(lines), "<engine>", "exec")
        sys.setprofile(note)
        try:
            with contextlib.suppress(BaseException):
                exec(code, scope)
        finally:
            sys.setprofile(None)
        return {
            "computes": self.foreign(found),
            "imported": self.foreign(self.imported),
            "methods": sorted(methods),
        }

    def foreign(self, names: set[str]) -> list[str]:
        """Return the packages of some modules, but for Python's and the engine's own."""
        own = str(self.names.get("__name__")).split(".")[0]
        return sorted(top for top in {name.split(".")[0] for name in names} if is_foreign(top, own))

    def failure(self, error: BaseException) -> dict[str, Any]:
        """Return what is to be told about an exception."""
        frames = traceback.walk_tb(error.__traceback__)
        places = [line for frame, line in frames if frame.f_code.co_filename == "<engine>"]
        try:
            message = str(error)
        except BaseException:
            message = ""
        message = re.sub(r"0x[0-9a-fA-F]{4,}", "0x...", message)[:600]
        return {
            "kind": type(error).__name__,
            "message": message,
            "line": places[0] if places else None,
            "deliberate": self.is_deliberate(error, message),
        }

    def is_deliberate(self, error: BaseException, message: str) -> bool:
        """Return whether the engine says no in its own words, where it could have computed.

        An operator that returns NotImplemented says so too, or one that is not there.
        """
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        if place is None or not isinstance(error, Exception):
            return False
        code = place.tb_frame.f_code
        if code.co_filename == "<engine>":
            return isinstance(error, TypeError) and message.startswith(
                ("unsupported operand", "bad operand type")
            )
        if isinstance(error, NotImplementedError | AssertionError):
            return True
        here = place.tb_lasti
        raised = any(
            i.offset == here and i.opname in ("RAISE_VARARGS", "RERAISE")
            for i in dis.get_instructions(code)
        )
        return raised and bool(message)

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


def _finding() -> Any:
    """Return the module beside this one, under a name that no engine's own module has."""
    if __name__ != "__main__":
        return importlib.import_module("scalargrad.testing.finding")
    name = "scalargrad_child"
    if name not in sys.modules:
        file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "finding.py")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def serve(incoming: int, outgoing: int, config: dict[str, Any], engine: Any = None) -> None:
    """Answer requests that come on one file descriptor on the other, until it is closed."""
    sink = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(sink, descriptor)
    # Forked from a test run, the process has objects here that keep what is printed.
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    sys.dont_write_bytecode = True
    requests = os.fdopen(incoming, "rb")
    limited = limit_memory(config["memory"])
    path = config["path"]
    folder = os.path.dirname(os.path.abspath(path)) if path else None
    session = Session({}, None, config["name"].split(".")[-1], folder)
    stubs = StubFinder(config["stub"])
    ready: dict[str, Any] = {"memory_limited": limited, "raised": ""}
    before = set(sys.modules)
    try:
        if engine is None:
            sys.path[:] = config["sys_path"]
            os.chdir(config["folder"])
            sys.meta_path.append(stubs)
            names, engine, ready["raised"] = load(config["module"], path, config["name"], stubs)
            session.imported = set(sys.modules) - before
        else:
            names = dict(vars(sys.modules.get(engine.__module__, object)))
        session.names = {**names, session.name: engine}
        session.engine = engine
    except BaseException as error:
        ready["error"] = session.failure(error)
    ready["stubs"] = sorted(stubs.used | stubs.wanted)
    ready["changed"] = session.restore()
    _send(outgoing, ready)
    for line in requests:
        _send(outgoing, session.answer(json.loads(line)))


def _send(outgoing: int, reply: dict[str, Any]) -> None:
    text = (json.dumps(reply) + "\n").encode()
    while text:
        text = text[os.write(outgoing, text) :]


def main() -> None:
    """Serve on the standard streams."""
    serve(os.dup(0), os.dup(1), json.loads(sys.argv[1]))
    os._exit(0)


if __name__ == "__main__":
    main()
