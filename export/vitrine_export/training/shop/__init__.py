"""Training of the paper shop's networks, from seeds."""
