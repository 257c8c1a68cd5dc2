"""NVIDIA's Triton from the `nvidia-pytriton` wheel: found, started on loopback, watched and stopped."""
