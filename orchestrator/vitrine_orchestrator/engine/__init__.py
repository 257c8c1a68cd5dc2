"""What computes a denoising step: one protocol, ONNX Runtime and torch behind it, and a fake for tests."""

from vitrine_orchestrator.engine.load import load_engine
from vitrine_orchestrator.engine.protocol import Arrays, DeviceRow, Engine

__all__ = ["Arrays", "DeviceRow", "Engine", "load_engine"]
