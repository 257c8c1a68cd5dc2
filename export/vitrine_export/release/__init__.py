"""Releases: adds an exported repository to the served one as a new version."""
