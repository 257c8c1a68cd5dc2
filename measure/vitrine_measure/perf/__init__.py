"""Load with NVIDIA's perf_analyzer: finds the program, draws its input, reads its results."""
