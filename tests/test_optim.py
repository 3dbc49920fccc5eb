import json
import math
import random
import shutil
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Value, compile, grad, tanh, value_and_grad
from scalargrad.nn import MLP
from scalargrad.optim import (
    SGD,
    Adam,
    AdamW,
    CosineAnnealingLR,
    LinearLR,
    Optimizer,
    RMSprop,
    Schedule,
    adam_init,
    adam_update,
    adamw_init,
    adamw_update,
    clip_grad_norm_,
    rmsprop_init,
    rmsprop_update,
    sgd_init,
    sgd_update,
)
from scalargrad.programs.run.c_compiler import COMPILERS


def any_(x: object) -> Any:
    """An argument of the wrong type, given on purpose."""
    return x


# What PyTorch 2.13.0 computes in float64 (torch.optim, torch.optim.lr_scheduler and
# torch.nn.utils.clip_grad_norm_), for one parameter that starts at 1.5 and is given the gradients
# below, one a step. Both do a dozen roundings a step on numbers near 1: 1e-13 holds six steps.
GRADIENTS = [0.5, -1.0, 0.0, 2.0, -0.25, 0.0]
# fmt: off
TRAJECTORIES: list[tuple[type[Optimizer], dict[str, Any], list[float]]] = [
    (SGD, {"lr": 0.1}, [1.45, 1.55, 1.55, 1.35, 1.375, 1.375]),
    (SGD, {"lr": 0.1, "momentum": 0.9},
     [1.45, 1.505, 1.5545, 1.39905, 1.2841449999999999, 1.1807305]),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
     [1.435, 1.419325, 1.398120875, 1.272046558125, 1.164719440146875, 1.062301436765828]),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
     [1.3765, 1.4876965, 1.4818956165, 1.0819080731364998, 0.9422000912682563,
      0.7857982785109687]),
    (Adam, {},
     [1.49900000002, 1.4993661035424055, 1.4996491026255017, 1.4992547390060142,
      1.498982592534324, 1.4987480374803803]),
    (Adam, {"lr": 0.1, "betas": (0.5, 0.75), "eps": 0.1, "weight_decay": 0.1},
     [1.4133333333333333, 1.453940827543201, 1.4639618153492655, 1.3888594676248516,
      1.3498943079270085, 1.3208011013063163]),
    (AdamW, {},
     [1.49898500002, 1.4993361136924055, 1.4996041194143648, 1.4991947597536832,
      1.4989076213343955, 1.4986580772042384]),
    (AdamW, {"lr": 0.1, "betas": (0.5, 0.75), "eps": 0.1, "weight_decay": 0.25},
     [1.3791666666666667, 1.398814436937344, 1.3935815065507726, 1.29001719772924,
      1.2290811637652734, 1.1817134747704239]),
    (RMSprop, {},
     [1.400000019999996, 1.4895323081911336, 1.4895323081911336, 1.4020171088220932,
      1.4129457654275883, 1.4129457654275883]),
    (RMSprop, {"lr": 0.1, "alpha": 0.5, "eps": 0.1, "weight_decay": 0.1},
     [1.383849632272638, 1.4928433473011786, 1.4679439636705163, 1.3385074451438153,
      1.3481453398317018, 1.3329504956545584]),
    (RMSprop, {"lr": 0.1, "momentum": 0.5},
     [0.5000001999999606, 0.8953231819113175, 1.092984672866996, 0.3166634246544323,
      0.037789366603102045, -0.1016476624225631]),
    (RMSprop, {"lr": 0.1, "alpha": 0.5, "momentum": 0.5, "centered": True},
     [1.3000000079999996, 1.3539600814135293, 1.380940118120294, 1.2203086782164887,
      1.1650696029902248, 1.137450065377093]),
]
SCHEDULES: list[tuple[Callable[[Optimizer], Schedule], list[float]]] = [
    (lambda optimizer: CosineAnnealingLR(optimizer, 4),
     [0.5, 0.42677669529663687, 0.25, 0.07322330470336313, 0.0, 0.0732233047033631, 0.25,
      0.4267766952966371, 0.5, 0.4267766952966371]),
    (lambda optimizer: CosineAnnealingLR(optimizer, 5, eta_min=0.1),
     [0.5, 0.46180339887498956, 0.3618033988749896, 0.2381966011250106, 0.13819660112501056,
      0.1, 0.13819660112501053, 0.23819660112501062]),
    (LinearLR,
     [0.16666666666666666, 0.23333333333333334, 0.3, 0.36666666666666675, 0.43333333333333346,
      0.5, 0.5, 0.5]),
    (lambda optimizer: LinearLR(optimizer, 0.5, 0.1, 3),
     [0.25, 0.18333333333333335, 0.11666666666666667, 0.05, 0.05, 0.05]),
]
# fmt: on
OPTIMIZERS: list[Callable[[list[Value]], Optimizer]] = [
    lambda parameters: SGD(parameters, lr=0.1),
    lambda parameters: SGD(parameters, lr=0.05, momentum=0.8, nesterov=True),
    lambda parameters: Adam(parameters, lr=0.1),
    lambda parameters: AdamW(parameters, lr=0.1, weight_decay=0),
    lambda parameters: RMSprop(parameters, lr=0.01, centered=True),
]


