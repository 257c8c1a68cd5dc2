"""Exports a checkpoint to a model repository: torch → ONNX → TensorRT, every file compared with torch."""
