"""Finds, starts (on loopback), supervises and stops the Triton of the `nvidia-pytriton` wheel."""
