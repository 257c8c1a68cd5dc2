"""What every family that draws pictures from prompts has in common: requests, pipelines, program, engine."""
