"""What to write here for a name that PyTorch or SciPy has and scalargrad does not."""

from __future__ import annotations

__all__ = ["no_attribute"]

_SCHEDULE = (
    "the schedules are StepLR, ExponentialLR, LinearLR, ConstantLR, CosineAnnealingLR, "
    "CosineAnnealingWarmRestarts and SequentialLR; for another, set optimizer.lr before each step"
)
_OPTIMIZER = "the optimisers are SGD, Adam, AdamW and RMSprop"
_LOSS = "losses are functions: scalargrad.losses.{}(predictions, targets)"
_LAYER = "the layers are Linear, Layer, MLP, Embedding, LayerNorm, Dropout and Sequential"
_FIT = "minimize(f, x0) finds a minimum near x0, least_squares(residuals, x0) the best fit"
_OPTIMIZERS = (
    *("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adamax", "Muon", "NAdam", "RAdam", "Rprop"),
    "SparseAdam",
)
_SCHEDULES = (
    *("ChainedScheduler", "CyclicLR", "LambdaLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR"),
    *("PolynomialLR", "ReduceLROnPlateau"),
)
_ACTIVATIONS = {
    **{"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "SiLU": "silu", "GELU": "gelu"},
    **{"Sigmoid": "sigmoid", "LogSigmoid": "logsigmoid", "Softplus": "softplus", "Tanh": "tanh"},
}
_LOSSES = {
    **{"MSELoss": "mse", "L1Loss": "mae", "HuberLoss": "huber", "NLLLoss": "cross_entropy"},
    **{"CrossEntropyLoss": "cross_entropy", "BCELoss": "binary_cross_entropy"},
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
}
_LOSS_FUNCTIONS = {
    **{"mse_loss": "mse", "l1_loss": "mae", "huber_loss": "huber", "nll_loss": "cross_entropy"},
    **{"smooth_l1_loss": "huber", "MSELoss": "mse", "L1Loss": "mae"},
}
_FITS = (
    *("basinhopping", "brentq", "differential_evolution", "fmin", "fmin_bfgs", "fsolve"),
    *("leastsq", "lsq_linear", "minimize_scalar", "newton", "nnls", "root", "root_scalar"),
)

_INSTEAD = {
    "scalargrad.optim": {
        **dict.fromkeys(_OPTIMIZERS, _OPTIMIZER),
        **dict.fromkeys(_SCHEDULES, _SCHEDULE),
        **dict.fromkeys(_FITS, _FIT),
        "Bounds": "write minimize(f, x0, bounds=[(0, 1), (None, 2)])",
        "LinearConstraint": "minimize takes bounds; for a constraint add a penalty to f",
        "LBFGS": "write minimize(f, x0), with the loss as a function f of a list",
        "lr_scheduler": "the schedules are in scalargrad.optim: optim.StepLR(optimizer, 30)",
        "swa_utils": "compute the averages of the numbers in model.state_dict()",
    },
    "scalargrad.nn": {
        **{
            name: f"activations are functions: scalargrad.{function}, as in "
            f"Sequential(Linear(2, 3), {function}), or MLP(2, [3, 1], activation={function})"
            for name, function in _ACTIVATIONS.items()
        },
        **{name: _LOSS.format(function) for name, function in _LOSSES.items()},
        **dict.fromkeys(("BatchNorm1d", "Conv1d", "Conv2d", "LSTM", "RNN", "Transformer"), _LAYER),
        **{"Softmax": "write scalargrad.softmax(row)", "LogSoftmax": "scalargrad.log_softmax(row)"},
        "Parameter": "a Value that is an attribute of a module is a parameter",
        "functional": "write scalargrad.relu(x), scalargrad.losses.mse(predictions, targets)",
        "init": "give its name: Linear(2, 3, init='xavier_uniform')",
        "utils": "clip_grad_norm_ is in scalargrad.optim",
    },
    "scalargrad.losses": {
        name: f"write {function}(predictions, targets)"
        for name, function in _LOSS_FUNCTIONS.items()
    },
    "scalargrad": {
        **dict.fromkeys(("Tensor", "Variable", "tensor"), "write Value(2.0)"),
        **dict.fromkeys(("max", "min"), "write {}imum(x, y), or Python's own {}"),
        "autograd": "derivatives(y, [x]) gives the derivatives of y",
        "enable_grad": "leave the `with no_grad():` block",
        "jit": "write compile(f)",
    },
}


def no_attribute(module: str, name: str) -> AttributeError:
    """Return the error for a name that `module` does not have, with what to write for it.

    >>> print(no_attribute("scalargrad", "tensor"))
    module 'scalargrad' has no attribute 'tensor': write Value(2.0)
    """
    message = f"module {module!r} has no attribute {name!r}"
    instead = _INSTEAD[module].get(name)
    if instead is not None:
        message += f": {instead.replace('{}', name)}"
    return AttributeError(message, name=name)
