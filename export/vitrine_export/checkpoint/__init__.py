"""A checkpoint folder in the released layout: opened, checked, loaded one network at a time."""

from vitrine_export.checkpoint.folder import Checkpoint, Settings, open_checkpoint

__all__ = ["Checkpoint", "Settings", "open_checkpoint"]
