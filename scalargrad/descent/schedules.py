"""Schedules of learning rates, with PyTorch's names and formulas."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from scalargrad.descent.optimizers import Optimizer, checked_count, checked_number, plain


class Schedule:
    """The base class of learning-rate schedules: sets `optimizer.lr`, at once and on each `step`.

    A subclass defines `_share`. The base rate of each parameter group is the rate that it has when
    its first schedule is made; a later schedule starts from that base, too. If other code changes
    the rate, the schedule goes on from the new rate. Raises TypeError for what is not an optimiser.
    """

    # The rate is eta_min plus a share of the way from there to the base rate.
    eta_min: Any = 0

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"a schedule takes the optimizer whose lr it sets, "
                f"got {optimizer!r} ({type(optimizer).__name__})"
            )
        self.optimizer = optimizer
        self.last_epoch: Any = -1
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._last_lr = list(self.base_lrs)
        self.step(0)

    def step(self, epoch: Any = None) -> None:
        """Set the optimiser's lr for the next step: call it after `optimizer.step()`.

        `epoch`, if given, sets the number of steps so far: it may have a fraction.
        """
        before, self.last_epoch = self.last_epoch, self.last_epoch + 1 if epoch is None else epoch
        share = self._share(self.last_epoch)
        groups = self.optimizer.param_groups
        for i, (group, base) in enumerate(zip(groups, self.base_lrs, strict=True)):
            part = share
            if epoch is None and group["lr"] != self._last_lr[i] and (old := self._share(before)):
                base, part = group["lr"], share / old
            group["lr"] = self.eta_min + (base - self.eta_min) * part
        self._last_lr = [group["lr"] for group in groups]

    def get_last_lr(self) -> list[Any]:
        """Return the rates that it set last, one for each parameter group."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Return its state, without the optimiser's: plain data, ready for `json.dump`."""
        return {name: plain(x) for name, x in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set its state from what `state_dict` returned. The optimiser's state has the rate itself.

        Raises ValueError if the names differ. Nothing has changed then.
        """
        if not isinstance(state_dict, Mapping) or state_dict.keys() != self.state_dict().keys():
            raise ValueError(
                f"the state of a {type(self).__name__} is a dict of "
                f"{', '.join(self.state_dict())}, got {state_dict!r}"
            )
        vars(self).update(state_dict)

    def _share(self, epoch: Any) -> Any:
        """Return the share of the way from `eta_min` to the base rate, after so many steps."""
        raise NotImplementedError


class CosineAnnealingLR(Schedule):
    """Half a cosine from the optimiser's lr down to `eta_min` in `T_max` steps, and up again.

    After t steps lr = eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2, as in
    `torch.optim.lr_scheduler.CosineAnnealingLR`. Raises TypeError or ValueError unless `T_max` is
    a whole number above 0 and `eta_min` a real number, at least 0.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule.step()
    >>> print(f"{optimizer.lr:.4f}")
    0.5000
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: Any = 0) -> None:
        self.T_max = checked_count("T_max", T_max)
        self.eta_min = checked_number("eta_min", eta_min)
        super().__init__(optimizer)

    def _share(self, epoch: Any) -> Any:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine from the optimiser's lr down to `eta_min`, again and again.

    The first takes `T_0` steps, and each later one `T_mult` times as many as the one before, as in
    `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`. (Loshchilov and Hutter, "SGDR:
    stochastic gradient descent with warm restarts", 2017.) Raises what CosineAnnealingLR raises.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for _ in range(2):
    ...     schedule.step()
    >>> optimizer.lr
    1.0
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: Any = 0) -> None:
        self.T_0, self.T_mult = checked_count("T_0", T_0), checked_count("T_mult", T_mult)
        self.eta_min = checked_number("eta_min", eta_min)
        super().__init__(optimizer)

    def _share(self, epoch: Any) -> Any:
        length = self.T_0
        while epoch >= length:
            epoch, length = epoch - length, length * self.T_mult
        return (1 + math.cos(math.pi * epoch / length)) / 2


