"""State that resumes, parameter groups, and schedules, as in PyTorch."""

from __future__ import annotations

import copy
import json
import math
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Value, tanh
from scalargrad.nn import MLP
from scalargrad.optim import (
    SGD,
    Adam,
    AdamW,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    Optimizer,
    RMSprop,
    Schedule,
    SequentialLR,
    StepLR,
)

OPTIMIZERS: list[tuple[type[Optimizer], dict[str, Any], list[str]]] = [
    (SGD, {"lr": 0.05}, ["momentum_buffer"]),
    (SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}, ["momentum_buffer"]),
    (Adam, {"lr": 0.05, "betas": (0.8, 0.95)}, ["exp_avg", "exp_avg_sq"]),
    (AdamW, {"lr": 0.05}, ["exp_avg", "exp_avg_sq"]),
    (
        RMSprop,
        {"lr": 0.01, "momentum": 0.5, "centered": True, "maximize": False},
        ["square_avg", "grad_avg", "momentum_buffer"],
    ),
]
SCHEDULES: list[Callable[[Optimizer], Schedule]] = [
    lambda o: CosineAnnealingLR(o, 4),
    lambda o: CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    lambda o: LinearLR(o, 0.5, 0.1, 6),
    lambda o: ConstantLR(o, 0.25, 3),
    lambda o: StepLR(o, 3, 0.5),
    lambda o: ExponentialLR(o, 0.9),
    lambda o: SequentialLR(o, [LinearLR(o, 0.1, 1.0, 2), CosineAnnealingLR(o, 5)], [2]),
]


def trained(model: MLP, optimizer: Optimizer, schedule: Schedule, steps: range) -> None:
    for step in steps:
        rng = random.Random(step)
        x, y = [rng.gauss(0, 1), rng.gauss(0, 1)], rng.gauss(0, 1)
        optimizer.zero_grad()
        ((model(x) - y) ** 2).backward()
        optimizer.step()
        schedule.step()


def make(number: int, schedule: int) -> tuple[MLP, Optimizer, Schedule]:
    kind, settings, _ = OPTIMIZERS[number]
    model = MLP(2, [3, 1], activation=tanh, rng=random.Random(5))
    first, last = (layer.parameters() for layer in model.layers)
    optimizer = kind([{"params": first}, {"params": last, "lr": 0.02}], **settings)
    return model, optimizer, SCHEDULES[schedule](optimizer)


@pytest.mark.parametrize("number", range(len(OPTIMIZERS)))
@pytest.mark.parametrize("schedule", range(len(SCHEDULES)))
def test_resumed_training_is_uninterrupted_training(number: int, schedule: int) -> None:
    whole, part, again = (make(number, schedule) for _ in range(3))
    trained(*whole, range(11))
    trained(*part, range(6))
    # As JSON has it: keys are text, and pairs lists.
    one: Any
    other: Any
    for one, other in zip(part, again, strict=True):
        other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    trained(*again, range(6, 11))
    assert states(whole) == states(again)  # to the last bit, and so are the states


float_: Any = 1.5

RESUMED = """
import json, sys
from tests.test_optim_state import make, states, trained
things = make(2, 0)
for thing, state in zip(things, json.load(sys.stdin)):
    thing.load_state_dict(state)
trained(*things, range(5, 8))
print(states(things))
"""


def states(things: Sequence[Any]) -> str:
    return json.dumps([thing.state_dict() for thing in things])


def test_training_resumes_in_a_new_process() -> None:
    whole, part = make(2, 0), make(2, 0)
    trained(*whole, range(8))
    trained(*part, range(5))
    command = [sys.executable, "-c", RESUMED]
    done = subprocess.run(
        command, input=states(part), capture_output=True, text=True, check=True
    ).stdout
    assert done == states(whole) + "\n"


@pytest.mark.parametrize(("kind", "settings", "names"), OPTIMIZERS)
def test_names_of_the_state_are_pytorchs(
    kind: type[Optimizer], settings: dict[str, Any], names: list[str]
) -> None:
    x, y = Value(1.0), Value(2.0)
    optimizer = kind([{"params": [x]}, {"params": [y], "lr": 0.25}], **settings)
    assert optimizer.state_dict()["state"] == {}
    x.grad = 3.0
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == [0, 1]
    assert list(state["state"][0]) == ["step", *names]
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in state["param_groups"]] == [settings["lr"], 0.25]
    assert set(state["param_groups"][0]) == {"params", *optimizer.defaults}


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    optimizer = Adam([Value(1.0), Value(2.0)], lr=0.5)
    optimizer.step()
    before = optimizer.state_dict()

    def changed(**group: Any) -> dict[str, Any]:
        state: dict[str, Any] = copy.deepcopy(before)
        state["param_groups"][0].update(group)
        return state

    text: dict[str, Any] = copy.deepcopy(before)
    text["state"][1]["exp_avg"] = "1"
    uneven: dict[str, Any] = copy.deepcopy(before)
    uneven["state"][1]["step"] = 7
    misfit = "the state does not fit this Adam, which was left as it was: "
    for state, kind, words in (
        (None, TypeError, "takes a dict of state and param_groups, .*not None"),
        ({"state": {}}, TypeError, "takes a dict of state and param_groups"),
        (changed(params=[0]), ValueError, rf"{misfit}it has groups of \[2\] param.*of \[1\]"),
        (changed(momentum=0.9), ValueError, f"{misfit}it has no momentum"),
        (changed(lr=-1.0), ValueError, "lr must be at least 0"),
        (text, ValueError, f"{misfit}exp_avg must be numbers"),
        (uneven, ValueError, f"{misfit}parameters of one group took"),
    ):
        with pytest.raises(kind, match=words):
            optimizer.load_state_dict(state)  # type: ignore[arg-type]
        assert optimizer.state_dict() == before
    with pytest.raises(
        ValueError, match="state of a StepLR is a dict of step_size, gamma, last_epoch"
    ):
        StepLR(optimizer, 1).load_state_dict({"gamma": 1})