@pytest.mark.parametrize(("kind", "settings", "expected"), TRAJECTORIES)
def test_steps_are_pytorchs(
    kind: Callable[..., Optimizer], settings: dict[str, Any], expected: list[float]
) -> None:
    # A second parameter, which moves otherwise, tells whether each has a memory of its own.
    x, other = Value(1.5), Value(-3.0)
    optimizer = kind([x, other], **settings)
    trajectory = []
    for g in GRADIENTS:
        x.grad, other.grad = g, 10.0
        optimizer.step()
        trajectory.append(x.data)
    assert trajectory == pytest.approx(expected, rel=0, abs=1e-13)


# Each optimiser, and its functions of plain numbers.
FUNCTIONS: dict[type[Optimizer], tuple[Callable[..., Any], Callable[..., Any]]] = {
    SGD: (sgd_init, sgd_update),
    Adam: (adam_init, adam_update),
    AdamW: (adamw_init, adamw_update),
    RMSprop: (rmsprop_init, rmsprop_update),
}
TARGETS = ["python", *["c"] * any(map(shutil.which, COMPILERS))]


def bits(x: Any) -> Any:
    return struct.pack("d", x) if type(x) is float else (type(x), x)


@pytest.mark.parametrize(("kind", "settings"), [case[:2] for case in TRAJECTORIES])
@given(
    st.lists(st.tuples(*[st.floats(-10, 10)] * 3), min_size=1, max_size=4),
    st.tuples(*[st.floats(-10, 10)] * 3),
)
def test_updates_have_the_bits_of_steps(
    kind: type[Optimizer],
    settings: dict[str, Any],
    gradients: list[tuple[float, ...]],
    start: tuple[float, ...],
) -> None:
    values = list(map(Value, start))
    optimizer = kind(values, **settings)
    init, update = FUNCTIONS[kind]
    parameters = {"a": start[0], "b": [start[1:]]}
    state = init(parameters)
    for g in gradients:
        for x, slope in zip(values, g, strict=True):
            x.grad = slope
        optimizer.step()
        parameters, state = update(parameters, {"b": [g[1:]], "a": g[0]}, state, **settings)
        moved = [parameters["a"], *parameters["b"][0]]
        assert [bits(x.data) for x in values] == list(map(bits, moved))
        assert state["steps"] == optimizer.steps


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("number", range(len(TRAJECTORIES)))
def test_whole_training_steps_compile(
    number: int, target: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kind, settings, _ = TRAJECTORIES[number]
    init, update = FUNCTIONS[kind]
    traced = {"lr": 0.01, **settings}
    lr = traced.pop("lr")

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        w, b = parameters["w"], parameters["b"]
        return (tanh(w[0] * x[0] + w[1] * x[1] + b) - y) ** 2

    def step(parameters: Any, state: Any, lr: Any, x: Any, y: Any) -> Any:
        value, gradients = value_and_grad(loss)(parameters, x, y)
        return *update(parameters, gradients, state, lr=lr, **traced), value

    rng = random.Random(number)
    compiled = compile(step, target=target)
    parameters = {"w": [0.5, -0.25], "b": 0.125}
    here = there = parameters, init(parameters), 0.0
    for _ in range(5):
        rest = (lr, [rng.gauss(0, 1), rng.gauss(0, 1)], rng.gauss(0, 1))
        here = step(here[0], here[1], *rest)
        there = compiled(there[0], there[1], *rest)
        assert here == there
    assert here[1]["steps"] == 5.0
    if target == "c":
        assert [None in program.machines.values() for program in compiled._programs.values()] == [
            False
        ]


def test_every_setting_may_be_traced() -> None:
    @compile
    def step(state: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, decay: Any) -> Any:
        return adam_update([1.0], [2.0], state, lr, (beta1, beta2), eps, decay)

    settings = (0.1, 0.8, 0.9, 1e-6, 0.25)
    lr, beta1, beta2, eps, decay = settings
    expected = adam_update([1.0], [2.0], adam_init([1.0]), lr, (beta1, beta2), eps, decay)
    assert step(adam_init([1.0]), *settings) == expected
    momentum = compile(
        lambda state, *rest: sgd_update(1.0, 2.0, state, rest[0], rest[1], nesterov=True)
    )
    assert momentum(sgd_init(1.0), 0.1, 0.9)[0] == 1.0 - 0.1 * (2.0 + 0.9 * 2.0)
    rms_update: Any = partial(rmsprop_update, 1.0, 2.0, centered=True)
    rms: Any = compile(lambda state, *rest: rms_update(state, *rest))
    given_ = (0.1, 0.5, 1e-6, 0.25, 0.5)
    assert rms(rmsprop_init(1.0), *given_) == rmsprop_update(
        1.0, 2.0, rmsprop_init(1.0), *given_, centered=True
    )


def test_update_keeps_exact_numbers_exact() -> None:
    xs = [Fraction(1, 3)]
    state: Any = {**sgd_init(xs), "steps": 0}
    settings: dict[str, Any] = {"lr": Fraction(1, 2), "momentum": Fraction(1, 4)}
    for _ in range(2):
        xs, state = sgd_update(xs, [Fraction(1)], state, **settings)
    assert (xs, state) == (
        [Fraction(1, 3) - Fraction(1, 2) - Fraction(5, 8)],
        {"steps": 2, "velocity": [Fraction(5, 4)]},
    )


@pytest.mark.parametrize(
    ("update", "error", "words"),
    [
        (lambda: adam_update([1.0], [1.0, 2.0], adam_init([1.0])), TypeError, "gradients must be"),
        (lambda: adam_update("x", 1.0, {}), TypeError, "parameters must be a number, or lists"),
        (
            lambda: adam_update([1.0], [1.0], sgd_init([1.0])),
            TypeError,
            "state must be a dict of steps, m, v, as the init function of the same optimiser",
        ),
        (lambda: adam_update(1.0, 1.0, any_(None)), TypeError, "state must be .*not None"),
        (
            lambda: adam_update([1.0], [1.0], adam_init([1.0, 2.0])),
            TypeError,
            r"state\['m'\] must be a list of 1",
        ),
        (lambda: adam_update(1.0, 1.0, adam_init(1.0), lr=-1), ValueError, "lr must be at least 0"),
        (
            lambda: adamw_update(1.0, 1.0, adam_init(1.0), betas=(0.9, 1)),
            ValueError,
            r"betas\[1\] must be at least 0 and below 1",
        ),
        (
            lambda: rmsprop_update(1.0, 1.0, rmsprop_init(1.0), alpha=1),
            ValueError,
            "alpha must be at least 0 and below 1",
        ),
        (
            lambda: sgd_update(1.0, 1.0, sgd_init(1.0), nesterov=True),
            ValueError,
            "nesterov needs a momentum",
        ),
        (lambda: sgd_init(any_(None)), TypeError, "parameters must be a number"),
    ],
)
def test_updates_of_what_does_not_fit(
    update: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        update()


def test_gradients_that_are_values_are_not_clipped() -> None:
    x, y = Value(1.0), Value(2.0, label="y")
    x.grad, y.grad = 30.0, Value(40.0)
    with pytest.raises(TypeError, match=r"gradient of .*label='y'.* and clipping takes numbers"):
        clip_grad_norm_([x, y], 1.0)
    assert x.grad == 30.0


def test_a_gradient_that_is_a_value_moves_nothing() -> None:
    x, y = Value(1.0), Value(2.0, label="y")
    optimizer = Adam([x, y])
    x.grad, y.grad = 1.0, Value(1.0)
    with pytest.raises(TypeError, match=r"gradient of .*label='y'.* is a Value, as create_graph"):
        optimizer.step()
    assert (x.data, y.data, optimizer.steps) == (1.0, 2.0, 0)


# Settings, the parameter, and a gradient by which a number becomes too large for a float.
OVERFLOWS: list[tuple[type[Optimizer], dict[str, Any], float, float]] = [
    (SGD, {"lr": 10.0}, -1.7e308, 1.7e308),
    (SGD, {"lr": 1e-3, "momentum": 0.9, "dampening": 0.0, "weight_decay": 1e200}, 1e200, 1.0),
    (SGD, {"lr": 1.0, "momentum": 0.9, "nesterov": True}, 0.0, 1.5e308),
    (Adam, {}, 1.0, 1e160),
    (Adam, {"weight_decay": 1e200}, 1.0, 1.0),
    (AdamW, {}, 1.0, -1e160),
    (AdamW, {"weight_decay": 1e200, "lr": 1e110}, 1.0, 1.0),
    (RMSprop, {}, 1.0, 1e160),
    (RMSprop, {"centered": True, "alpha": 0.0}, 1.0, 1e200),
    (RMSprop, {"momentum": 1e200, "lr": 1e200}, 1.0, -1.0),
]


@pytest.mark.parametrize(("kind", "settings", "start", "g"), OVERFLOWS)
def test_an_overflow_moves_nothing(
    kind: type[Optimizer], settings: dict[str, Any], start: float, g: float
) -> None:
    words = "in a step by gradients of up to .*; nothing has changed: clip the gradients, or take"
    x, other = Value(start), Value(2.0)
    optimizer = kind([other, x], **settings)
    init, update = FUNCTIONS[kind]
    parameters, state = [2.0, start], init([2.0, start])
    for _ in range(3):  # some make it only by what they remember
        other.grad, x.grad = 0.5, g
        before = (x.data, other.data, optimizer.steps, optimizer._states)
        given = json.dumps([parameters, state])
        try:
            optimizer.step()
        except OverflowError:
            break
        parameters, state = update(parameters, [0.5, g], state, **settings)
    with pytest.raises(OverflowError, match=words):
        optimizer.step()
    assert (x.data, other.data, optimizer.steps, optimizer._states) == before
    with pytest.raises(OverflowError, match=words):
        update(parameters, [0.5, g], state, **settings)
    assert json.dumps([parameters, state]) == given


@pytest.mark.parametrize("g", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_goes_on_as_in_python(g: float) -> None:
    x, other = Value(1.0), Value(1.0)
    optimizer = Adam([x, other])
    x.grad, other.grad = g, 1.0
    optimizer.step()
    assert math.isnan(x.data)
    assert math.isfinite(other.data)


def test_one_large_gradient_is_seen_in_a_program() -> None:
    step = compile(lambda p, g, state: adam_update(p, g, state))
    with pytest.raises(OverflowError):
        step([1.0], [1e160], adam_init([1.0]))


def test_a_norm_that_is_too_large_is_not_clipped() -> None:
    x, y = Value(1.0), Value(1.0)
    x.grad = y.grad = 1.5e308
    with pytest.raises(
        OverflowError, match=r"norm .* too large for a float.*1\.5e\+308: scale the"
    ):
        clip_grad_norm_([x, y], 1.0)
    assert (x.grad, y.grad) == (1.5e308, 1.5e308)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        *[(kind, {"eps": 0.5}) for kind in (Adam, AdamW, RMSprop)],
        (RMSprop, {"eps": 0.5, "centered": True}),
        (RMSprop, {"eps": 0.5, "momentum": 0.5}),
        (SGD, {}),
    ],
)
@pytest.mark.parametrize("program", [False, True])
def test_derivatives_through_an_update_by_a_gradient_of_0(
    kind: type[Optimizer], settings: dict[str, Any], program: bool
) -> None:
    init, update = FUNCTIONS[kind]
    decay = {"weight_decay": 0.0} if kind is AdamW else {}

    # The gradient 4 (p - 2) is 0 at 2. The first step is -lr g / (c |g| + eps), for some c.
    def stepped(p: Any) -> Any:
        return update([p], [4 * (p - 2)], init([2.0]), lr=0.1, **settings, **decay)[0][0]

    slope = compile(grad(stepped)) if program else grad(stepped)
    assert slope(2.0) == pytest.approx(1 - 0.1 * 4 / settings.get("eps", 1.0), rel=1e-14, abs=0)


def test_derivatives_through_several_updates() -> None:
    def trained(p: Any, steps: int) -> Any:
        parameters, state = [p, 1.0], adam_init([2.0, 1.0])
        for _ in range(steps):
            gradients = [2 * parameters[0], 0.0]
            parameters, state = adam_update(parameters, gradients, state, 0.1, eps=0.25)
        return parameters[0]

    assert trained(0.0, 3) == 0
    # There sqrt(v) is |g| times a constant, which adds nothing at 0: each step is linear.
    m, p = Fraction(0), Fraction(1)
    for t in range(1, 4):
        m = Fraction(9, 10) * m + Fraction(1, 10) * 2 * p
        p -= Fraction(1, 10) * m / (1 - Fraction(9, 10) ** t) / Fraction(1, 4)
    assert grad(lambda p: trained(p, 3))(0.0) == pytest.approx(float(p), rel=1e-13, abs=0)


@pytest.mark.parametrize(("schedule", "expected"), SCHEDULES)
def test_schedules_are_pytorchs(
    schedule: Callable[[Optimizer], Schedule], expected: list[float]
) -> None:
    optimizer = SGD([Value(0.0)], lr=0.5)
    scheduler = schedule(optimizer)
    rates = [optimizer.lr]
    for _ in expected[1:]:
        scheduler.step()
        rates.append(optimizer.lr)
    assert rates == pytest.approx(expected, rel=0, abs=1e-15)


def test_clipping_is_pytorchs() -> None:
    parameters = [Value(0.0) for _ in range(3)]
    for parameter, g in zip(parameters, (3.0, -4.0, 12.0), strict=True):
        parameter.grad = g
    assert clip_grad_norm_(parameters, 2.0) == 13.0
    expected = [0.46153842603550577, -0.615384568047341, 1.846153704142023]
    assert [p.grad for p in parameters] == pytest.approx(expected, rel=1e-15, abs=0)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_parabola_is_descended(make: Callable[[list[Value]], Optimizer]) -> None:
    x, y = Value(4.0), Value(-2.0)
    optimizer = make([x, y])
    for _ in range(500):
        optimizer.zero_grad()
        ((x - 1) ** 2 + (y + 1) ** 2 / 2).backward()
        optimizer.step()
    # RMSprop goes on by steps of about lr for ever; the others come much nearer.
    assert (x.data, y.data) == pytest.approx((1.0, -1.0), abs=0.05)


@given(
    st.lists(st.fractions(max_denominator=100), min_size=1, max_size=4),
    st.fractions(min_value=0, max_value=2, max_denominator=10),
    st.fractions(min_value=0, max_value=2, max_denominator=10),
)
def test_sgd_is_exact_on_fractions(
    numbers: list[Fraction], lr: Fraction, weight_decay: Fraction
) -> None:
    parameters = [Value(x) for x in numbers]
    optimizer = SGD(parameters, lr=lr, weight_decay=weight_decay)
    for p in parameters:
        (p * p).backward()
    optimizer.step()
    assert [p.data for p in parameters] == [x - lr * (2 + weight_decay) * x for x in numbers]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_centered_rmsprop_survives_rounding(gradients: list[float]) -> None:
    x = Value(1.0)
    optimizer = RMSprop([x], alpha=0.1, centered=True)
    for g in gradients:
        for _ in range(20):
            x.grad = g
            optimizer.step()
    assert math.isfinite(x.data)


def test_a_parameter_without_gradient_stays_where_it_is_unless_decayed() -> None:
    for make in OPTIMIZERS:
        x = Value(2.0)
        make([x]).step()
        assert x.data == 2.0
    SGD([x], lr=0.5, weight_decay=0.5).step()
    assert x.data == 1.5


def test_zero_grad_and_lr() -> None:
    x = Value(1.0)
    optimizer = SGD([x], lr=1.0)
    x.grad = 1.0
    optimizer.lr = 0.25
    optimizer.step()
    assert x.data == 0.75
    optimizer.zero_grad()
    assert x.grad == 0


def test_parameters_may_come_from_a_generator() -> None:
    model = MLP(2, [2, 1])
    optimizer = Adam(p for p in model.parameters())
    assert [id(p) for p in optimizer.parameters] == [id(p) for p in model.parameters()]
    assert clip_grad_norm_(iter(model.parameters()), 1.0) == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), st.floats(0, 1e6))
