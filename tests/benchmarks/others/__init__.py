"""scalargrad beside other tools: `python3 -m tests.benchmarks.others` from a checkout's root."""
