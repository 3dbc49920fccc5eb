"""Engines written to be tested: right ones of different shapes, and ones with a defect each."""
