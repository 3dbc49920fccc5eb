"""The Python function of a program: its arguments, what it captured, what it calls, its result."""

from __future__ import annotations

from collections.abc import Sequence

from scalargrad.programs.code import Call, Code, Leaf
from scalargrad.programs.spell.names import Names
from scalargrad.programs.spell.python.captured import add_gradients, read_values
from scalargrad.programs.spell.python.nests import names_in, returned
from scalargrad.programs.spell.python.speller import Module, Spelled, Speller, whole_of
from scalargrad.transforms.nesting import NUMBER, Static, Structure


def spell_python(
    code: Code,
    name: str,
    arguments: Sequence[tuple[str, Structure]],
    captured: int,
    result: Structure,
    inputs: str,
    backward: bool = False,
) -> Spelled:
    """Return the function `name` of `arguments`, by name and nesting, that gives `code`'s outputs.

    The inputs of `code` are the numbers of all the arguments, in order, those of a nested one in
    one list, and then `captured` more, which come in a list as a last argument. Static arguments
    are left out. They are all of the kind `inputs`. `result` is the
    nesting of the outputs.

    With `backward` the list has Values, and a lock follows. What `code` gives after the result are
    the derivatives by these Values, which are added to their gradients while the lock is held.

    >>> from scalargrad.functions.arithmetic import mul
    >>> from scalargrad.programs.code import Equation
    >>> square = Code(1, [Equation(mul.op, (0, 0))], [1])
    >>> print(spell_python(square, "square", [("x", None)], 0, None, "float").source)
    def square(x):
        return x * x
    <BLANKLINE>
    """
    taken = [argument for argument, structure in arguments if not isinstance(structure, Static)]
    calls = _calls_of(code)
    module = Module()
    used = [label for call in calls for label in call.code.labels.values()]
    shared_names = Names([*taken, *used, *code.labels.values()])
    own_name = shared_names.new(name if name.isidentifier() else "f")
    for call in calls:
        module.functions[call] = shared_names.new(call.name if call.name.isidentifier() else "f")
    texts = [_spelled_call(call, module) for call in calls]
    names = Names([*taken, own_name, *module.functions.values()])
    speller = Speller(code, names, [inputs] * code.inputs, module)
    place = 0
    for argument, structure in arguments:
        wishes = list(names_in(argument, structure))
        if structure is NUMBER:
            speller.name_input(place, argument)
        elif wishes:
            speller.name_elements(argument, place, wishes)
        place += len(wishes)
    parameters = taken
    labels = [code.labels.get(k) or "" for k in range(place, place + captured)]
    if backward:
        given, lock = names.new("values"), names.new("lock")
        parameters = [*taken, given, lock]
        values = read_values(speller, given, place, labels)
    elif captured:
        given = names.new("captured")
        parameters = [*taken, given]
        wishes = [label or "p" for label in labels]
        speller.name_elements(given, place, wishes, labelled=False)

    def end(leaf: Leaf) -> None:
        outputs = code.outputs[leaf.start : leaf.stop]
        if backward:
            y = speller.operand(outputs[0])
            y = y if y.safe else speller.local(y)
            add_gradients(speller, values, outputs[1:], lock)
            speller.statement("return", y.text)
        else:
            nesting = result if code.tree is None else leaf.result
            speller.statement("return", returned(speller, nesting, iter(outputs)))

    speller.write(end)
    text = "\n".join([f"def {own_name}({', '.join(parameters)}):", *speller.lines, ""])
    source = "\n\n".join([*texts, text])
    called = list(module.functions.values())
    count = sum(type(op) is Call for op, _ in code.equations)
    return Spelled(source, own_name, module.ops, module.constants, called, count)


def _calls_of(code: Code) -> list[Call]:
    """Return all calls of a program, each after those that it makes itself."""
    found: dict[Call, None] = {}
    for op, _ in code.equations:
        if type(op) is Call and op not in found:
            found.update(dict.fromkeys([*_calls_of(op.code), op]))
    return list(found)


def _spelled_call(call: Call, module: Module) -> str:
    """Return the function that others call, as text."""
    code, kinds = call.code, call.kinds
    assert kinds is not None
    names = Names(module.functions.values())
    parameters = [names.new(code.labels.get(k) or "x") for k in range(code.inputs)]
    speller = Speller(code, names, kinds, module)
    for k, name in enumerate(parameters):
        if type(kinds[k]) is tuple:
            speller.take_input_apart(k, name, len(kinds[k]))
        else:
            speller.name_input(k, name)

    def end(leaf: Leaf) -> None:
        if len(code.outputs) == 1:
            text = speller.operand(code.outputs[0]).text
        else:
            texts = speller.elements(code.outputs)
            text = whole_of(texts) or ", ".join(texts)
        speller.statement("return", text)

    speller.write(end)
    return "\n".join(
        [f"def {module.functions[call]}({', '.join(parameters)}):", *speller.lines, ""]
    )
