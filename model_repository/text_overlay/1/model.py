"""Triton's adapter of `text_overlay`."""

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.plain import serve_plain
from vitrine_orchestrator.adapters.triton_model import triton_model

TritonPythonModel = triton_model(serve_plain, pb_utils)
