"""The engine: ops, the graph, Values, the passes that carry derivatives."""
