"""Seeing the chain rule: `explain`, `draw` and `formula`."""
