"""EMA-VFI (Zhang et al., CVPR 2023), small and base. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, hookimpl

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
            reference=REFERENCE,
            licence="Apache-2.0",
            preset={"variant": variant},
        )
        for name, variant, parameters in (("ema", "small", "14.5"), ("ema-base", "base", "65.7"))
    ]
