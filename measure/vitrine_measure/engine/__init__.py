"""The denoise engine at real size: exact savings, compilation and CUDA graphs against plain computation."""
