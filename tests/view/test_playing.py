"""The playground: its numbers are Python's, and it says what it cannot follow."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scalargrad import Function, Value, exp, losses, nn, optim, playground, relu, tanh
from scalargrad.commands.playing import page_of
from scalargrad.view import playing
from scalargrad.view.datasets import DATASETS
from scalargrad.view.languages.javascript import runtime_for
from scalargrad.view.languages.spelling import OPS
from scalargrad.view.neurons import units_of
from scalargrad.view.playing import MOST_PARAMETERS
from tests.view.browser import Browser, chromium
from tests.view.conftest import Show

needs_chromium = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
CURVE = [([x / 5], math.sin(x / 5)) for x in range(-10, 11)]
POINTS = DATASETS["moons"](24, random.Random(3))


data_page = cache(page_of)


def squared(output: Any, target: Any) -> Any:
    return (output - target) ** 2


def hinge(output: Any, target: Any) -> Any:
    return losses.hinge([output], [target])


def small(rng: random.Random) -> nn.MLP:
    return nn.MLP(2, [3, 1], activation=tanh, rng=rng)


class Own:
    """A model of nobody's layers: w0 * exp(-w1 * x) + w2."""

    def __init__(self, rng: random.Random) -> None:
        self.w = [Value(rng.uniform(0.1, 1)) for _ in range(3)]

    def parameters(self) -> list[Value]:
        return self.w

    def __call__(self, x: Any) -> Any:
        return self.w[0] * exp(-self.w[1] * x[0]) + self.w[2]


class Chooses(Own):
    def __call__(self, x: Any) -> Any:
        if self.w[0] * x[0] > 0:  # the line that the page names
            return self.w[1] * x[0]
        return self.w[2] * x[0]


class Draws(Own):
    def __call__(self, x: Any) -> Any:
        return self.w[0] * x[0] * random.random()


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: float) -> float:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 3 * ctx.saved_values[0] ** 2


class Calls(Own):
    def __call__(self, x: Any) -> Any:
        return Cube.apply(self.w[0] * x[0])


def script_of(page: Any) -> dict[str, Any]:
    text = re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)
    assert text
    data: dict[str, Any] = json.loads(text[1])
    return data


class TestNeurons:
    def test_of_layers_are_found_with_their_weights(self) -> None:
        data = script_of(playground(small, hinge, POINTS))
        columns = [unit["column"] for unit in data["units"]]
        assert columns == [0, 0, 1, 1, 1, 2]
        names = [name for name, _ in small(random.Random(0)).named_parameters()]
        weights = [names[weight] for weight, _ in data["units"][2]["terms"]]
        assert weights == ["layers.0.neurons.0.w.0", "layers.0.neurons.0.w.1"]
        assert names[data["units"][2]["bias"]] == "layers.0.neurons.0.b"
        assert data["units"][2]["function"] == "tanh"
        assert data["units"][5]["out"] == 0

    def test_of_sums_that_a_user_wrote_are_found(self) -> None:
        class Written(Own):
            def __call__(self, x: Any) -> Any:
                a, b, c = self.w
                return c * relu(a * x[0] + b)

        data = script_of(playground(Written, squared, CURVE))
        assert [(u["column"], u["function"]) for u in data["units"]] == [
            (0, ""),
            (1, "relu"),
            (2, ""),
        ]

    def test_a_model_without_sums_is_shown_step_by_step(self) -> None:
        data = script_of(playground(Own, squared, CURVE))
        assert [(unit["column"], unit["function"]) for unit in data["units"]] == [
            *((0, ""), (1, "*"), (2, "exp"), (3, "*"), (4, "+"))
        ]

    def test_a_model_of_many_steps_has_its_inputs_alone(self) -> None:
        class Long(Own):
            def __call__(self, x: Any) -> Any:
                y = x[0]
                for _ in range(50):
                    y = exp(-y) * self.w[0]
                return y

        data = script_of(playground(Long, squared, CURVE))
        assert [unit["column"] for unit in data["units"]] == [0]

    def test_each_weight_is_counted_once(self) -> None:
        from scalargrad.view.lowering import traced

        model = nn.MLP(2, [5, 4, 1], activation=tanh, rng=random.Random(0))
        code, _, _ = traced(["x", "y"], [0.5, 0.2], model)
        units = units_of(code, range(2), range(2, code.inputs))
        used = [weight for unit in units for weight, _ in unit.terms if weight is not None]
        used += [unit.bias for unit in units if unit.bias is not None]
        assert sorted(used) == list(range(2, code.inputs))


