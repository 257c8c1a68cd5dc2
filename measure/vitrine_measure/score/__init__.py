"""Scores a checkpoint: compares the output of every stage with the exact answer, on unseen paper dolls."""
