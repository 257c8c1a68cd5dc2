"""Compares whole pictures of the advertising families with arrays of the released pipelines."""

from vitrine_export.parity.ads.check import check_ads

__all__ = ["check_ads"]
