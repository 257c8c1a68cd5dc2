"""Between Triton's Python backend and the pipelines: requests in, responses out, nothing decided here."""
