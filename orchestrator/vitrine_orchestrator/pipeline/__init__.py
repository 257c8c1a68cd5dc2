"""The parts that all pipelines share: request context, report, and the cache of results."""
