"""In-flight batching of denoising steps for every family: jobs, their queue and the thread that runs them."""