# --- groups, maximize ----------------------------------------------------------------------------


def test_groups_have_settings_of_their_own() -> None:
    # As in PyTorch's documentation of per-parameter options.
    base, classifier = MLP(2, [2], rng=random.Random(0)), MLP(2, [1], rng=random.Random(1))
    optimizer = SGD(
        [{"params": base.parameters(), "lr": 0.25}, {"params": classifier.parameters()}],
        lr=0.5,
        momentum=0.9,
    )
    assert optimizer.parameters == [*base.parameters(), *classifier.parameters()]
    before = [p.data for p in optimizer.parameters]
    for p in optimizer.parameters:
        p.grad = 1.0
    optimizer.step()
    moved = [a - p.data for a, p in zip(before, optimizer.parameters, strict=True)]
    assert moved == pytest.approx([0.25] * 6 + [0.5] * 3)
    assert optimizer.lr == 0.25
    optimizer.lr = 0.125
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
    optimizer.add_param_group({"params": [Value(1.0)], "momentum": 0})
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9, 0]
    assert optimizer.steps == 1
    assert repr(optimizer) == "SGD(10 parameters, lr=0.125)"


@pytest.mark.parametrize(
    ("group", "kind", "words"),
    [
        (
            {"lr": 0.1},
            TypeError,
            "a group of SGD is a dict of params and, if others than by default",
        ),
        ({"params": [Value(1.0)], "eps": 1}, TypeError, "a group of SGD is a dict of params"),
        ({"params": [Value(1.0)], "lr": -1}, ValueError, "lr must be at least 0"),
        ({"params": []}, ValueError, "there are no parameters"),
        ({"params": [1.0]}, TypeError, r"parameter 0 is 1\.0"),
        ([Value(1.0)], TypeError, "a group of SGD is a dict of params"),
    ],
)
def test_groups_that_are_wrong(group: Any, kind: type[Exception], words: str) -> None:
    optimizer = SGD([Value(1.0)], lr=0.5)
    with pytest.raises(kind, match=words):
        optimizer.add_param_group(group)
    with pytest.raises(ValueError, match=r"parameter 1.*was given before"):
        optimizer.add_param_group({"params": optimizer.parameters})
    assert len(optimizer.param_groups) == 1


def test_an_overflow_in_one_group_moves_no_other() -> None:
    x, y = Value(1.0), Value(1.0)
    optimizer = Adam([{"params": [x]}, {"params": [y]}])
    x.grad, y.grad = 1.0, 1e160
    before = optimizer.state_dict()
    with pytest.raises(OverflowError):
        optimizer.step()
    assert (x.data, y.data, optimizer.state_dict()) == (1.0, 1.0, before)


def test_settings_that_are_not_there() -> None:
    with pytest.raises(TypeError, match=r"Adam takes lr, betas.* each once, got amsgrad=True"):
        Adam([Value(1.0)], amsgrad=True)
    with pytest.raises(TypeError, match=r"takes .*, each once, got 0\.1, lr=0\.2"):
        SGD([Value(1.0)], 0.1, lr=0.2)
    with pytest.raises(AttributeError, match="SGD has no betas"):
        SGD([Value(1.0)]).betas  # noqa: B018


@pytest.mark.parametrize(("kind", "settings", "names"), OPTIMIZERS)
def test_maximize_goes_the_other_way(
    kind: type[Optimizer], settings: dict[str, Any], names: list[str]
) -> None:
    down, up = Value(1.0), Value(1.0)
    settings = {**settings, "weight_decay": 0.1}
    optimizers = [kind([down], **settings), kind([up], **{**settings, "maximize": True})]
    for g in (0.5, -2.0, 1.0):
        down.grad, up.grad = g, -g
        for optimizer in optimizers:
            optimizer.step()
        assert down.data == up.data


def test_optimizers_are_copied_and_pickled() -> None:
    optimizer = Adam([Value(1.0)], lr=0.25)
    optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert other.state_dict() == optimizer.state_dict()
        assert other.parameters[0] is not optimizer.parameters[0]


# --- schedules -----------------------------------------------------------------------------------


def cosine(t: float, length: float) -> float:
    return (1 + math.cos(math.pi * t / length)) / 2


