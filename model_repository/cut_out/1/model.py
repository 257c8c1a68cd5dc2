"""Triton's adapter of `cut_out`."""

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.model import serve_pipeline
from vitrine_orchestrator.adapters.triton_model import triton_model

TritonPythonModel = triton_model(serve_pipeline, pb_utils)
