"""The IDM-VTON family: requests, pipelines, facts of its checkpoints, and its program for the batcher."""
