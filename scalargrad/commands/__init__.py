"""The commands of `python -m scalargrad`: expressions on the command line, and what is done."""
