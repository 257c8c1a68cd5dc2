"""Engines that compute a denoising step: the protocol, ONNX Runtime, torch, and a fake for tests."""

from vitrine_orchestrator.try_on.engine.load import load_engine
from vitrine_orchestrator.try_on.engine.protocol import Engine

__all__ = ["Engine", "load_engine"]
