"""A whole run with random weights: a checkpoint is made, checked, exported, served, and tried on once."""
