"""The wire format: reads the tensors of a request as texts, words, numbers and arrays."""
