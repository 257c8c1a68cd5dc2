"""The pipelines, plain async functions over `Stages`: the same in Triton, in scores and in tests."""
