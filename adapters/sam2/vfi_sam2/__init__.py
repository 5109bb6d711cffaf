"""SAM 2: the segmenter `sam2`, and the mask source `sam2-video`, which follows masks from frame to frame."""

from __future__ import annotations

from harness import MaskPartSpec, MaskSourceSpec, WeightsSpec, hookimpl
from vfi_sam2.specs import SAM2

HARNESS_CONTRACT = "1.1"

REFERENCE = "Ravi et al., SAM 2: Segment Anything in Images and Videos, ICLR 2025, arXiv:2408.00714"


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    return [
        MaskSourceSpec(
            name="sam2-video",
            factory="vfi_sam2.video:Sam2Video",
            summary="what is found in the first frame, followed into the second by SAM 2",
            reference=REFERENCE,
            licence="Apache-2.0",
            light=False,
            parts=("ram", "grounding-dino", "sam2"),
            weights=(SAM2.name,),
        )
    ]


@hookimpl
def harness_mask_parts() -> list[MaskPartSpec]:
    return [
        MaskPartSpec(
            name="sam2",
            factory="vfi_sam2.segmenter:Sam2",
            summary="SAM 2: a mask in every box",
            reference=REFERENCE,
            licence="Apache-2.0",
            part="segmenter",
            weights=(SAM2.name,),
        )
    ]


@hookimpl
def harness_weights() -> list[WeightsSpec]:
    return [SAM2]
