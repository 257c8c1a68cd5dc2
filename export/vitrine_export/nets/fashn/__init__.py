"""FASHN VTON 1.5: a try-on network in pixel space, rebuilt from its published description."""

from vitrine_export.nets.fashn.config import FashnConfig
from vitrine_export.nets.fashn.net import FashnNet

__all__ = ["FashnConfig", "FashnNet"]
