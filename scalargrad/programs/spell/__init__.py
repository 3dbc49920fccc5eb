"""Spelling: from Code to the text of a language."""
