"""RIFE (Huang et al., ECCV 2022), for the middle frame and for any time. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, hookimpl

REFERENCE = (
    "Huang et al., Real-Time Intermediate Flow Estimation for Video Frame Interpolation, ECCV 2022, "
    "https://arxiv.org/abs/2011.06294"
)


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`rife` and `rife-m`."""
    return [
        BaselineSpec(
            name=name,
            factory="vfi_rife.network:RIFE",
            summary=f"RIFE for {purpose}, 10.1 M parameters: flows and a blend mask refined together, then a Unet",
            reference=REFERENCE,
            licence="MIT",
            preset={"timestep": timestep},
        )
        for name, timestep, purpose in (("rife", False, "the middle frame"), ("rife-m", True, "any time"))
    ]
