"""Arithmetic on pictures as arrays: fitting to a size, regions, pasting back."""
