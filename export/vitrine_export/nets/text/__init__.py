"""The text encoders of Z-Image and FLUX, without layers whose outputs are not used."""

from vitrine_export.nets.text.clip import ClipPooled
from vitrine_export.nets.text.qwen3 import Qwen3Features
from vitrine_export.nets.text.t5 import T5Text

__all__ = ["ClipPooled", "Qwen3Features", "T5Text"]
