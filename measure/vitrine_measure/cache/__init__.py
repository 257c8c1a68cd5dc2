"""Benchmarks of the cache's tiers, and the simulated S3 they run against."""
