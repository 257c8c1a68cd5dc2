"""Between tensors and words: reading the small inputs of requests."""
