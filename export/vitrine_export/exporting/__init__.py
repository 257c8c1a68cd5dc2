"""From a checkpoint to a model repository: torch → ONNX → TensorRT, every file checked against torch."""
