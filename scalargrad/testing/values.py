"""Strategies for Values, and their registration, so that `st.from_type(Value)` works."""

from typing import Any

from hypothesis import strategies as st

from scalargrad import Value


def values(numbers: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Value]:
    """Return a strategy for leaf Values of `numbers`: small whole numbers and floats unless given.

    >>> from hypothesis import find
    >>> find(values(), lambda x: x > 1).data
    2.0
    """
    if numbers is None:
        numbers = st.integers(-3, 3).map(float) | st.floats(-1e3, 1e3, allow_subnormal=False)
    return st.builds(Value, numbers)


def register() -> None:
    """Tell Hypothesis how to draw a Value; it calls this itself, through its entry point."""
    st.register_type_strategy(Value, values())
