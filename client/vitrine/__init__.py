"""Vitrine's thin client: try-on and advertising pictures from a Triton server."""
