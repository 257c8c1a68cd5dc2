"""How networks share a few processor cores."""
