"""The laws of the backward pass: whom it reaches, where it starts, what a second one does."""

from collections.abc import Sequence
from dataclasses import replace

from scalargrad.testing.adapter import Absent
from scalargrad.testing.cases import from_lines
from scalargrad.testing.laws.law import Laws
from scalargrad.testing.laws.soundness import op_for_graphs
from scalargrad.testing.trial import Failed, Trial

LAWS = Laws()


@LAWS.law("unrelated-leaves", "Leaves that the output does not depend on get no gradient.")
def _unrelated_leaves(trial: Trial) -> None:
    op, adapter = op_for_graphs(trial), trial.adapter
    # Where a leaf is asked, one in a dead end is a leaf used twice.
    trial.needs("chain", *(["reuse"] if adapter.mode == "pull" else []))
    if not adapter.names_output:
        raise Absent("a gradient is asked for without naming the output")
    lines = f"d = a {op} b"
    trial.check_gradient(from_lines([3.0, 2.0, 5.0], lines, "d"))
    for dead in (f"e = c {op} c", f"e = c {op} b", f"e = d {op} c"):
        trial.check_gradient(from_lines([3.0, 2.0, 5.0], f"{lines}\n{dead}", "d"))
    lines = f"e = a {op} b\nf = e {op} c\ng = e {op} d"  # f is not waited for
    trial.check_gradient(from_lines([3.0, 2.0, 5.0, 4.0], lines, "g"))
    if adapter.mode == "reverse":
        program = from_lines([3.0, 2.0, 5.0, 4.0], f"e = a {op} b\nf = c {op} d", "e f")
        actions = [*adapter.run_backward("e"), *adapter.run_backward("f")]
        if not adapter.is_dictionary:
            trial.check_gradient(program, actions, [["e"]], ["a", "b"])


@LAWS.law("constants", "A leaf that asks for no gradient leaves the gradients of others right.")
def _constants(trial: Trial) -> None:
    adapter = trial.adapter
    if adapter.constant is None:
        raise Absent("all leaves have gradients")
    trial.needs("chain")
    op = op_for_graphs(trial)
    constant = adapter.leaf("k", 5.0, form=adapter.constant)
    for lines in (f"b = a {op} k", f"b = k {op} a", f"c = k {op} k\nb = a {op} c"):
        program = from_lines([3.0], f"k = 5.0\n{lines}", "b")
        whole = replace(program, lines=(constant, *lines.split("\n")))
        trial.check_gradient(whole)


@LAWS.law("seed", "The backward pass starts with 1, the output's derivative by itself.")
def _seed(trial: Trial) -> None:
    adapter = trial.adapter
    adapter.needs_pass()
    lines = [adapter.leaf("a", 3.0), *adapter.run_backward("a")]
    # Some engines refuse a backward pass from a leaf, or do not look at it.
    _own_gradient(trial, "a", lines, "a leaf's derivative by itself", [1.0], refusable=True)
    op = op_for_graphs(trial)
    program = from_lines([3.0, 2.0], f"c = a {op} b", "c")
    trial.check_gradient(program)
    doubled = adapter.run_backward_from("c", 2.0)
    if doubled is not None:
        trial.check_gradient(program, [doubled], [["c", "c"]])
    lines = [*program.build(adapter), *adapter.run_backward("c")]
    # An engine may keep no gradients but the leaves'.
    _own_gradient(trial, "c", lines, "the output's own gradient", [None, 0.0, 1.0])


def _own_gradient(
    trial: Trial,
    output: str,
    lines: Sequence[str],
    what: str,
    rights: Sequence[float | None],
    refusable: bool = False,
) -> None:
    """Judge the gradient of an output by itself, after the pass."""
    read = trial.adapter.gradient(output, output)
    reply = trial.run(lines, [], [read])
    if refusable and "error" in reply and reply["error"]["deliberate"]:
        return
    trial.no_error(reply, lines)
    (found,) = reply["values"]
    if found not in rights:
        shown = f"print({read})  # right: 1.0"
        raise Failed(f"{what} is {found}, right is 1.0", [*lines, shown])


def _op_for_passes(trial: Trial) -> str:
    """Return the op to build graphs of; raise Absent where there is no pass to run over them."""
    trial.needs("chain", "unrelated-leaves")
    trial.adapter.needs_pass()
    return op_for_graphs(trial)


def _refused(trial: Trial, lines: Sequence[str], what: str) -> None:
    """Raise Absent if the engine says no, in its own words, instead of giving a number."""
    reply = trial.run(lines)
    if "error" in reply and reply["error"]["deliberate"]:
        raise Absent(f"{what} is refused: {reply['error']['message']}")


@LAWS.law("fresh-graph", "After setting gradients to zero, a new graph gives its own gradient.")
def _fresh_graph(trial: Trial) -> None:
    op, adapter = _op_for_passes(trial), trial.adapter
    zero = [adapter.zero(n) for n in "ab"]
    if None in zero:
        raise Absent("found no way to set a gradient to zero")
    zeros = [line for line in zero if line is not None]
    program = from_lines([3.0, 2.0, 5.0], f"d = a {op} b", "d")
    done = [*adapter.prepare("d"), *adapter.run_backward("d")]
    lines = [*program.build(adapter), *done, *zeros]
    reply = trial.run(lines)
    if "error" in reply and (reply["error"]["line"] or 0) > len(lines) - 2:
        raise Absent(f"a gradient cannot be set: {reply['error']['message']}")
    for second in (f"e = a {op} b", f"f = a {op} b\ne = f {op} c"):
        whole = from_lines([3.0, 2.0, 5.0], second, "e")
        again = replace(whole, lines=(*program.lines, *done, *zeros, *whole.lines))
        trial.check_gradient(again)


@LAWS.law("second-backward", "A second backward pass over a graph counts its gradient once more.")
def _second_backward(trial: Trial) -> None:
    op, adapter = _op_for_passes(trial), trial.adapter
    for code, output in ((f"c = a {op} b", "c"), (f"d = a {op} b\ne = d {op} c", "e")):
        program = from_lines([3.0, 2.0, 5.0][: 3 if "e" in code else 2], code, output)
        actions = adapter.run_backward(output) * 2
        _refused(trial, [*program.build(adapter), *actions], "a second pass over a graph")
        # An engine may add to the gradients of the leaves, or set them.
        trial.check_gradient(program, actions, [[output, output], [output]])


@LAWS.law("overlapping-graphs", "Backward passes over graphs that share nodes each count once.")
def _overlapping_graphs(trial: Trial) -> None:
    op, adapter = _op_for_passes(trial), trial.adapter
    for inputs, code, first, last in (
        ([3.0, 2.0, 5.0], f"d = a {op} b\ne = d {op} c", "d", "e"),
        ([3.0, 2.0, 5.0, 4.0], f"e = a {op} b\nf = e {op} c\ng = e {op} d", "f", "g"),
    ):
        for p, q in ((first, last), (last, first)):
            program = from_lines(inputs, code, f"{p} {q}")
            actions = [*adapter.run_backward(p), *adapter.run_backward(q)]
            _refused(trial, [*program.build(adapter), *actions], "a pass over a shared part")
            trial.check_gradient(program, actions, [[p, q], [q]], ["a", "b"])
