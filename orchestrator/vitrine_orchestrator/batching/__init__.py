"""The denoise model: jobs, the in-flight batcher, the garment cache and the thread that owns them."""
