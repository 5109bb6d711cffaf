"""Mask source `openworld`: RAM names what is in a frame, Grounding DINO finds it, HQ-SAM cuts it out (paper, A.3)."""

from __future__ import annotations

from harness import MaskPartSpec, MaskSourceSpec, WeightsSpec, hookimpl
from vfi_openworld.specs import GROUNDING_DINO, HQ_SAM, RAM, RAM_PLUS, TAGS, THRESHOLDS

HARNESS_CONTRACT = "1.1"


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    return [
        MaskSourceSpec(
            name="openworld",
            factory="harness.masks:Pipeline",
            summary="what RAM names, Grounding DINO finds and HQ-SAM cuts out, where it is in both frames",
            reference="paper, Sec. 3.3 and A.3",
            licence="Apache-2.0",
            light=False,
            parts=("ram", "grounding-dino", "hq-sam"),
        )
    ]


@hookimpl
def harness_mask_parts() -> list[MaskPartSpec]:
    return [
        MaskPartSpec(
            name="ram",
            factory="vfi_openworld.tagger:Ram",
            summary="Recognize Anything: up to 4,585 tags, each with a threshold of its own",
            reference="Zhang et al., Recognize Anything, CVPR workshops 2024, arXiv:2306.03514",
            licence="Apache-2.0",
            part="tagger",
            weights=(RAM.name, TAGS.name, THRESHOLDS.name),
        ),
        MaskPartSpec(
            name="ram-plus",
            factory="vfi_openworld.tagger:RamPlus",
            summary="Recognize Anything Plus (RAM++): 51 descriptions a tag, weighed by the frame",
            reference="Huang et al., Open-Set Image Tagging with Multi-Grained Text Supervision, arXiv:2310.15200",
            licence="Apache-2.0",
            part="tagger",
            weights=(RAM_PLUS.name, TAGS.name, THRESHOLDS.name),
        ),
        MaskPartSpec(
            name="grounding-dino",
            factory="vfi_openworld.dino:GroundingDino",
            summary="Grounding DINO: boxes of the tags that it is given",
            reference="Liu et al., Grounding DINO, ECCV 2024, arXiv:2303.05499",
            licence="Apache-2.0",
            part="detector",
            weights=(GROUNDING_DINO.name,),
        ),
        MaskPartSpec(
            name="hq-sam",
            factory="vfi_openworld.hqsam:HQSam",
            summary="HQ-SAM: a fine mask in every box",
            reference="Ke et al., Segment Anything in High Quality, NeurIPS 2023, arXiv:2306.01567",
            licence="Apache-2.0",
            part="segmenter",
            weights=(HQ_SAM.name,),
        ),
    ]


@hookimpl
def harness_weights() -> list[WeightsSpec]:
    return [RAM, RAM_PLUS, TAGS, THRESHOLDS, GROUNDING_DINO, HQ_SAM]
