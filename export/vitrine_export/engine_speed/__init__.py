"""The denoise engine at real size: exact savings, compilation and CUDA graphs beside plain computation."""
