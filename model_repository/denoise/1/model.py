"""Triton's adapter of `denoise`."""

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.denoise import serve_denoise
from vitrine_orchestrator.adapters.triton_model import triton_model

TritonPythonModel = triton_model(serve_denoise, pb_utils)
