"""The text encoders of Z-Image and FLUX, as far as they are read."""

from vitrine_export.nets.text.clip import ClipPooled
from vitrine_export.nets.text.qwen3 import Qwen3Features
from vitrine_export.nets.text.t5 import T5Text

__all__ = ["ClipPooled", "Qwen3Features", "T5Text"]
