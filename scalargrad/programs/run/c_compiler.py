"""The C compiler of this machine: found, called, and its libraries kept in a cache on disk.

A library's file has a name of two parts: the hash of what it was made of (text, compiler, its
version, flags, machine), and the hash of its own bytes, which must be right before it is loaded.
It gets that name by being renamed, at once and whole, so that processes may build the same
library side by side. Where the cache cannot be used (a full disk, a directory of somebody else),
libraries are built in a temporary directory and not kept. A library that no program uses any more
is unloaded.
"""

from __future__ import annotations

import _ctypes
import ctypes
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

COMPILERS = ("cc", "gcc", "clang", "tcc")
FLAGS = (
    *("-std=c99", "-O1", "-fPIC", "-shared"),
    # The bits that Python gives: each operation rounded once, none done while compiling.
    *("-ffp-contract=off", "-fno-builtin", "-fno-fast-math"),
)
# Passes of gcc that find nothing to do in a straight line, and take half of its time.
GCC_FLAGS = tuple(
    f"-fno-{name}"
    for name in (
        *("tree-dse", "dse", "tree-fre", "tree-dominator-opts", "tree-ccp", "tree-pta"),
        *("tree-sink", "tree-sra", "tree-slsr", "ipa-modref", "ipa-pure-const", "ipa-reference"),
        *("forward-propagate", "cprop-registers", "combine-stack-adjustments", "shrink-wrap"),
        *("if-conversion", "if-conversion2"),
    )
)
# Several numbers of a short loop at once; longer ones would take gcc its time.
GCC_FLAGS += ("-ftree-loop-vectorize", "--param=loop-max-datarefs-for-datadeps=8")
# clang takes operations to set no flags unless it is told.
CLANG_FLAGS = ("-ffp-exception-behavior=strict", "-Wno-overriding-option")
# Options that let a compiler compute other digits, or that change how the whole process computes:
# with some of gcc's, loading a library sets subnormal numbers to 0 everywhere.
_ARITHMETIC = re.compile(
    r"-Ofast|-m(pc\d+|daz-ftz|recip.*)|-f(?!no-fast-math$|fp-contract=off$)"
    r".*(math|fast|fp-|float|precision|zeros|trap|reciprocal|associative|denormal|approx).*"
)
# So many bytes of libraries are kept, those that were used last.
CACHE_BYTES = 256 * 2**20


class Compiler(NamedTuple):
    """A C compiler: how it is called, and what it says of its version."""

    command: tuple[str, ...]
    version: str

    @property
    def flags(self) -> tuple[str, ...]:
        """Its flags."""
        if "clang" in self.version:
            return FLAGS + CLANG_FLAGS
        return FLAGS + GCC_FLAGS if "Free Software Foundation" in self.version else FLAGS


def compiler() -> Compiler:
    """Return the compiler that CC names, or the first of cc, gcc, clang and tcc that is there.

    Raises RuntimeError if there is none, if CC has options that change the arithmetic, and on
    Windows.
    """
    if sys.platform == "win32":
        raise RuntimeError(
            "target 'c' works on Linux and macOS, not on Windows yet: compile with target='python'"
        )
    given = os.environ.get("CC", "")
    try:
        wanted = shlex.split(given)
    except ValueError as error:
        raise RuntimeError(f"CC is {given!r}, which is no command: {error}") from None
    changing = [option for option in wanted[1:] if _ARITHMETIC.fullmatch(option)]
    if changing:
        raise RuntimeError(
            f"CC has {changing[0]}, which changes the arithmetic: target 'c' gives the bits that "
            "Python gives. Leave that option out of CC"
        )
    for name, *options in [wanted] if wanted else [[name] for name in COMPILERS]:
        path = shutil.which(name)
        if path is not None:
            state = os.stat(path)
            return _asked((path, *options), state.st_mtime_ns, state.st_size)
    where = f"CC is {shlex.join(wanted)!r}, which is" if wanted else f"{', '.join(COMPILERS)} are"
    raise RuntimeError(
        f"target 'c' needs a C compiler, and {where} not found: install one, set CC to its path, "
        "or compile with target='python', which needs none"
    )


