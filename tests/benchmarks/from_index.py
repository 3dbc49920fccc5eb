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


class Unavailable(Exception):
    """The package could not be installed."""


@contextmanager
def micrograd() -> Iterator[tuple[ModuleType, ModuleType]]:
    """Give micrograd's modules `engine` and `nn`. Raises Unavailable as `installed` does."""
    with installed("micrograd==0.1.0"):
        yield import_module("micrograd.engine"), import_module("micrograd.nn")


@contextmanager
def installed(requirement: str) -> Iterator[None]:
    """Have a package from the package index to be imported in this process.

    Raises Unavailable, saying why, if there is no installing here.
    """
    with tempfile.TemporaryDirectory() as directory:
        packages = _install(requirement, Path(directory))
        sys.path.insert(0, str(packages))
        try:
            yield
        finally:
            sys.path.remove(str(packages))


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
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return Path(subprocess.check_output([python, "-c", code], text=True).strip())
    except (OSError, subprocess.CalledProcessError) as error:
        details = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise Unavailable(f"{requirement} could not be installed: {details[-1]}") from error
