"""Triton's adapter of `text_overlay`."""

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.text import serve_text
from vitrine_orchestrator.adapters.triton_model import triton_model

TritonPythonModel = triton_model(serve_text, pb_utils)
