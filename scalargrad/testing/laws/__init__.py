"""The laws that an engine is held to, each with a name and one sentence."""
