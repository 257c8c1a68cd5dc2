"""Networks of the paper shop that judge and cut out, and generate nothing: a checker, and U²-Net."""

from vitrine_export.shop_nets.checker import HEADS, Checker
from vitrine_export.shop_nets.u2net import U2Net

__all__ = ["HEADS", "Checker", "U2Net"]
