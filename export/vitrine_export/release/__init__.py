"""Releases: an exported repository is added to the served one as a further version."""
