"""Releases: an exported repository joins the served one, as a version beside the one before."""