class TestArguments:
    def test_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(ValueError, match="a playground needs examples to train on"):
            playground(small, hinge, [])
        with pytest.raises(TypeError, match="train must be pairs of inputs and a target"):
            playground(small, hinge, [1.0])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="all examples must have as many inputs"):
            playground(small, hinge, [([1.0, 2.0], 1), ([1.0], 1)])
        with pytest.raises(TypeError, match="make must return a model that can be called"):
            playground(lambda rng: 3, hinge, POINTS)
        with pytest.raises(TypeError, match=r"optimizer must give one of scalargrad.optim's: SGD"):
            playground(small, hinge, POINTS, optimizer=lambda p: None)  # type: ignore

    def test_a_model_that_is_too_large_is_sent_to_the_film(self) -> None:
        with pytest.raises(ValueError, match=f"at most {MOST_PARAMETERS} parameters, .*Film"):
            playground(lambda rng: nn.MLP(2, [60, 60, 1], rng=rng), hinge, POINTS)


class TestReasons:
    def test_a_branch_names_its_line(self) -> None:
        page = playground(Chooses, squared, CURVE)
        lines = Path(__file__).read_text(encoding="utf-8").splitlines()
        [line] = [k for k, text in enumerate(lines, 1) if "the line that the page names" in text][
            :1
        ]
        assert page.reason == (
            f"This model chooses with if (test_playing.py:{line}), which a page cannot follow."
        )

    def test_random_draws_and_functions_of_pythons_are_told(self) -> None:
        assert "draws random numbers" in playground(Draws, squared, CURVE).reason
        assert "calls Cube, a function of Python's" in playground(Calls, squared, CURVE).reason

    def test_what_can_be_followed_has_none(self) -> None:
        assert playground(Own, squared, CURVE).reason == ""

    def test_the_page_has_the_losses_of_pythons_own_training(self) -> None:
        page = playground(Chooses, squared, CURVE, optimizer=lambda p: optim.SGD(p, lr=0.05))
        model = Chooses(random.Random(0))
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        for loss in script_of(page)["losses"][0][:20]:
            optimizer.zero_grad()
            total = sum(squared(model(x), t) for x, t in CURVE) / len(CURVE)
            total.backward()
            assert math.isclose(loss, total.data, rel_tol=1e-9)
            optimizer.step()


def test_sizes_keep_to_the_budget() -> None:
    assert len(data_page("moons").html.encode()) <= 120_000
    big = playground(
        lambda rng: nn.MLP(2, [16, 16, 1], activation=tanh, rng=rng),
        hinge,
        DATASETS["moons"](160, random.Random(7)),
        optimizer=lambda p: optim.SGD(p, lr=0.2, momentum=0.9),
    )
    assert len(big.html.encode()) <= 125_000


def test_no_name_of_the_player_is_one_of_the_runtime() -> None:
    player = Path(playing.__file__).with_suffix(".js").read_text(encoding="utf-8")
    names = set(re.findall(r"(?m)^(?:async )?(?:function|const|let) (\w+)", player))
    assert {"trainStep", "draw"} <= names
    names |= {"forward", "backward", "update", "penalty"}
    runtime = runtime_for(" ".join(op.name for op in OPS.values()) + " ".join(names))
    assert not names & set(re.findall(r"(?m)^(?:function|class|const) (\w+)", runtime))


def test_hostile_text_is_data() -> None:
    page = playground(small, hinge, POINTS, title="</script><b onload=x>&")
    assert "&lt;/script&gt;&lt;b onload=x&gt;&amp;" in page.html
    assert "<b onload" not in page.html


def opened(show: Show, page: Any) -> Browser:
    browser = show(page)
    assert browser.problems == []
    return browser


