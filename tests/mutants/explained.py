"""Survivors that no test can kill, as they change nothing that anybody could tell, and why.

Each is named by its file and the changed lines of its diff.
"""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str], str] = {
    (
        "scalargrad/checks/finite_differences.py",
        "- if 0 < size < 2.0**-6:\n+ if 0 < size <= 2.0**-6:",
    ): "At exactly 2**-6 a second estimate is as good as the first.",
    (
        "scalargrad/checks/gradient_check.py",
        "- for node, gradient in zip(nodes, gradients, strict=True):\n"
        "+ for node, gradient in zip(nodes, gradients, strict=False):",
    ): "Both lists have an item for each node.",
    (
        "scalargrad/checks/one_sided.py",
        "- if 0 < size < 2.0**-6:\n+ if 0 != size < 2.0**-6:",
    ): "A size is not negative.",
    (
        "scalargrad/fitting/orthogonal.py",
        "- column[k:] = [x - along * v for x, v in zip(tail, reflection, strict=True)]\n"
        "+ column[k:] = [x - along * v for x, v in zip(tail, reflection, strict=False)]",
    ): "Both are slices from the same place to the end of lists of one length.",
    (
        "scalargrad/functions/activations.py",
        "- return x if x > 0 else alpha * math.expm1(x)\n"
        "+ return x if x >= 0 else alpha * math.expm1(x)",
    ): "At 0 both forms give 0.",
    (
        "scalargrad/functions/choices.py",
        "- @overload",
    ): "The function itself, which follows, takes the place of what is overloaded.",
    (
        "scalargrad/functions/elementary.py",
        "- return a * 1.0\n+ return a / 1.0",
    ): "The number is a 0, times or by 1.0.",
    (
        "scalargrad/nn.py",
        '- layers = ", ".join(f"{n} {kind}Neurons" for n, kind in zip(sizes, kinds, strict=True))\n'
        '+ layers = ", ".join(f"{n} {kind}Neurons" for n, kind in zip(sizes, kinds, strict=False))',
    ): "Both lists have an item for each layer.",
    (
        "scalargrad/nn.py",
        "- y = y if bias is None else y + bias._data\n+ y = y if bias is None else y << bias._data",
    ): "The error is caught, and the op computes the sum: only slower.",
    (
        "scalargrad/programs/run/compiled.py",
        "- if result is not NUMBER:\n+ if result != NUMBER:",
    ): "The nesting of one number is None, which equals no nest.",
    (
        "scalargrad/programs/run/compiled.py",
        "- x: like(0, seed) if type(slope) is int and slope == 0 else slope\n"
        "+ x: like(0, seed) if type(slope) is int and slope >= 0 else slope",
    ): "A slope that is a plain int is the 0 put there for a captured Value that none arrived at.",
    (
        "scalargrad/view/languages/latex.py",
        '- text = base if len(base) == 1 else f"\\\\mathrm{{{base}}}"\n'
        '+ text = base if len(base) <= 1 else f"\\\\mathrm{{{base}}}"',
    ): "The pattern leaves no base empty.",
    (
        "scalargrad/view/lowering.py",
        "- alive[code.outputs[0]] = True  # type: ignore[index]\n"
        "+ alive[code.outputs[ -1]] = True  # type: ignore[index]",
    ): "The code of a graph has one output here.",
    (
        "scalargrad/view/lowering.py",
        '- if op is OPS["where"] and operands[0] in is_equality:\n'
        '+ if op == OPS["where"] and operands[0] in is_equality:',
    ): "An op has no == of its own: it equals itself only.",
    (
        "scalargrad/view/lowering.py",
        "- run = values[operands[0]]\n+ run = values[operands[ -1]]",
    ): "A pick has one operand.",
    (
        "scalargrad/programs/spell/python/speller.py",
        "- if op is _PROD and len(parts) > 1:\n+ if op is _PROD and len(parts) > 0:",
    ): "A product of one number is spelled the same either way.",
    (
        "scalargrad/programs/spell/python/speller.py",
        '- return Text(repr(x), NEGATION if repr(x)[0] == "-" else ATOM)\n'
        '+ return Text(repr(x), NEGATION if repr(x)[0] >= "-" else ATOM)',
    ): "The brackets would matter before ** only, and a constant there is written as a call.",
    (
        "scalargrad/transforms/functional.py",
        "- if len(set(places)) < len(places):\n+ if len(set(places)) != len(places):",
    ): "A set of places is never larger than their list.",
    (
        "scalargrad/transforms/series.py",
        "- for leaf, direction in zip(leaves, directions, strict=True):\n"
        "+ for leaf, direction in zip(leaves, directions, strict=False):",
    ): "A direction that has not the nesting of its argument was refused before.",
    (
        "scalargrad/transforms/series.py",
        "- priority = 10\n+ priority = 9",
    ): "The other kinds have 0 and 1000.",
    (
        "scalargrad/transforms/series.py",
        "- found = _dot(weighted, powers[k - 1 :: -1])\n"
        "+ found = _dot(weighted, powers[k ^ 1 :: -1])",
    ): "The list has k items: a slice that starts behind its end starts at it.",
}


def explanation(path: str, difference: str) -> str | None:
    """Return why the mutant with this diff cannot be killed, or None."""
    return EXPLAINED.get((path, changes(difference)))


def changes(difference: str) -> str:
    """Return the lines of a diff that are taken away and put in, without their indentation."""
    lines = difference.splitlines()[2:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[0] in "+-")
