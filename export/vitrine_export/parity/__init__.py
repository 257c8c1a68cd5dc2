"""`vitrine-export parity`: compares our computation with arrays of the released code."""

from vitrine_export.parity.command import add_arguments, run

__all__ = ["add_arguments", "run"]
