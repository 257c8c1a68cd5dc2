"""Measures how models share a memory: policies by simulation, and a real server by a shop's requests."""
