"""The differential fuzzer: a few programs, and on demand that it finds what was once wrong.

Each mutation below puts a wrong result of an earlier compile back. Most are found within a few
hundred programs, of about 25 ms each; some take more than a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from scalargrad.functions import activations, arithmetic, choices, elementary
from scalargrad.functions.methods import public_functions
from scalargrad.programs import code
from scalargrad.programs.code import Literal
from scalargrad.programs.passes import linking, simplify
from scalargrad.programs.run import bindings, compiled
from scalargrad.programs.spell import names
from scalargrad.programs.spell.python import nests, speller
from scalargrad.programs.trace import subprograms, symbols
from scalargrad.transforms import nesting
from tests.programs import fuzz


@given(program=fuzz.programs())
@settings(suppress_health_check=list(HealthCheck))
def test_a_compiled_program_is_the_eager_function_and_its_code(program: fuzz.Program) -> None:
    fuzz.check(program)


def test_programs_are_made_of_all_public_functions() -> None:
    assert fuzz.ops_drawn() == set(public_functions())


# --- what was once wrong, put back ----------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]
MUTATIONS: dict[str, Patch] = {}


def mutation(patch: Patch) -> Patch:
    MUTATIONS[patch.__name__] = patch
    return patch


def rule(patch: pytest.MonkeyPatch, op: Any, wrong: Callable[..., Any]) -> None:
    """Let a rule of the simplifier be tried before the right one."""
    right = simplify._RULES.get(op)

    def either(builder: Any, *operands: Any) -> Any:
        found = wrong(builder, *operands)
        if found is None and right is not None:
            found = right(builder, *operands)
        return found

    patch.setitem(simplify._RULES, op, either)


def is_constant(x: Any, number: float) -> bool:
    return type(x) is Literal and type(x.value) in (int, float) and x.value == number


@mutation
def comparisons_chain(patch: pytest.MonkeyPatch) -> None:
    for op, (sign, binding, *_) in list(speller._INFIX.items()):
        if binding == speller.COMPARISON:
            patch.setitem(speller._INFIX, op, (sign, binding, binding, binding))


@mutation
def unused_elements_overwrite_an_argument(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(speller.Speller, "unused", lambda self: "_")


NEUTRAL = {
    "times_a_float_one": (arithmetic.mul.op, 1),
    "plus_a_float_zero": (arithmetic.add.op, 0),
    "over_one": (arithmetic.div.op, 1),
    "to_the_power_one": (elementary.power.op, 1),
}


def dropped_for_any_kind(op: Any, number: float) -> Patch:
    return lambda patch: rule(patch, op, lambda s, a, b: a if is_constant(b, number) else None)


for _name, _neutral in NEUTRAL.items():
    MUTATIONS[f"{_name}_is_dropped_for_any_kind"] = dropped_for_any_kind(*_neutral)


@mutation
def to_the_power_zero_is_one_for_any_kind(patch: pytest.MonkeyPatch) -> None:
    rule(
        patch,
        elementary.power.op,
        lambda s, a, b: Literal(1) if is_constant(b, 0) else None,
    )


@mutation
def the_seed_is_a_float(patch: pytest.MonkeyPatch) -> None:
    rule(
        patch,
        choices.like.op,
        lambda s, n, x: Literal(float(n.value)) if type(n) is Literal else None,
    )


@mutation
def relu_gives_floats(patch: pytest.MonkeyPatch) -> None:
    relu = activations.relu.op
    right = speller.Speller.spelled

    def spelled(self: Any, op: Any, operands: Any, parts: Any) -> Any:
        if op is relu and parts[0].binding == speller.ATOM:
            x = parts[0].text
            return f"0.0 if {x} <= 0 else {x}", speller.CHOICE
        return right(self, op, operands, parts)

    patch.setattr(speller.Speller, "spelled", spelled)


@mutation
def equal_static_arguments_share_a_program(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nesting, "static_key", lambda x: x)


@mutation
def equal_constants_are_the_same(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(code, "constant_key", lambda x: x)


@mutation
def names_bound_anew_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiled, "check", lambda bindings, function: None)


@mutation
def attributes_bound_anew_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    right = bindings._Search._key

    def key(self: Any, path: str, names: Any, key: str) -> None:
        if not path:  # a global: it is no attribute
            right(self, path, names, key)

    patch.setattr(bindings._Search, "_key", key)


@mutation
def items_bound_anew_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bindings._Search, "_items", lambda *args: None)


@mutation
def only_names_of_the_outermost_function_are_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bindings._Search, "_reach", lambda *args: None)


@mutation
def symbols_are_looked_up_by_identity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(symbols.Symbol, "__hash__", object.__hash__)


@mutation
def equal_names_of_other_kinds_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bindings, "_equal", lambda a, b: a == b)


@mutation
def dicts_of_other_classes_come_back_as_dict(patch: pytest.MonkeyPatch) -> None:
    right = nests._packed

    def packed(speller: Any, structure: Any, parts: Any) -> Any:
        if structure.keys is not None:
            structure = structure._replace(kind=dict)
        return right(speller, structure, parts)

    patch.setattr(nests, "_packed", packed)


@mutation
def identifiers_are_not_normalised(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(names, "unicodedata", SimpleNamespace(normalize=lambda form, text: text))


@mutation
def differences_are_written_without_brackets(patch: pytest.MonkeyPatch) -> None:
    for op in (arithmetic.sub.op, arithmetic.div.op):
        sign, binding, left, _ = speller._INFIX[op]
        patch.setitem(speller._INFIX, op, (sign, binding, left, binding))


@mutation
def a_power_of_a_negative_number_is_the_negative_of_a_power(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(speller.Text, "within", lambda self, binding: self.text)


@mutation
def results_on_the_same_inputs_are_one_whatever_the_op(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(type(arithmetic.add.op), "__hash__", lambda self: 0)
    patch.setattr(type(arithmetic.add.op), "__eq__", lambda a, b: a.name == b.name)


@mutation
def signs_of_zeros_are_lost_before_what_sees_them(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(simplify, "sees_signs", lambda code: False)


@mutation
def of_a_tuple_the_first_element_is_all_that_a_call_needs(patch: pytest.MonkeyPatch) -> None:
    right = linking._add

    def add(needs: Any, x: Any, need: Any) -> None:
        right(needs, x, need if need is True else need & {0})

    patch.setattr(linking, "_add", add)


@mutation
def calls_are_given_what_their_functions_compute_for_the_first_one(
    patch: pytest.MonkeyPatch,
) -> None:
    right = subprograms.Subprogram.at
    first: Any = {}
    patch.setattr(
        subprograms.Subprogram,
        "at",
        lambda self, call, x: right(self, first.setdefault((self, call.owner), call), x),
    )


def programs_needed(seed: int, most: int) -> int:
    """Return how many programs were drawn until the fuzzer found a difference; 0 if it did not."""
    for k in range(most):
        if fuzz.differs(fuzz.drawn(Random(f"{seed} {k}"))):
            return k + 1
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_the_fuzzer_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTATIONS[name](monkeypatch)
    assert programs_needed(1, 5000)


@pytest.mark.slow
def test_many_programs() -> None:
    fuzz.run(1000, 1)


def test_a_builtin_is_not_called_by_the_name_of_an_argument() -> None:
    # Programs call so few builtins that the fuzzer seldom meets an argument of such a name.
    assert names.Names(["zip"]).new("zip", builtin=True) != "zip"
    assert names.Names(["x"]).new("zip", builtin=True) == "zip"
