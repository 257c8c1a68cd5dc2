"""Vitrine's server side: stage table, pipelines, in-flight batcher and caches."""
