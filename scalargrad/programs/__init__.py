"""Programs: a function traced once, as data, and spelled in a language."""
