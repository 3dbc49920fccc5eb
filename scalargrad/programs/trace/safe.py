"""Which ops cannot fail: on finite numbers they raise nothing, and give no infinity and no nan.

(But for sums and products that overflow.) What cannot fail may be computed where nobody asks.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special

# Those that cannot fail whatever their operands are.
SAFE: set[Any] = {
    *(arithmetic.add.op, arithmetic.sub.op, arithmetic.mul.op, arithmetic.neg.op),
    *(arithmetic.pos.op, arithmetic.absolute.op, arithmetic.fabs.op, arithmetic.copysign.op),
    *(arithmetic.sign.op, arithmetic.same.op, arithmetic.detach.op, total),
    *(many.flat_sumprod.op, op_of(many.fsum)),
    *choices.CONDITIONS,
    *(choices.like.op, op_of(choices.where), choices.maximum.op, choices.minimum.op),
    op_of(choices.clip),
    *(activations.relu.op, activations.leaky_relu.op, activations.sigmoid.op),
    *(activations.softplus.op, activations.gelu.op),
    *(elementary.sin.op, elementary.cos.op, elementary.tanh.op, elementary.atan.op),
    *(elementary.sech.op, elementary.asinh.op, special.erf.op, special.erfc.op),
}


def is_safe(op: Any, last: Any = None) -> bool:
    """Return whether an op cannot fail, if its operands did not.

    `last` is its last operand, where that is a plain number.

    >>> from scalargrad.functions.arithmetic import div
    >>> is_safe(elementary.sin.op), is_safe(elementary.log.op), is_safe(div.op, 2)
    (True, False, True)
    >>> is_safe(div.op, float("nan"))
    False
    """
    if op is arithmetic.div.op:
        return bool(last) and is_finite(last)
    return op in SAFE or type(op) is Pick


def is_finite(x: Any) -> bool:
    """Return whether a real number is neither infinite nor nan: as an int is of any size."""
    try:
        return isfinite(x)
    except OverflowError:
        return True
