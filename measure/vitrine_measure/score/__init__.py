"""How good a checkpoint is, on paper dolls it has never seen: every stage against the drawn truth."""
