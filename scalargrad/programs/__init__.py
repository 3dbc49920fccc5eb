"""Programs: what is done with the code of a function."""
