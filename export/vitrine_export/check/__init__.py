"""Checks a checkpoint folder: contents, missing files and needed resources, from file headers only."""