def train(browser: Browser, steps: int) -> list[float]:
    losses_ = browser.run(
        f"Array.from({{length: {steps}}}, () => {{ const l = trainStep(); note(); return l; }})"
    )
    assert isinstance(losses_, list)
    return losses_


OPTIMIZERS: dict[str, Callable[[list[Value]], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda p: optim.Adam(p, lr=0.02),
    "AdamW": lambda p: optim.AdamW(p, lr=0.02),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


@needs_chromium
class TestInTheBrowser:
    @pytest.mark.parametrize("name", DATASETS)
    def test_the_first_losses_are_pythons(self, name: str, show: Show) -> None:
        page = data_page(name)
        assert page.reason == ""
        browser = opened(show, page)
        shown = browser.text("#same")
        assert shown == "✓ the first 10 steps are Python's"
        for start, losses_ in enumerate(script_of(page)["losses"]):
            browser.run(f"start = {start}, begin()")
            assert train(browser, 10) == pytest.approx(losses_, rel=1e-9, abs=1e-9)

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_a_hundred_steps_are_pythons(self, name: str, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS, (), OPTIMIZERS[name]))
        model = small(random.Random(0))
        optimizer = OPTIMIZERS[name](model.parameters())
        expected = []
        for _ in range(100):
            optimizer.zero_grad()
            total = losses.hinge([model(x) for x, _ in POINTS], [t for _, t in POINTS])
            total.backward()
            expected.append(total.data)
            optimizer.step()
        # Sums are in another order here; a kink may be met on the other side when near.
        assert train(browser, 100)[:30] == pytest.approx(expected[:30], rel=1e-6)

    def test_a_penalty_counts(self, show: Show) -> None:
        def penalty(parameters: Any) -> Any:
            return 0.01 * sum(p * p for p in parameters)

        page = playground(Own, squared, CURVE, penalty=penalty)
        browser = opened(show, page)
        model = Own(random.Random(0))
        expected = sum(squared(model(x), t) for x, t in CURVE) / len(CURVE) + penalty(model.w)
        assert train(browser, 1) == [pytest.approx(expected.data, rel=1e-12)]

    def test_a_neurons_gradients_are_backwards(self, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS))
        browser.run("select(3), 1")
        ringed = browser.run("ringed")
        model = small(random.Random(0))
        x, t = POINTS[ringed]
        hinge(model(x), t).backward()
        neuron = model.layers[0].neurons[1]
        shown = browser.run(
            "[...document.querySelectorAll('#inspector tbody tr')].map(r => r.cells[3].textContent)"
        )
        slopes = [float(text.replace("\u2212", "-")) for text in shown[:3]]
        expected = [weight.grad for weight in [*neuron.w, neuron.b]]
        assert slopes == pytest.approx(expected, rel=2e-3, abs=1e-9)

    def test_the_same_start_gives_the_same_losses(self, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS))
        first = train(browser, 20)
        browser.run("reset(), 1")
        assert train(browser, 20) == first
        assert "✓" in browser.text("#same")

    def test_points_are_added_dragged_and_removed(self, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS))
        box = browser.box("#plane")
        spot = (box[0] + 12, box[1] + box[3] - 12)
        browser.drag(spot, spot)
        assert browser.run("train.length") == len(POINTS) + 1
        assert browser.text("#same") == "changed here"
        browser.drag(spot, (spot[0] + 60, spot[1] - 40))
        x, _ = browser.run("train[train.length - 1].x")
        assert browser.run("train.length") == len(POINTS) + 1
        left, right = browser.run("sides[0]")
        assert x == pytest.approx(left + 72 / box[2] * (right - left), abs=0.05)
        browser.run("remove(train.length - 1), 1")
        assert browser.run("train.length") == len(POINTS)

    def test_the_keyboard_is_enough(self, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS))
        press = (
            "((query, key) => document.querySelector(query)"
            ".dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))"
        )
        browser.run("document.querySelector('#plane').focus(), 1")
        browser.run(f"{press}('#plane', 'ArrowLeft'), {press}('#plane', 'Enter'), 1")
        assert browser.run("train.length") == len(POINTS) + 1
        browser.run(f"{press}('#plane', 'Delete'), 1")
        assert browser.run("train.length") == len(POINTS)
        browser.run(f"{press}('body', ' '), 1")
        assert browser.run("playing") is True
        browser.run(f"{press}('body', ' '), {press}('body', 'r'), 1")
        assert browser.run("[playing, step]") == [False, 0]
        browser.run("document.querySelector('#units button').click(), 1")
        assert browser.run("selected") == 0
        browser.run(f"{press}('body', 'Escape'), 1")
        assert browser.run("selected") is None

    def test_it_trains_and_pauses(self, show: Show) -> None:
        browser = opened(show, data_page("xor"))
        before = browser.run("history[0].train")
        browser.run("ui.speed.value = 4, toggle(), 1")
        browser.until("step >= 50")
        browser.run("toggle(), 1")
        assert browser.run("step") >= 50
        assert browser.run("history[history.length - 1].train") < before
        assert browser.problems == []

    def test_a_slow_step_ends_with_the_loss_before_and_after(self, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS))
        browser.run("slowly(), 1")
        browser.until("step >= 1")
        assert re.search(
            r"The loss goes from [\d.]+ to [\d.]+\.",
            browser.text("#say"),
        )

    def test_losses_that_are_not_finite_are_compared_too(self, show: Show) -> None:
        page = playground(
            lambda rng: nn.MLP(1, [1], rng=rng),
            lambda output, target: (output - target) * (output - target),
            CURVE,
            optimizer=lambda p: optim.SGD(p, lr=1e30),
        )
        assert not all(map(math.isfinite, page._run(0)[0]))
        browser = show(page)
        assert browser.problems == []
        assert browser.text("#same")

    def test_a_models_steps_have_pictures(self, show: Show) -> None:
        browser = opened(show, playground(Own, squared, CURVE))
        assert browser.text("#networkTitle") == "Steps of the model"
        assert browser.count("#units button") == 5
        browser.run("select(2), 1")
        model = Own(random.Random(0))
        x, t = CURVE[browser.run("ringed")]
        e = exp(-model.w[1] * x[0])
        squared(model.w[0] * e + model.w[2], t).backward()
        shown = browser.text("#inspector tr:last-child .g").replace("\u2212", "-")
        assert float(shown.rstrip(" ↑")) == pytest.approx(e.grad, rel=5e-3)
        assert browser.problems == []

    def test_the_tab_key_reaches_everything(self, show: Show) -> None:
        browser = opened(show, playground(small, hinge, POINTS))
        name = "document.activeElement.id || document.activeElement.ariaLabel"
        reached = set()
        for _ in range(20):
            browser.press("Tab")
            reached.add(browser.run(name))
        wanted = {"play", "one", "reset", "speed", "rate", "start", "input x", "plane", "loss"}
        assert wanted <= reached

    def test_a_loss_without_bounds_is_told(self, show: Show) -> None:
        page = playground(
            lambda rng: nn.MLP(1, [1], rng=rng), squared, CURVE, (), lambda p: optim.SGD(p, lr=90.0)
        )
        browser = opened(show, page)
        browser.run("ui.speed.value = 4, toggle(), 1")
        browser.until("!playing")
        said = browser.text("#say")
        assert "lower the learning rate, press ↺" in said

    @pytest.mark.parametrize("width", [320, 390, 900, 1920])
    def test_it_does_not_scroll_sideways(self, width: int, show: Show) -> None:
        browser = show(data_page("moons"), width, 844)
        assert browser.run("document.documentElement.scrollWidth") <= width

    def test_what_cannot_be_followed_is_replayed(self, show: Show) -> None:
        browser = opened(show, playground(Chooses, squared, CURVE))
        reason = browser.text("#reason")
        assert "chooses with if (test_playing.py:" in reason
        assert browser.text("#play") == "▶ Replay"
        browser.run("ui.speed.value = 4, toggle(), 1")
        browser.until("step >= 5")
        assert browser.run("step") >= 5
        assert browser.problems == []
