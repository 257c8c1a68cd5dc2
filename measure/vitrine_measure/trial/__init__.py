"""A trial run with random weights: writes a checkpoint, checks, exports and serves it, and calls it."""
