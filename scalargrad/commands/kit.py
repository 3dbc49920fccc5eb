"""`python -m scalargrad kit FOLDER`: what a class needs to write an engine, and its teacher."""

from __future__ import annotations

import argparse
import base64
import hashlib
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import scalargrad

_PACKAGE = Path(scalargrad.__file__).parent
_ASSIGNMENT = _PACKAGE / "testing" / "assignment"
_NAME = f"scalargrad-{scalargrad.__version__}"
_WHEEL = f"{_NAME}-py3-none-any.whl"

# As Gradescope documents them: the zip is unpacked to /autograder/source, setup.sh runs once, when
# the image is built, and run_autograder for each submission. $AUTOGRADER is for trying them.
_SETUP = f"""#!/usr/bin/env bash
set -euo pipefail
root=${{AUTOGRADER:-/autograder}}
python3 -c 'import ensurepip, venv' || (apt-get update && apt-get install -y python3 python3-venv)
python3 -m venv "$root/env"
"$root/env/bin/pip" install "$root/source/{_WHEEL}" 'hypothesis>=6.80'
"""
# A submission's own files named hypothesis.py or random.py must not be imported by the grader: so
# -I. A container has 768 MB, and is killed with all points if a submission takes more.
_RUN = """#!/usr/bin/env bash
root=${AUTOGRADER:-/autograder}
results=$root/results/results.json
if [ -f "$root/submission/value.py" ]; then
    "$root/env/bin/python" -I -m scalargrad check "$root/submission/value.py:Value" --quick \\
        --memory 400 --format gradescope --weights "$root/source/grading.toml" >"$results.new"
    # Exit status 1 says that a property failed, which is no failure of the grader.
    mv "$results.new" "$results"
else
    echo '{"score": 0, "output": "There is no value.py with a class Value to grade."}' >"$results"
fi
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scalargrad kit",
        description="Write an assignment, an autodiff engine in five steps: a zip for the "
        "students, one for Gradescope, and a page for the teacher.",
    )
    parser.add_argument("folder", help="where to write them: a folder that is new or empty")
    folder = Path(parser.parse_args(argv).folder)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise OSError(f"{folder} is not empty")
        write_kit(folder)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: read README.md there; hand out students.zip")
    return 0


def write_kit(folder: Path) -> None:
    """Write the wheel, both zips, the points and the teacher's page."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / _WHEEL
    write_wheel(wheel)
    grading = _text("grading.toml")
    (folder / "grading.toml").write_text(grading, encoding="utf-8")
    (folder / "README.md").write_text(_text("teacher.md"), encoding="utf-8")
    for name, files in {
        "students.zip": {
            "README.md": _text("students.md"),
            "value.py": _text("value.txt"),
            "grading.toml": grading,
        },
        "gradescope.zip": {
            "setup.sh": _SETUP,
            "run_autograder": _RUN,
            "grading.toml": grading,
        },
    }.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as zipped:
            for file, text in files.items():
                _add(zipped, file, text.encode(), executable=text.startswith("#!"))
            _add(zipped, _WHEEL, wheel.read_bytes())


def _text(name: str) -> str:
    return (_ASSIGNMENT / name).read_text(encoding="utf-8").replace("WHEEL", _WHEEL)


def write_wheel(path: Path) -> None:
    """Write this package as a wheel, a zip as PEP 427 describes it."""
    files = {
        str(file.relative_to(_PACKAGE.parent).as_posix()): file.read_bytes()
        for file in sorted(_PACKAGE.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
    info = f"{_NAME}.dist-info"
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: scalargrad\nVersion: {scalargrad.__version__}\n"
        "Requires-Python: >=3.10\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: scalargrad kit\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        "entry_points.txt": "[console_scripts]\nscalargrad = scalargrad.__main__:main\n\n"
        "[hypothesis]\nscalargrad = scalargrad.testing.values:register\n",
    }
    files |= {f"{info}/{name}": text.encode() for name, text in texts.items()}
    record = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record += f"{name},sha256={digest.decode()},{len(content)}\n"
            _add(wheel, name, content)
        _add(wheel, f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode())


def _add(zipped: zipfile.ZipFile, name: str, content: bytes, executable: bool = False) -> None:
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    zipped.writestr(entry, content)
