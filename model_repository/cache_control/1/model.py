"""Triton's adapter of `cache_control`."""

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.control import serve_control
from vitrine_orchestrator.adapters.triton_model import triton_model

TritonPythonModel = triton_model(serve_control, pb_utils)
