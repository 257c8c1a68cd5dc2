"""Pictures as arrays: fitting to a size, regions, pasting back. No networks, no requests."""