def test_clipped_norm_is_at_most_max_norm(gradients: list[float], max_norm: float) -> None:
    parameters = [Value(0.0) for _ in gradients]
    for parameter, g in zip(parameters, gradients, strict=True):
        parameter.grad = g
    before = clip_grad_norm_(parameters, max_norm)
    assert before == math.hypot(*gradients)
    clipped = [p.grad for p in parameters]
    # A few roundings, each by half a unit in the last place; 1e-300 is for subnormal numbers.
    assert math.hypot(*clipped) <= max_norm * (1 + 1e-15) + 1e-300
    if before + 1e-6 <= max_norm:
        assert clipped == gradients


@pytest.mark.parametrize("make", [*OPTIMIZERS, lambda parameters: clip_grad_norm_(parameters, 1)])
def test_parameters_that_are_wrong(make: Callable[[Any], Any]) -> None:
    x = Value(1.0)
    with pytest.raises(ValueError, match=r"no parameters: .* such as model\.parameters\(\)"):
        make([])
    with pytest.raises(TypeError, match=r"parameter 1 is 2\.0 \(float\)"):
        make([x, 2.0])
    with pytest.raises(TypeError, match=r"list of Values, got Value.*\(Value\)"):
        make(x)
    with pytest.raises(TypeError, match=r"list of Values, got .*\(method\): .*parameters\(\)"):
        make(MLP(1, [1]).parameters)
    with pytest.raises(ValueError, match=r"parameter 1 is the result of an op \(\*\)"):
        make([x, x * 2])
    with pytest.raises(ValueError, match=r"parameter 1, Value.*was given before"):
        make([x, x])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p: SGD(p, lr=-0.1), ValueError, r"^lr must be at least 0 and finite, got -0\.1$"),
        (lambda p: SGD(p, lr=math.nan), ValueError, r"^lr must be at least 0 .*got nan$"),
        (lambda p: SGD(p, lr=math.inf), ValueError, r"^lr must be .*finite, got inf$"),
        (lambda p: Adam(p, lr="1"), TypeError, r"^lr must be a real number, got '1' \(str\)$"),
        (lambda p: Adam(p, lr=Value(1.0)), TypeError, r"^lr must be a real number.*\(Value\)$"),
        (lambda p: SGD(p, momentum=-1), ValueError, r"^momentum must be at least 0"),
        (lambda p: SGD(p, dampening=-1), ValueError, r"^dampening must be at least 0"),
        (lambda p: AdamW(p, weight_decay=-1), ValueError, r"^weight_decay must be at least 0"),
        (lambda p: SGD(p, nesterov=True), ValueError, r"^nesterov needs .*momentum=0 "),
        (
            lambda p: SGD(p, momentum=0.9, dampening=0.1, nesterov=True),
            ValueError,
            r"no dampening, got momentum=0\.9 and dampening=0\.1$",
        ),
        (
            lambda p: Adam(p, betas=(0.9, 1.0)),
            ValueError,
            r"^betas\[1\] must be at least 0 and below 1, got 1\.0$",
        ),
        (lambda p: AdamW(p, betas=(-0.1, 0.9)), ValueError, r"^betas\[0\] must be at least 0"),
        (lambda p: Adam(p, betas=any_(0.9)), TypeError, r"^betas must be a pair.*got 0\.9$"),
        (lambda p: Adam(p, eps=-1e-8), ValueError, r"^eps must be at least 0"),
        (lambda p: RMSprop(p, alpha=1.0), ValueError, r"^alpha must be .*below 1, got 1\.0$"),
        (lambda p: RMSprop(p, eps=-1.0), ValueError, r"^eps must be at least 0"),
        (lambda p: RMSprop(p, momentum=-1.0), ValueError, r"^momentum must be at least 0"),
        (lambda p: CosineAnnealingLR(SGD(p), 0), ValueError, r"^T_max must be at least 1, got 0$"),
        (
            lambda p: CosineAnnealingLR(SGD(p), any_(2.5)),
            TypeError,
            r"^T_max must be a whole number",
        ),
        (lambda p: CosineAnnealingLR(SGD(p), 5, -1), ValueError, r"^eta_min must be at least 0"),
        (lambda p: LinearLR(SGD(p), -1), ValueError, r"^start_factor must be at least 0"),
        (lambda p: LinearLR(SGD(p), 1, -1), ValueError, r"^end_factor must be at least 0"),
        (lambda p: LinearLR(SGD(p), total_iters=0), ValueError, r"^total_iters must be at least 1"),
        (
            lambda p: LinearLR(any_(0.1)),
            TypeError,
            r"takes the optimizer whose lr.*got 0\.1 \(float\)",
        ),
        (lambda p: clip_grad_norm_(p, -1), ValueError, r"^max_norm must be at least 0"),
    ],
)
def test_settings_that_are_wrong(
    make: Callable[[list[Value]], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make([Value(1.0)])


@pytest.mark.parametrize("g", [math.inf, math.nan])
def test_gradients_that_are_not_finite_are_not_clipped(g: float) -> None:
    x, y = Value(1.0), Value(1.0)
    x.grad, y.grad = g, 1.0
    with pytest.raises(ValueError, match=f"norm of the gradients is {g}"):
        clip_grad_norm_([x, y], 1.0)
    assert y.grad == 1.0
