"""Polling clients and event streams on a gateway whose server is saturated: how long answers take."""
