"""The languages that formulas are written in: text, LaTeX and JavaScript."""
