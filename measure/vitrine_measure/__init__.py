"""Measures speed, behaviour under load, scores and counted work; also contains the demo."""
