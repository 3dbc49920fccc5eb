"""Code as JavaScript: the expressions, and the functions that they call.

Where JavaScript's `Math` lacks a function, or gives NaN or infinity where Python raises, the
expression calls one of `runtime.js`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.programs.code import Code, Literal
from scalargrad.view.languages.spelling import (
    ATOM,
    COMPARISON,
    NEGATION,
    OPS,
    PRODUCT,
    SUM,
    Language,
    Spelling,
    Text,
    spell,
)

_RUNTIME = Path(__file__).with_name("runtime.js")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
# A piece of the runtime begins at each function, class or constant that is not indented.
_PIECE = re.compile(r"(?m)^(?=(?://|function|class|const) )")
_DEFINES = re.compile(r"(?m)^(?:function|class|const) (\w+)")


def _number(x: Any) -> Text:
    if isinstance(x, bool):
        return Text("true" if x else "false")
    x = float(x)
    if math.isnan(x):
        return Text("NaN")
    if math.isinf(x):
        return Text("Infinity" if x > 0 else "-Infinity", ATOM if x > 0 else NEGATION)
    text = repr(x).removesuffix(".0")
    return Text(text, NEGATION if text.startswith("-") else ATOM)


def _div(operands: Sequence[Text]) -> Text:
    a, b = operands
    if re.fullmatch(r"\d+(\.\d+)?", b.text) and float(b.text):
        return Text(f"{a:PRODUCT} / {b.text}", PRODUCT)
    return Text(f"div({a}, {b})")


def _call(name: str) -> Spelling:
    return lambda operands: Text(f"{name}({', '.join(x.text for x in operands)})")


_NAMES = {
    "%": "mod",
    "//": "floordiv",
    "**": "power",
    "abs": "Math.abs",
    "fabs": "Math.abs",
    "atan": "Math.atan",
    "atan2": "Math.atan2",
    "asinh": "Math.asinh",
    "cbrt": "Math.cbrt",
    "tanh": "Math.tanh",
    "like": "like",
}
_SIGNS = {"&": "&&", "|": "||", "^": "!=="}  # of conditions, for which & would give numbers
_TABLE: dict[str, Spelling] = {
    "+": ("{0:SUM} + {1:NEGATION}", SUM),
    "-": ("{0:SUM} - {1:PRODUCT}", SUM),
    "*": ("{0:PRODUCT} * {1:POWER}", PRODUCT),
    "/": _div,
    "neg": ("-{0:PRODUCT}", NEGATION),
    "~": ("~{0:ATOM}", ATOM),
    **{name: lambda operands: operands[0] for name in ("pos", "same", "detach")},
    **{
        name: (f"{{0:SUM}} {_SIGNS.get(name, name)} {{1:SUM}}", COMPARISON - 1)
        for name in (">", "<", ">=", "<=", "==", "!=", "&", "|", "^")
    },
}


def _unknown(op: Op, operands: Sequence[Text]) -> Text:
    raise TypeError(f"{op.name} is a function of Python's that JavaScript does not have")


JAVASCRIPT = Language(
    {op: _TABLE.get(name) or _call(_NAMES.get(name, name)) for name, op in OPS.items()},
    _number,
    _unknown,
    repeated=8,
)


@cache
def _pieces() -> dict[str, str]:
    """Return the runtime's definitions, each with the comment before it, by name."""
    found: dict[str, str] = {}
    comment = ""
    for piece in _PIECE.split(_RUNTIME.read_text(encoding="utf-8")):
        if piece.startswith("//"):
            comment += piece
            continue
        defined = _DEFINES.match(piece)
        if defined:
            found[defined[1]] = (comment + piece).rstrip() + "\n"
        comment = ""
    return found


def runtime_for(program: str) -> str:
    """Return those functions of the runtime that `program` calls, and that they call in turn."""
    pieces = _pieces()
    wanted: set[str] = set()
    queue = [program]
    while queue:
        for name in _NAME.findall(queue.pop()):
            if name in pieces and name not in wanted:
                wanted.add(name)
                queue.append(pieces[name])
    return "\n".join(text for name, text in pieces.items() if name in wanted)


