"""AMT (Li et al., CVPR 2023) in its three sizes. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, Protocol, Settings, hookimpl

HARNESS_CONTRACT = "1.1"

REFERENCE = (
    "Li et al., AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation, CVPR 2023, "
    "https://arxiv.org/abs/2304.09790"
)


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`amt-s`, `amt-l`, `amt-g`, and `amt`: AMT-L, the variant whose cost the HCE/HIR paper prints."""
    return [
        BaselineSpec(
            name=name,
            factory="vfi_amt.network:AMT",
            summary=f"{size} AMT, {parameters} M parameters: all-pairs correlation, several flow fields",
            channels_last=True,
            official="vfi_amt.official:official",
            repository="AMT",
            reference=REFERENCE,
            licence="CC BY-NC 4.0 (official code and weights, non-commercial; nothing of the code is used here)",
            preset={"variant": variant},
            times="any",
        )
        for name, variant, size, parameters in (
            ("amt-s", "s", "small", "3.0"),
            ("amt-l", "l", "large", "12.9"),
            ("amt", "l", "large", "12.9"),
            ("amt-g", "g", "huge", "30.6"),
        )
    ]


@hookimpl
def harness_protocols() -> list[Protocol]:
    """What the authors' scripts do; they have none for Middlebury."""
    xiph = Settings(placement="centre", multiple=32, scale=0.5)
    return [
        Protocol(
            "official-amt",
            version=1,
            summary="no rounding; SNU-FILM at working scale 0.8 with centred padding to multiples of 20, Xiph at 0.5",
            on={
                "snu-film": Settings(placement="centre", multiple=20, scale=0.8),
                "xiph-2k": xiph,
                "xiph-4k": xiph,
            },
            reference=REFERENCE,
        )
    ]
