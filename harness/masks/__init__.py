"""Label maps: sources and their cache."""

from harness.masks.source import MaskSource

__all__ = ["MaskSource"]
