"""What computes a denoising step: one protocol, ONNX Runtime and torch behind it, and a fake for tests."""

from vitrine_orchestrator.try_on.engine.load import load_engine
from vitrine_orchestrator.try_on.engine.protocol import Engine

__all__ = ["Engine", "load_engine"]
