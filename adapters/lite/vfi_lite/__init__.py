"""Mask source `lite`: boxes of COCO classes by tiny YOLOv3, animals in them named by EfficientNet-Lite2, and masks by
MobileSAM; small enough for a CPU."""

from __future__ import annotations

from harness import MaskPartSpec, MaskSourceSpec, WeightsSpec, hookimpl
from vfi_lite.weights import EFFICIENTNET, MOBILE_SAM, YOLO

HARNESS_CONTRACT = "1.1"


@hookimpl
def harness_weights() -> list[WeightsSpec]:
    return [YOLO, EFFICIENTNET, MOBILE_SAM]


@hookimpl
def harness_mask_parts() -> list[MaskPartSpec]:
    return [
        MaskPartSpec(
            name="tiny-yolov3",
            factory="vfi_lite.yolo:TinyYolo",
            summary="detector of the 80 COCO classes, which needs no tagger; 0.1 s a frame on a CPU core",
            reference="Redmon and Farhadi, YOLOv3: An Incremental Improvement, arXiv:1804.02767",
            licence="MIT (weights)",
            part="detector",
            weights=(YOLO.name,),
        ),
        MaskPartSpec(
            name="named-yolov3",
            factory="vfi_lite.animals:NamedYolo",
            summary="tiny-yolov3 with animals named by EfficientNet-Lite2, close-ups too; 0.1 to 0.4 s a frame",
            reference="that of tiny-yolov3; Tan and Le, EfficientNet, ICML 2019, arXiv:1905.11946",
            licence="MIT and Apache-2.0 (weights)",
            part="detector",
            weights=(YOLO.name, EFFICIENTNET.name),
        ),
        MaskPartSpec(
            name="mobile-sam",
            factory="vfi_lite.mobile_sam:MobileSam",
            summary="segmenter: SAM with a TinyViT encoder of 5 million parameters; seconds a frame on a CPU core",
            reference="Zhang et al., Faster Segment Anything, arXiv:2306.14289",
            licence="Apache-2.0 (weights)",
            part="segmenter",
            weights=(MOBILE_SAM.name,),
        ),
    ]


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    return [
        MaskSourceSpec(
            name="lite",
            factory="harness.masks:Pipeline",
            summary="objects of 80 kinds, by tiny YOLOv3, EfficientNet-Lite2 and MobileSAM; runs on a CPU",
            reference="the pipeline of the paper, A.3, with small models",
            licence="MIT and Apache-2.0 (weights)",
            preference=-1,
            parts=("named-yolov3", "mobile-sam"),
        )
    ]
