"""Compares the denoise engine at real size (savings, compilation, CUDA graphs) with plain computation."""
