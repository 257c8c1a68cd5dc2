"""Trains the paper-doll checkpoint, all stages, from seeds; 2 cores are enough."""
