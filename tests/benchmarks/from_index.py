"""Packages to measure against or with, in a throw-away environment for as long as needed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

# By the names that packages are asked for here. None is needed to install or test scalargrad.
REQUIREMENTS = {
    "autograd": "autograd==1.9.1",
    "casadi": "casadi==3.8.2",
    "distributed": "distributed",
    "jax": "jax==0.10.2",
    "micrograd": "micrograd==0.1.0",
    "scipy": "scipy==1.17.1",
    "sympy": "sympy==1.14.0",
    "torch": "torch==2.13.0",
}


class Unavailable(Exception):
    """The package could not be installed."""


@contextmanager
def micrograd() -> Iterator[tuple[ModuleType, ModuleType]]:
    """Give micrograd's modules `engine` and `nn`. Raises Unavailable as `installed` does."""
    with installed("micrograd"):
        yield import_module("micrograd.engine"), import_module("micrograd.nn")


@contextmanager
def installed(package: str) -> Iterator[None]:
    """Have a package from the package index to be imported in this process.

    Raises Unavailable, saying why, if there is no installing here.
    """
    with environment(package) as python:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.check_output([python, "-c", code], text=True).strip()
        sys.path.insert(0, packages)
        try:
            yield
        finally:
            sys.path.remove(packages)


@contextmanager
def environment(package: str) -> Iterator[Path]:
    """Give the Python of a virtual environment that has a package from the package index.

    Raises Unavailable, saying why, if there is no installing here.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        yield _install(REQUIREMENTS[package], Path(directory))


def _install(requirement: str, directory: Path) -> Path:
    try:
        venv.create(directory, with_pip=True)
        python = directory / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", requirement],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        details = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise Unavailable(f"{requirement} could not be installed: {details[-1]}") from error
    return python
