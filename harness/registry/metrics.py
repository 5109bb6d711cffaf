"""The metrics of the core and the weights that they need, as data. Imports no torch."""

from __future__ import annotations

from harness.registry.specs import MetricSpec, WeightsSpec

ALEXNET = WeightsSpec(
    name="lpips-alexnet",
    file="alexnet-owt-7be5be79.pth",
    summary="AlexNet trained on ImageNet, whose features LPIPS compares",
    source="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    licence="BSD-3-Clause (torchvision)",
    hub="torch",
    size=244_408_911,
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)

ALEXNET_TRUNK = WeightsSpec(
    name="lpips-alexnet-trunk",
    file="alexnet_features.safetensors",
    summary="the convolutions of the same AlexNet alone, which is all that LPIPS uses: taken first where both are here",
    source="the tensors features.* of https://download.pytorch.org/models/alexnet-owt-7be5be79.pth, as safetensors",
    licence="BSD-3-Clause (torchvision)",
    size=9_879_632,
    sha256="9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
)


def weights() -> list[WeightsSpec]:
    return [ALEXNET, ALEXNET_TRUNK]


def metrics() -> list[MetricSpec]:
    return [
        MetricSpec(
            name="psnr",
            factory="harness.metrics.pixelwise:PSNR",
            summary="peak signal-to-noise ratio over all RGB values, at most 100 dB",
            unit="dB",
            digits=2,
        ),
        MetricSpec(
            name="ssim",
            factory="harness.metrics.ssim:SSIM",
            summary="one 11x11x11 Gaussian window over colours, rows and columns, as VFI papers report it",
            reference="Wang et al., IEEE TIP 2004",
            digits=4,
        ),
        MetricSpec(
            name="ssim-2d",
            factory="harness.metrics.ssim:SSIM2D",
            summary="an 11x11 Gaussian window in each colour, averaged over colours; not what VFI papers report",
            reference="Wang et al., IEEE TIP 2004",
            digits=4,
        ),
        MetricSpec(
            name="ssim-uniform",
            factory="harness.metrics.ssim:UniformSSIM",
            summary="scikit-image's default: a uniform 7x7 window in each colour; EMA-VFI's on Xiph",
            reference="Wang et al., IEEE TIP 2004",
            digits=4,
        ),
        MetricSpec(
            name="ie",
            factory="harness.metrics.pixelwise:InterpolationError",
            summary="interpolation error: mean absolute difference of frames rounded to 8 bit, 0 to 255",
            reference="Baker et al., IJCV 2011",
            unit="grey levels",
            higher_is_better=False,
        ),
        MetricSpec(
            name="lpips",
            factory="harness.metrics.lpips:LPIPS",
            summary="perceptual distance by AlexNet's features, version 0.1; needs the weights lpips-alexnet",
            reference="Zhang et al., CVPR 2018",
            licence="BSD-2-Clause",
            higher_is_better=False,
            digits=4,
        ),
        MetricSpec(
            name="epe",
            factory="harness.metrics.epe:EPE",
            summary="end-point error of flows t->0 and t->1, by part of the frame; of benchmarks that know the motion",
            reference="Baker et al., IJCV 2011",
            needs="motion",
            unit="px",
            higher_is_better=False,
            digits=2,
        ),
    ]
