"""Methods that harm whoever runs them; each is put into the right engine in the place of one op."""

from __future__ import annotations

from dataclasses import dataclass

from tests.engines.making import RIGHT


@dataclass(frozen=True)
class Hostile:
    """What one op's method does, and a part of the reason that its property fails with."""

    name: str
    op: str
    body: str
    reason: str
    imports: str = ""

    @property
    def source(self) -> str:
        method = f"    def {self.op}(self) -> Value:\n"
        assert method in RIGHT
        return f"{RIGHT}\n\n{self.imports}\ndef _harm(self):\n    {self.body}\n\n" + (
            f"Value.{self.op} = _harm\n"
        )

    def __str__(self) -> str:
        return self.name


HOSTILE = (
    Hostile("endless_loop", "tanh", "while True: pass", "does not end within the time limit"),
    Hostile("exit", "tanh", "import sys; sys.exit(0)", "raises SystemExit"),
    Hostile("hard_exit", "tanh", "import os; os._exit(3)", "ended itself with exit status 3"),
    Hostile(
        "removes_its_folder",
        "tanh",
        "import os, shutil; shutil.rmtree(os.getcwd()); os._exit(3)",
        "ended itself with exit status 3",
    ),
    Hostile("crash", "tanh", "import ctypes; ctypes.string_at(0)", "crashed (SIGSEGV)"),
    Hostile("ten_gigabytes", "tanh", "bytearray(10**10)", "raises MemoryError"),
    Hostile("interrupt", "tanh", "raise KeyboardInterrupt", "raises KeyboardInterrupt"),
    Hostile(
        "changes_builtins", "tanh", "import builtins; builtins.sum = max", "changes builtins.sum"
    ),
    Hostile("changes_math", "tanh", "math.exp = math.sin", "changes math.exp"),
    Hostile("reads_input", "tanh", "input()", "raises EOFError"),
    Hostile("returns_text", "tanh", "return 'tanh'", "'str' object has no attribute 'data'"),
    Hostile(
        "unprintable_error",
        "tanh",
        "raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})",
        "raises Odd",
    ),
)
