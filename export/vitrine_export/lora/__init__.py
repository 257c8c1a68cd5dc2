"""Reads and checks LoRA files of the advertising families, and puts them into slots of fixed rank."""

from vitrine_export.lora.file import Adapter, read_adapter
from vitrine_export.lora.slot import Slots, slot_of

__all__ = ["Adapter", "Slots", "read_adapter", "slot_of"]
