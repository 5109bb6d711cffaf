"""IFRNet (Kong et al., CVPR 2022) in its three sizes. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, hookimpl

REFERENCE = (
    "Kong et al., IFRNet: Intermediate Feature Refine Network for Efficient Frame Interpolation, CVPR 2022, "
    "https://arxiv.org/abs/2205.14620"
)


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`ifrnet-s`, `ifrnet` (base) and `ifrnet-l`."""
    return [
        BaselineSpec(
            name=name,
            factory="vfi_ifrnet.network:IFRNet",
            summary=f"{size} IFRNet, {parameters} M parameters: flows and an intermediate feature refined together",
            reference=REFERENCE,
            licence="MIT",
            preset={"variant": variant},
        )
        for name, variant, size, parameters in (
            ("ifrnet-s", "s", "small", "2.8"),
            ("ifrnet", "base", "base", "5.0"),
            ("ifrnet-l", "l", "large", "19.7"),
        )
    ]