@lru_cache(maxsize=16)
def _asked(command: tuple[str, ...], changed: int, size: int) -> Compiler:
    # tcc knows -v and not --version.
    for option in ("--version", "-v"):
        done = subprocess.run([*command, option], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return Compiler(command, done.stdout + done.stderr)
    return Compiler(command, f"{size} bytes, changed at {changed}")


class Library:
    """A loaded library. It is unloaded when nothing refers to this object any more.

    Who calls one of its functions holds it for that long. At the end of the process it stays: other
    threads may still run.
    """

    def __init__(self, path: Path) -> None:
        self.loaded = ctypes.CDLL(str(path))
        closing = weakref.finalize(self, _ctypes.dlclose, self.loaded._handle)
        closing.atexit = False

    def function(self, name: str) -> Any:
        """Return one of its functions, which does not keep the library loaded."""
        return self.loaded[name]


def library(source: str) -> Library:
    """Return the C text `source` as a loaded library: from the cache, or compiled now.

    Raises RuntimeError if there is no compiler, or it refuses the text.
    """
    using = compiler()
    parts = [source, *using.command, using.version, *using.flags, platform.machine(), sys.platform]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    with _lock:
        kept = _libraries.get(key)
    if kept is not None:
        return kept
    found = _found(source, key, using)
    with _lock:
        return _libraries.setdefault(key, found)


# Those that programs use, which are found again without looking at the disk.
_libraries: weakref.WeakValueDictionary[str, Library] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _found(source: str, key: str, using: Compiler) -> Library:
    directory = cache_directory()
    if directory is not None:
        for path in sorted(directory.glob(f"{key}-*.so")):
            kept = _load_kept(path)
            if kept is not None:
                return kept
        try:
            with tempfile.TemporaryDirectory(prefix="build-", dir=directory) as building:
                built = _built(source, using, Path(building))
                path = directory / f"{key}-{_digest(built)}.so"
                os.replace(built, path)
            _forget_old(directory, path)
            return Library(path)
        except (OSError, _Refused):
            pass  # a full disk, or one from which nothing may be run: not kept, then
    with tempfile.TemporaryDirectory(prefix="scalargrad-") as building:
        try:
            return Library(_built(source, using, Path(building)))
        except _Refused as error:
            raise RuntimeError(str(error)) from None


class _Refused(Exception):
    """The compiler did not make a library."""


def _built(source: str, using: Compiler, directory: Path) -> Path:
    """Return the path of the library that the compiler makes of `source` in a directory."""
    text, result = directory / "program.c", directory / "program.so"
    text.write_text(source, encoding="ascii")
    command = [*using.command, *using.flags, "-o", str(result), str(text), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 or not result.is_file():
        said = "\n".join(done.stderr.strip().splitlines()[:10])
        raise _Refused(f"the C compiler failed: {shlex.join(command)}\n{said}")
    return result


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cache_directory() -> Path | None:
    """Return the directory that libraries are kept in, made if it is not there; None if unusable.

    It is scalargrad/c in XDG_CACHE_HOME, or in ~/.cache; only its owner may enter it.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
        directory = root / "scalargrad" / "c"
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory if _is_ours(directory, stat.S_ISDIR) else None
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None


def _is_ours(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Return whether `path` is of that kind, belongs to us, and nobody else can write to it."""
    state = os.lstat(path)
    return is_kind(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & 0o022


def _load_kept(path: Path) -> Library | None:
    """Return a library of the cache; None, and the file removed, if it is not as it was written."""
    try:
        if _is_ours(path, stat.S_ISREG) and _digest(path) == path.stem.rpartition("-")[2]:
            found = Library(path)
            os.utime(path)
            return found
        path.unlink()
    except OSError:
        pass  # it is gone, cannot be read, or is not for this machine
    return None


def _forget_old(directory: Path, newest: Path) -> None:
    """Remove the libraries that were used longest ago, until what is left is within the bound."""
    files = []
    for path in directory.glob("*.so"):
        try:
            state = path.stat()
        except OSError:
            continue  # another process removed it
        files.append((path == newest, state.st_mtime_ns, state.st_size, path))
    size = sum(file[2] for file in files)
    for is_newest, _, own, path in sorted(files):
        if size <= CACHE_BYTES or is_newest:
            return
        path.unlink(missing_ok=True)
        size -= own
