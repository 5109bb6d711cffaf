"""IFRNet (Kong et al., CVPR 2022) in its three sizes. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, Protocol, Settings, hookimpl

HARNESS_CONTRACT = "1.1"

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
            channels_last=True,
            official="vfi_ifrnet.official:official",
            repository="IFRNet",
            reference=REFERENCE,
            licence="MIT",
            preset={"variant": variant},
            times="any",
        )
        for name, variant, size, parameters in (
            ("ifrnet-s", "s", "small", "2.8"),
            ("ifrnet", "base", "base", "5.0"),
            ("ifrnet-l", "l", "large", "19.7"),
        )
    ]


@hookimpl
def harness_protocols() -> list[Protocol]:
    """What the authors' scripts do. On Middlebury they measure frames still padded to 480x640, which is not done."""
    return [
        Protocol(
            "official-ifrnet",
            version=1,
            summary="no rounding; on SNU-FILM a working scale of 0.8 and centred padding to multiples of 20",
            on={
                "snu-film": Settings(placement="centre", multiple=20, scale=0.8),
                "middlebury": Settings(padding="zero"),
            },
            reference=REFERENCE,
        )
    ]
