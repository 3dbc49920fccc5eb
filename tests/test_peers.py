"""PyTorch's documentation examples of optimisers and schedules run, or their error helps.

The examples are those of the pages of `torch.optim` and `torch.optim.lr_scheduler`, with the
import changed and loops made short. What SciPy's do is in `tests/fitting/test_as_in_scipy.py`.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

import scalargrad
from scalargrad import Value, losses, nn, optim
from scalargrad.peers import _INSTEAD

SCHEDULES = [
    "optim.ExponentialLR(optimizer, gamma=0.9)",
    "optim.StepLR(optimizer, step_size=30, gamma=0.1)",
    "optim.ConstantLR(optimizer, factor=0.5, total_iters=4)",
    "optim.LinearLR(optimizer, start_factor=0.05, total_iters=4)",
    "optim.CosineAnnealingLR(optimizer, T_max=10)",
    "optim.CosineAnnealingWarmRestarts(optimizer, T_0=20)",
    "optim.SequentialLR(optimizer, schedulers=["
    "optim.ConstantLR(optimizer, factor=0.1, total_iters=20), "
    "optim.ExponentialLR(optimizer, gamma=0.9)], milestones=[20])",
]
OPTIMIZERS = [
    "optim.SGD(model.parameters(), lr=0.01, momentum=0.9)",
    "optim.Adam([var1, var2], lr=0.0001)",
    "optim.SGD([{'params': model.base.parameters(), 'lr': 1e-2}, "
    "{'params': model.classifier.parameters()}], lr=1e-3, momentum=0.9)",
    "optim.AdamW(model.parameters(), lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)",
    "optim.SGD(model.named_parameters(), lr=0.01, momentum=0.9)",
    "optim.Adam([('layer0', var1), ('layer1', var2)], lr=0.0001)",
    "optim.RMSprop(model.parameters(), lr=0.01, alpha=0.99, eps=1e-08, momentum=0, centered=False)",
]


class Net(nn.Module):
    def __init__(self) -> None:
        self.base = nn.Linear(2, 2)
        self.classifier = nn.Linear(2, 1)

    def __call__(self, x: Any) -> Any:
        return self.classifier(self.base(x))


def names() -> dict[str, Any]:
    return {"optim": optim, "model": Net(), "var1": Value(1.0), "var2": Value(2.0)}


@pytest.mark.parametrize("code", OPTIMIZERS)
def test_examples_of_optimizers(code: str) -> None:
    given = names()
    optimizer = eval(code, given)
    before = [parameter.data for parameter in optimizer.parameters]
    for x, target in (([1.0, 2.0], 1.0), ([0.5, -1.0], 0.0)):
        optimizer.zero_grad(set_to_none=True)
        output = given["model"](x) + given["var1"] * given["var2"]
        loss = losses.mse([output], [target])
        loss.backward()
        optimizer.step()
    assert all(p.data != x for p, x in zip(optimizer.parameters, before, strict=True))


@pytest.mark.parametrize("code", SCHEDULES)
def test_examples_of_schedules(code: str) -> None:
    optimizer = optim.SGD([Value(1.0)], lr=0.05, momentum=0.9)
    scheduler = eval(code, {"optim": optim, "optimizer": optimizer})
    rates = []
    for _ in range(40):
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    assert len(set(rates)) > 1
    scheduler.load_state_dict(scheduler.state_dict())


def test_a_closure_is_called_and_its_loss_returned() -> None:
    x = Value(5.0)
    optimizer = optim.SGD([x], lr=0.5)

    def closure() -> Value:
        optimizer.zero_grad()
        loss = (x - 3) ** 2
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    assert (loss.data, x.data) == (4.0, 3.0)  # 5 - 0.5 * 2 * (5 - 3)
    assert optimizer.step() is None


@pytest.mark.parametrize(
    "setting", ["amsgrad=True", "foreach=None", "capturable=False, differentiable=False"]
)
def test_a_setting_that_is_not_there_is_named(setting: str) -> None:
    left_out = ", ".join(re.findall(r"(\w+)=", setting))
    with pytest.raises(TypeError, match=f"Adam takes lr, .*, each once, .*: leave out {left_out}$"):
        eval(f"optim.Adam([Value(1.0)], lr=0.1, {setting})", {"optim": optim, "Value": Value})


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, known in _INSTEAD.items() for name in known]
)
def test_a_name_of_theirs_says_what_to_write(module: str, name: str) -> None:
    there = importlib.import_module(module)
    with pytest.raises(AttributeError, match=f"^module '{module}' has no attribute '{name}': ."):
        getattr(there, name)


@pytest.mark.parametrize("module", [scalargrad, nn, optim, losses])
def test_a_name_of_nobodys_is_just_not_there(module: Any) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'nothing'$"):
        _ = module.nothing
    assert not hasattr(module, "nothing")


def test_what_it_says_to_write_is_there() -> None:
    """Names of functions and classes in the advice exist where it says."""
    places = [scalargrad, nn, optim, losses]
    for known in _INSTEAD.values():
        for name, advice in known.items():
            text = advice.replace("{}", name)
            for dotted in re.findall(r"scalargrad\.([\w.]+)", text):
                there: Any = scalargrad
                for part in dotted.rstrip(".").split("."):
                    there = getattr(there, part)
            for called in re.findall(r"(?<![\w.])(\w+)\(", text):
                assert any(hasattr(place, called) for place in places), (name, called)