_RESERVED = """
await break case catch class const continue debugger default delete do else enum export extends
false finally for function if implements import in instanceof interface let new null package
private protected public return static super switch this throw true try typeof var void while with
yield arguments eval Math Number Object Array Infinity NaN undefined
"""


def identifiers(wishes: Iterable[str]) -> list[str]:
    """Return a name of a JavaScript variable for each of `wishes`, all of them different.

    >>> identifiers(["x", "class", "w[0]", "x"])
    ['x', 'class_', 'w_0', 'x_']
    """
    taken = {*_RESERVED.split(), *_pieces()}
    names = []
    for wish in wishes:
        name = re.sub(r"[^A-Za-z0-9_]+", "_", wish).strip("_") or "x"
        if name[0].isdigit():
            name = f"_{name}"
        while name in taken or re.fullmatch(r"t\d+", name):
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def javascript_function(name: str, inputs: Sequence[str], code: Code) -> str:
    """Return a JavaScript function that returns the outputs of `code` as an array.

    `inputs` are wished-for names of its parameters. Raises TypeError for an op that JavaScript
    does not have.
    """
    [called, *parameters] = identifiers([name, *inputs])
    spelled = spell(code, JAVASCRIPT, parameters, "t{}".format)
    lines = [f"  const {name} = {text};" for name, text in spelled.definitions]
    outputs = ", ".join(text.text for text in spelled.outputs)
    lines.append(f"  return [{outputs}];")
    body = "\n".join([f"function {called}({', '.join(parameters)}) {{", *lines, "}"])
    runtime = runtime_for(body)
    return f"{runtime}\n{body}\n" if runtime else f"{body}\n"


def arrow(code: Code, inputs: Sequence[str], parameters: str) -> str:
    """Return a JavaScript arrow function of `parameters` that returns an array of the outputs.

    `inputs` are the expressions that the code's inputs are, such as v[3].
    """
    spelled = spell(code, JAVASCRIPT, inputs, "t{}".format)
    outputs = f"[{', '.join(text.text for text in spelled.outputs)}]"
    if not spelled.definitions:
        return f"({parameters}) => {outputs}"
    constants = " ".join(f"const {name} = {text};" for name, text in spelled.definitions)
    return f"({parameters}) => {{ {constants} return {outputs}; }}"


_LONGEST = 150  # statements: V8 stops optimising longer functions


def statements(name: str, parameters: str, code: Code, inputs: Sequence[str]) -> str:
    """Return a function that writes the outputs of `code` into its last parameter, `o`.

    `inputs` are the expressions that the code's inputs are. What it computes on the way stands in
    one array of floats, and a long function is cut into pieces: V8 runs both faster.
    """
    spelled = spell(code, JAVASCRIPT, inputs, lambda k: f"w[{k - 1}]")
    lines = [f"{variable} = {text};" for variable, text in spelled.definitions]
    lines += [f"o[{k}] = {output.text};" for k, output in enumerate(spelled.outputs)]
    pieces = [lines[k : k + _LONGEST] for k in range(0, len(lines), _LONGEST)]
    found = [
        f"const {name} = (() => {{",
        f"const w = new Float64Array({len(spelled.definitions)});",
    ]
    for k, piece in enumerate(pieces):
        found += [f"function f{k}({parameters}, o) {{", *piece, "}"]
    calls = " ".join(f"f{k}({parameters}, o);" for k in range(len(pieces)))
    found.append(f"return ({parameters}, o) => {{ {calls} }};\n}})();")
    return "\n".join(found)


def is_spelled(code: Code) -> bool:
    """Return whether JavaScript has all of the ops and constants of `code`."""
    return all(
        equation.op in JAVASCRIPT.table
        and all(
            isinstance(x.value, int | float) for x in equation.operands if isinstance(x, Literal)
        )
        for equation in code.equations
    )
