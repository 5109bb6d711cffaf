"""EMA-VFI (Zhang et al., CVPR 2023), small and base. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import replace

from harness import BaselineSpec, Protocol, Settings, hookimpl

HARNESS_CONTRACT = "1.1"

REFERENCE = (
    "Zhang et al., Extracting Motion and Appearance via Inter-Frame Attention for Efficient Video Frame Interpolation, "
    "CVPR 2023, https://arxiv.org/abs/2303.00440"
)


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`ema` (the small one, which the paper's cost column means) and `ema-base`."""
    return [
        BaselineSpec(
            name=name,
            factory="vfi_ema.network:EMA",
            summary=f"{variant} EMA-VFI, {parameters} M parameters: motion and appearance from inter-frame attention",
            channels_last=True,
            official="vfi_ema.official:official",
            repository="EMA-VFI",
            reference=REFERENCE,
            licence="Apache-2.0",
            preset={"variant": variant},
            times="any",
        )
        for name, variant, parameters in (("ema", "small", "14.5"), ("ema-base", "base", "65.7"))
    ]


def _settings(average: bool) -> dict[str, Settings]:
    """By benchmark; `average` with the frames turned by 180 degrees, as the authors do for the base variant."""
    half = Settings(placement="centre", multiple=32, scale=0.5, flip_average=average)
    return {
        "snu-film": half,
        "ucf101": Settings(rounding=True, flip_average=average),
        "middlebury": Settings(placement="centre", multiple=32, rounding=True, flip_average=average),
        "xiph-2k": replace(half, rounding=True),
        "xiph-4k": replace(half, rounding=True),
        "x4k1000fps": replace(half, scale=0.25, multiple=64, rounding=True),
    }


@hookimpl
def harness_protocols() -> list[Protocol]:
    """What the authors' scripts do. On Xiph their SSIM is scikit-image's, with a uniform window: `ssim-uniform`."""
    return [
        Protocol(
            name,
            version=1,
            summary=f"working scale 0.5 on SNU-FILM and Xiph, 8-bit rounding on small sets, {averaged}",
            settings=Settings(flip_average=average),
            on=_settings(average),
            reference=REFERENCE,
        )
        for name, average, averaged in (
            ("official-ema", False, "as for the small variant"),
            ("official-ema-base", True, "and the mean with the frames turned by 180 degrees"),
        )
    ]
