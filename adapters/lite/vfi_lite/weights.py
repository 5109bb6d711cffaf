"""The two files of weights: both permissive, 76 MB together."""

from __future__ import annotations

from harness.specs import WeightsSpec

YOLO = WeightsSpec(
    name="tiny-yolov3",
    file="tiny-yolov3-11.onnx",
    summary="boxes of 80 COCO classes, ONNX opset 11",
    source="the ONNX model zoo, github.com/onnx/models, validated/vision/object_detection_segmentation/tiny-yolov3",
    licence="MIT",
    size=35_511_756,
    sha256="f715cc2d99740d22d312777e20d9de2b2ecdc250155be8fd3752ce7e8b823521",
)
MOBILE_SAM = WeightsSpec(
    name="mobile-sam",
    file="mobile_sam.pt",
    summary="masks from boxes: TinyViT encoder, SAM prompt encoder and mask decoder",
    source="github.com/ChaoningZhang/MobileSAM, weights/mobile_sam.pt",
    licence="Apache-2.0",
    size=40_728_226,
    sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
)
