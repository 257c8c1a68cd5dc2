"""`vitrine-export parity`: our computation against arrays of the released code, number against number."""

from vitrine_export.parity.command import add_arguments, run

__all__ = ["add_arguments", "run"]