class LinearLR(Schedule):
    """The optimiser's lr times a factor that goes from `start_factor` to `end_factor` in a line.

    It takes `total_iters` steps and then stays, as in `torch.optim.lr_scheduler.LinearLR`. Raises
    TypeError or ValueError unless `total_iters` is a whole number above 0 and the factors are real
    numbers, at least 0.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.lr
    0.5
    >>> schedule.step()
    >>> optimizer.lr
    0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: Any = 1 / 3,
        end_factor: Any = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor = checked_number("start_factor", start_factor)
        self.end_factor = checked_number("end_factor", end_factor)
        self.total_iters = checked_count("total_iters", total_iters)
        super().__init__(optimizer)

    def _share(self, epoch: Any) -> Any:
        fraction = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * fraction


class ConstantLR(LinearLR):
    """The optimiser's lr times `factor` for `total_iters` steps, then the lr itself.

    As in `torch.optim.lr_scheduler.ConstantLR`. Raises what LinearLR raises.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = ConstantLR(optimizer, factor=0.5, total_iters=1)
    >>> schedule.step()
    >>> schedule.base_lrs, optimizer.lr
    ([1.0], 1.0)
    """

    def __init__(self, optimizer: Optimizer, factor: Any = 1 / 3, total_iters: int = 5) -> None:
        super().__init__(optimizer, checked_number("factor", factor), 1.0, total_iters)

    def _share(self, epoch: Any) -> Any:
        return self.start_factor if epoch < self.total_iters else self.end_factor


class StepLR(Schedule):
    """The optimiser's lr, multiplied by `gamma` after every `step_size` steps.

    As in `torch.optim.lr_scheduler.StepLR`. Raises TypeError or ValueError unless `step_size` is a
    whole number above 0 and `gamma` a real number, at least 0.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: Any = 0.1) -> None:
        self.step_size = checked_count("step_size", step_size)
        self.gamma = checked_number("gamma", gamma)
        super().__init__(optimizer)

    def _share(self, epoch: Any) -> Any:
        return self.gamma ** (epoch // self.step_size)


class ExponentialLR(StepLR):
    """The optimiser's lr, multiplied by `gamma` after each step.

    As in `torch.optim.lr_scheduler.ExponentialLR`. Raises what StepLR raises.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> optimizer.lr
    0.5
    """

    def __init__(self, optimizer: Optimizer, gamma: Any) -> None:
        super().__init__(optimizer, 1, gamma)


class SequentialLR(Schedule):
    """Schedules one after the other. `milestones` has the steps at which the next one begins.

    As in `torch.optim.lr_scheduler.SequentialLR`. Raises ValueError unless all schedules belong to
    this optimiser and there is a milestone between each two, in increasing order.

    >>> from scalargrad import Value
    >>> from scalargrad.optim import SGD
    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> first, then = ConstantLR(optimizer, 0.5), ExponentialLR(optimizer, 0.5)
    >>> schedule = SequentialLR(optimizer, [first, then], milestones=[1])
    >>> rates = []
    >>> for _ in range(3):
    ...     rates.append(optimizer.lr)
    ...     schedule.step()
    >>> rates
    [0.5, 1.0, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]
    ) -> None:
        self.schedulers = list(schedulers)
        self.milestones = [checked_count("a milestone", m) for m in milestones]
        if any(schedule.optimizer is not optimizer for schedule in self.schedulers):
            raise ValueError("all schedules must be of the optimizer that SequentialLR is given")
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"there must be a milestone between each two schedules, got {len(self.schedulers)} "
                f"schedules and {len(self.milestones)} milestones"
            )
        if self.milestones != sorted(set(self.milestones)):
            raise ValueError(f"milestones must increase, got {self.milestones}")
        super().__init__(optimizer)

    def step(self, epoch: Any = None) -> None:
        """Step the schedule whose turn it is. One that begins starts from the base rate."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        place = bisect_right(self.milestones, self.last_epoch)
        begun = self.milestones[place - 1] if place else 0
        schedule = self.schedulers[place]
        if epoch is None and self.last_epoch > begun:
            schedule.step()
        else:
            schedule.step(self.last_epoch - begun)
        self._last_lr = schedule.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        own = {k: plain(x) for k, x in vars(self).items() if k not in ("optimizer", "schedulers")}
        return {**own, "schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        kept = self.schedulers
        super().load_state_dict(state_dict)
        states, self.schedulers = self.schedulers, kept
        for schedule, state in zip(kept, states, strict=True):
            schedule.load_state_dict(state)  # type: ignore[arg-type]
