"""Training of the paper-doll checkpoint: every stage, from seeds, on a laptop."""
