"""Caches of stage outputs: memory over files over an object store.

The law (docs/cache.md): a get returns bytes that were put under exactly this key and not invalidated
before the get began, or a miss. A fault of the cache never fails a request; it costs time and is counted.
"""
