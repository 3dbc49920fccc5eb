"""Programs in JavaScript, run by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
_RUN = """
const shown = (y) => Object.is(y, -0) ? "-0" : Number.isFinite(y) ? y : String(y);
const found = calls.map(([k, ...xs]) => {
  try { return functions[k](...xs.map(Number)).map(shown); }
  catch (error) { return "!" + (error.kind || error); }
});
console.log(JSON.stringify(found));
"""


def in_node(calls: Sequence[tuple[str, Sequence[float]]]) -> list[Any]:
    """Return what programs, each of which defines f, give for some numbers: lists.

    Numbers that JSON does not have are texts. Where a program throws there is the kind of the
    error, after "!".
    """
    places = {program: k for k, program in enumerate(dict.fromkeys(p for p, _ in calls))}
    functions = ",\n".join(f"(() => {{ {program}\nreturn f; }})()" for program in places)
    rows = [
        [places[program], *(repr(x).replace("inf", "Infinity") for x in numbers)]
        for program, numbers in calls
    ]
    script = f"const functions = [{functions}];\nconst calls = {json.dumps(rows)};\n{_RUN}"
    node = shutil.which("node")
    assert node is not None
    result = subprocess.run([node, "-"], input=script, capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(result.stdout)
    return found
