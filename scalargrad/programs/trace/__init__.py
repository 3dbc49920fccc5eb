"""Tracing: from a function to Code."""
