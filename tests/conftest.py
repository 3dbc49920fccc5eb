"""Settings of all tests: how long an example takes is no failure.

Each run tries the same 20 examples a property, or fewer where one is dear: the suite stays short,
and a failure comes again. New ones, 120 a property, are drawn by
`python3 -m pytest --hypothesis-profile=thorough`: run it when you change something, and add what it
finds with `@example`. It also explains which parts of an example do not matter; the short form does
not, since several tests let a property fail on purpose.
"""

from __future__ import annotations

import gc

from hypothesis import Phase, settings

settings.register_profile("thorough", deadline=None, max_examples=120)
settings.register_profile(
    "short",
    settings.get_profile("thorough"),
    max_examples=20,
    derandomize=True,
    database=None,
    phases=[phase for phase in Phase if phase != Phase.explain],
)
settings.load_profile("short")


def pytest_collection_finish() -> None:
    """Set aside what was loaded: the collector would go through all of it again in each test."""
    gc.collect()
    gc.freeze()
