"""Open-loop load on a running server: arrivals, mixes of people and garments, faulty clients, leak checks."""
