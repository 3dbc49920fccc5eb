"""The parent's end of the child process: start it, ask it with a time limit, kill it."""

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scalargrad.testing import child as child_module

START_SECONDS = 20.0
PATIENCE = 4
"""How many times longer something may take on a machine that is busy with other things."""


class EngineDiedError(Exception):
    """The child process ended, or was ended because it took too long: the message says which.

    `lines` is the code that it ran.
    """

    lines: tuple[str, ...] = ()


class TooSlowError(EngineDiedError):
    """The child process was ended because it took too long."""

    def __init__(self) -> None:
        super().__init__("it does not end within the time limit")


@dataclass(frozen=True)
class Source:
    """Where the engine comes from: a module or a file, and a name in it; or a class at hand."""

    name: str
    module: str | None = None
    path: str | None = None
    engine: Any = None

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Return the source that a text such as `engine.py:Value` or `package.module:Value` means.

        Raises ValueError where it is not of that form, FileNotFoundError where there is no file.

        >>> Source.parse("micrograd.engine:Value")
        Source(name='Value', module='micrograd.engine', path=None, engine=None)
        """
        place, colon, name = text.rpartition(":")
        if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(
                f"{text!r} names no class: give path/to/engine.py:Value or package.module:Value"
            )
        if place.endswith(".py") or os.sep in place:
            if not Path(place).is_file():
                raise FileNotFoundError(f"there is no file {place}")
            return cls(name, path=place)
        if not all(part.isidentifier() for part in place.split(".")):
            raise ValueError(f"{place!r} is neither a Python file nor a module's name")
        return cls(name, module=place)

    @classmethod
    def of(cls, engine: Any) -> "Source":
        """Return the source of a class at hand, or of a text as `parse` takes.

        Raises TypeError for anything else.
        """
        if isinstance(engine, str):
            return cls.parse(engine)
        if not callable(engine):
            raise TypeError(
                f"an engine is a class, or a text such as 'engine.py:Value': {engine!r}"
            )
        return cls(engine.__qualname__, module=engine.__module__, engine=engine)

    @property
    def imports(self) -> str:
        """The place to import the engine from, as in `from ... import Value`."""
        if not self.path:
            return str(self.module)
        place = Path(self.path).resolve()
        parts = [place.stem]
        while (place.parent / "__init__.py").exists() and place.parent.name.isidentifier():
            place = place.parent
            parts.insert(0, place.name)
        return ".".join(parts)

    def __str__(self) -> str:
        return f"{self.path or self.module}:{self.name}"


class Child:
    """A running child process with the engine loaded.

    It works in `folder`; `stub` names packages that it can do without. `ready` has what the child
    said when it had loaded it: under "memory_limited" whether the system could limit its memory,
    "changed" which builtins importing the engine changed, "stubs" which packages it did without,
    "raised" what its file raised below the class. Raises EngineDiedError if it cannot be started.
    """

    def __init__(
        self, source: Source, memory: int, stub: Sequence[str] = (), folder: str = "."
    ) -> None:
        config = {
            "name": source.name,
            "module": source.module,
            "path": source.path and os.path.abspath(source.path),
            "memory": memory,
            "stub": list(stub),
            "folder": folder,
            "sys_path": ["" if p == "" else os.path.abspath(p) for p in sys.path],
        }
        self._replies: queue.Queue[bytes | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self.computed = 0.0  # in seconds
        self._status: int | None = None
        fork = getattr(os, "fork", None)
        if source.engine is not None and fork is not None:
            incoming, outgoing = self._start_by_fork(fork, config, source.engine)
        else:
            incoming, outgoing = self._start(config)
        self._requests = outgoing
        self._reader = threading.Thread(target=self._read, args=(incoming,), daemon=True)
        self._reader.start()
        try:
            self.ready = self._receive(START_SECONDS)
        except EngineDiedError as died:
            raise EngineDiedError(f"importing the engine: {died}") from None
        if "error" in self.ready:
            error = self.ready["error"]
            self.close()
            told = f"raises {error['kind']}: {error['message']}"
            if error["kind"] == child_module.TooLongError.__name__:
                told = "does not end"
            raise EngineDiedError(f"importing the engine {told}")

    def _start(self, config: dict[str, Any]) -> tuple[IO[bytes], IO[bytes]]:
        self._process = subprocess.Popen(
            [sys.executable, child_module.__file__, json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        self._pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdout, self._process.stdin

    def _start_by_fork(
        self, fork: Any, config: dict[str, Any], engine: Any
    ) -> tuple[IO[bytes], IO[bytes]]:
        # The class may be defined in a function or typed into a notebook: no import finds it.
        requests, to_child = os.pipe()
        from_child, replies = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            pid = fork()
        if pid == 0:
            status = 1
            try:
                os.setsid()
                os.close(to_child)
                os.close(from_child)
                child_module.serve(requests, replies, config, engine)
                status = 0
            finally:
                os._exit(status)
        self._pid = pid
        os.close(requests)
        os.close(replies)
        return os.fdopen(from_child, "rb"), os.fdopen(to_child, "wb")

    def _read(self, incoming: IO[bytes]) -> None:
        with incoming, contextlib.suppress(OSError, ValueError):
            for line in incoming:
                self._replies.put(line)
        self._replies.put(None)

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the reply to a request; raise EngineDiedError if none comes in that time."""
        try:
            self._requests.write((json.dumps(request) + "\n").encode())
            self._requests.flush()
        except OSError:
            pass  # it has ended: waiting for the reply says how
        return self._receive(seconds)

    def _receive(self, seconds: float) -> dict[str, Any]:
        began = self._computed()
        for waits in range(PATIENCE):
            try:
                line = self._replies.get(timeout=max(seconds, 0.0))
                self.computed = self._computed()
                break
            except queue.Empty:
                # On a busy machine the time went by, and the engine had only a part of it.
                self.computed = self._computed()
                if waits < PATIENCE - 1 and self.computed - began < 0.8 * seconds:
                    continue
                self.close(at_once=True)
                raise TooSlowError from None
        try:
            if line is None:
                raise ValueError
            reply = json.loads(line)
            if not isinstance(reply, dict):
                raise ValueError
            return reply
        except ValueError:
            self.close()
            raise EngineDiedError(self._how_it_ended()) from None

    def _computed(self) -> float:
        """Return the seconds that the process has computed; infinity where the system is mute."""
        try:
            with open(f"/proc/{self._pid}/stat") as statistics:
                user, system = statistics.read().rpartition(")")[2].split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, AttributeError):
            return math.inf

    def _how_it_ended(self) -> str:
        status = self._status
        if status is None:
            return "the process ended"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"the process crashed ({signal.Signals(-status).name})"
        return f"the process ended itself with exit status {status}"

    def close(self, at_once: bool = False) -> None:
        """End the process, and all that it started; `at_once` if it does not end by itself."""
        if self._status is not None:
            return
        with contextlib.suppress(OSError):
            self._requests.close()
        # Ended by itself, or not? Its own status is worth more than that of our signal.
        if not at_once:
            self._status = self._poll(0.2)
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._pid, signal.SIGKILL)
        elif self._process is not None:
            self._process.kill()
        if self._status is None:
            self._status = self._poll(5.0)
        self._reader.join(1.0)

    def _poll(self, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while True:
            if self._process is not None:
                status = self._process.poll()
            else:
                pid, code = os.waitpid(self._pid, os.WNOHANG)
                status = os.waitstatus_to_exitcode(code) if pid else None
            if status is not None or time.monotonic() > until:
                return status
            time.sleep(0.002)
