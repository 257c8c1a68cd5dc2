"""Runs the exported graphs of any family: host arrays as inputs, rows on the device as outputs."""
