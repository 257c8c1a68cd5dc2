"""How good the paper shop's networks are, on samples they have never seen."""