# By the formulas of PyTorch's documentation, for a base of 0.5.
@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda o: StepLR(o, 3, 0.5), lambda t: 0.5 * 0.5 ** (t // 3)),
        (lambda o: ExponentialLR(o, 0.9), lambda t: 0.5 * 0.9**t),
        (lambda o: ConstantLR(o, 0.25, 3), lambda t: 0.125 if t < 3 else 0.5),
        (lambda o: ConstantLR(o), lambda t: 0.5 / 3 if t < 5 else 0.5),
        (lambda o: CosineAnnealingLR(o, 4), lambda t: 0.5 * cosine(t, 4)),
        (lambda o: CosineAnnealingWarmRestarts(o, 4), lambda t: 0.5 * cosine(t % 4, 4)),
        (
            lambda o: CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=0.1),
            lambda t: 0.1 + 0.4 * (cosine(t, 2) if t < 2 else
                                   cosine(t - 2, 4) if t < 6 else cosine(t - 6, 8)),
        ),
        (
            lambda o: SequentialLR(o, [ConstantLR(o, 0.1, 20), ExponentialLR(o, 0.9)], [2]),
            lambda t: 0.05 if t < 2 else 0.5 * 0.9 ** (t - 2),
        ),
        (
            lambda o: SequentialLR(
                o, [LinearLR(o, 0.5, 1.0, 3), StepLR(o, 2), CosineAnnealingLR(o, 4)], [3, 6]
            ),
            lambda t: 0.5 * ((0.5 + t / 6) if t < 3 else 0.1 ** ((t - 3) // 2) if t < 6 else
                             cosine(t - 6, 4)),
        ),
    ],
)  # fmt: skip
def test_schedules_follow_their_formulas(
    make: Callable[[Optimizer], Schedule], rate: Callable[[int], float]
) -> None:
    optimizer = SGD([{"params": [Value(0.0)]}, {"params": [Value(0.0)], "lr": 0.5}], lr=0.5)
    schedule = make(optimizer)
    for t in range(13):
        for group in optimizer.param_groups:
            assert group["lr"] == pytest.approx(rate(t), rel=1e-14, abs=1e-17)
        assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        schedule.step()


def test_a_cosine_that_reached_0_starts_again() -> None:
    optimizer = SGD([Value(0.0)], lr=0.5)
    schedule = CosineAnnealingLR(optimizer, 4)
    rates = [optimizer.lr]
    for _ in range(8):
        schedule.step()
        rates.append(optimizer.lr)
    assert rates[4] == 0
    # Up again: 0 + (1 - cos(pi / 4)) / 4 first, as PyTorch's formula for that step has it.
    assert rates[5] == pytest.approx((1 - math.cos(math.pi / 4)) / 4, rel=1e-14)
    assert rates[8] == 0.5
    for _ in range(4):
        schedule.step()
    assert optimizer.lr == pytest.approx(0, abs=1e-16)
    again = CosineAnnealingLR(optimizer, 4)  # from the rate that the optimiser had at first
    assert (optimizer.lr, again.base_lrs) == (0.5, [0.5])


@given(st.floats(0.1, 10))
def test_a_rate_that_was_changed_goes_on_from_there(factor: float) -> None:
    optimizer = SGD([Value(0.0)], lr=0.5)
    schedule = CosineAnnealingLR(optimizer, 4, eta_min=0.1)
    schedule.step()
    optimizer.lr = 0.1 + factor * (optimizer.lr - 0.1)
    schedule.step()
    assert optimizer.lr == pytest.approx(0.1 + factor * 0.4 * cosine(2, 4), rel=1e-12)


def test_parts_of_epochs() -> None:
    # As in PyTorch's documentation of warm restarts.
    optimizer = SGD([Value(0.0)], lr=0.5)
    schedule = CosineAnnealingWarmRestarts(optimizer, 2)
    for epoch in range(4):
        for i in range(5):
            schedule.step(epoch + i / 5)
            assert optimizer.lr == pytest.approx(0.5 * cosine((epoch + i / 5) % 2, 2), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda o: StepLR(o, 0), ValueError, "step_size must be at least 1, got 0"),
        (lambda o: StepLR(o, 1, -1), ValueError, "gamma must be at least 0"),
        (lambda o: ExponentialLR(o, "1"), TypeError, "gamma must be a real number"),
        (lambda o: ConstantLR(o, -1), ValueError, "factor must be at least 0"),
        (lambda o: CosineAnnealingWarmRestarts(o, 2, float_), TypeError, "T_mult must be a whole"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)], [1]), ValueError, "got 1 schedules and 1 mile"),
        (
            lambda o: SequentialLR(o, [StepLR(o, 1)] * 3, [2, 1]),
            ValueError,
            r"milestones must increase, got \[2, 1\]",
        ),
        (
            lambda o: SequentialLR(o, [StepLR(SGD([Value(0.0)]), 1)] * 2, [1]),
            ValueError,
            "all schedules must be of the optimizer that",
        ),
    ],
)
def test_schedules_that_are_wrong(make: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        make(SGD([Value(0.0)], lr=0.5))
