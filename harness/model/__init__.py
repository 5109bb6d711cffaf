"""What a network builds on: the seam's contracts, warping both ways, correlation, regions and blocks. Importing this
imports torch."""

from harness.model.blocks import InstanceNorm, PyramidEncoder, ResBlock, conv_prelu, decoder_body
from harness.model.compose import Composed
from harness.model.contracts import (
    Baseline,
    FeaturePlugin,
    Features,
    Frames,
    MotionPlugin,
    MotionPrior,
    Prediction,
    take_up,
)
from harness.model.correlation import Correlation, local_correlation
from harness.model.flows import backward_flows, forward_flows
from harness.model.official import Official, importing
from harness.model.regions import Regions, pool_and_copy, region_attention
from harness.model.splatting import splat
from harness.model.torchvision_ops import import_torchvision
from harness.model.warping import pixel_grid, resize, resize_flow, warp

__all__ = [
    "Baseline",
    "Composed",
    "Correlation",
    "FeaturePlugin",
    "Features",
    "Frames",
    "InstanceNorm",
    "MotionPlugin",
    "MotionPrior",
    "Official",
    "Prediction",
    "PyramidEncoder",
    "Regions",
    "ResBlock",
    "backward_flows",
    "conv_prelu",
    "decoder_body",
    "forward_flows",
    "import_torchvision",
    "importing",
    "local_correlation",
    "pixel_grid",
    "pool_and_copy",
    "region_attention",
    "resize",
    "resize_flow",
    "splat",
    "take_up",
    "warp",
]
