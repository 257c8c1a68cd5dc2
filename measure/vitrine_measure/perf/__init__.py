"""Load by NVIDIA's perf_analyzer: the program found, its input drawn, its measures read into a table."""
