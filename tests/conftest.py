"""Settings of all tests: how long an example takes is no failure.

Each run draws 30 new examples a property, or fewer where one is dear, so that the suite stays
short; `.ci/run` runs it on each Python, which makes 100 and more together. For as many at once:
`python3 -m pytest --hypothesis-profile=thorough`. It also explains which parts of an example do
not matter; the short form does not, since several tests let a property fail on purpose.
"""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("thorough", deadline=None, max_examples=120)
settings.register_profile(
    "short",
    settings.get_profile("thorough"),
    max_examples=30,
    phases=[phase for phase in Phase if phase != Phase.explain],
)
settings.load_profile("short")
