"""How networks share a few processor cores: rows split over cores, and turns of whole calls."""
