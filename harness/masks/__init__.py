"""Label maps: sources, the parts that pipelines are made of, the pair rules, and their cache."""

from harness.masks.parts import Box, Detector, Segmenter, Tagger
from harness.masks.pipeline import Pipeline
from harness.masks.rules import pair_masks, tag_masks
from harness.masks.source import Masks, MaskSource

__all__ = ["Box", "Detector", "MaskSource", "Masks", "Pipeline", "Segmenter", "Tagger", "pair_masks", "tag_masks"]
