"""Puts open-loop load on a running server: arrivals, mixes of requests, faulty clients, leak checks."""
