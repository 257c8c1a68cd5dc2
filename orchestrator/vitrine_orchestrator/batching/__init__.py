"""In-flight batching of denoising steps for every family: jobs, their queue, the thread that owns them."""
