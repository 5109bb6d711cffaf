"""RIFE (Huang et al., ECCV 2022), for the middle frame and for any time. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, Protocol, Settings, hookimpl

HARNESS_CONTRACT = "1.1"

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
            channels_last=True,
            official="vfi_rife.official:official",
            repository="ECCV2022-RIFE",
            reference=REFERENCE,
            licence="MIT",
            preset={"timestep": timestep},
            times="any" if timestep else "middle",
        )
        for name, timestep, purpose in (("rife", False, "the middle frame"), ("rife-m", True, "any time"))
    ]


@hookimpl
def harness_protocols() -> list[Protocol]:
    """What the authors' scripts do. They have none for SNU-FILM; RIFE's values there come from other papers."""
    return [
        Protocol(
            "official-rife",
            version=1,
            summary="frames rounded to 8 bit before they are measured; padding with zeros to multiples of 32",
            settings=Settings(padding="zero", multiple=32, rounding=True),
            reference=REFERENCE,
        )
    ]
