"""Opens and checks a checkpoint folder in the released layout, and loads its networks one at a time."""

from vitrine_export.checkpoint.folder import Checkpoint, Settings, open_checkpoint

__all__ = ["Checkpoint", "Settings", "open_checkpoint"]
