"""Reads picture files: recognises their kinds, and handles cases that Pillow alone does not."""
