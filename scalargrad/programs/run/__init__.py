"""Running: compiled functions, their arguments, what they captured, and the C compiler."""
