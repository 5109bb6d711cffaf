"""UPR-Net (Jin et al., CVPR 2023) in its three sizes. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, Protocol, Settings, hookimpl

HARNESS_CONTRACT = "1.1"

REFERENCE = (
    "Jin et al., A Unified Pyramid Recurrent Network for Video Frame Interpolation, CVPR 2023, "
    "https://arxiv.org/abs/2211.03456"
)


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`uprnet` (base), `uprnet-large` and `uprnet-llarge`, which the authors call LARGE."""
    return [
        BaselineSpec(
            name=name,
            factory="vfi_uprnet.network:UPRNet",
            summary=f"{size} UPR-Net, {parameters} M parameters: flows and frame refined together, by forward warping",
            reference=REFERENCE,
            licence="CC BY-NC-ND 4.0",
            preset={"variant": variant},
            times="any",
        )
        for name, variant, size, parameters in (
            ("uprnet", "base", "base", "1.7"),
            ("uprnet-large", "large", "large", "3.7"),
            ("uprnet-llarge", "llarge", "LARGE", "6.6"),
        )
    ]


@hookimpl
def harness_protocols() -> list[Protocol]:
    """What the authors' scripts do. A working scale says how many levels the pyramid has: 3 at 1, 5 at 1/4, 7 at 1/16.

    On X4K1000FPS they leave out the two finest of 7, which is an option of the network: `uprnet:skipped=2`.
    """
    return [
        Protocol(
            "official-uprnet",
            version=1,
            summary="grey padding; pyramids of 3 levels, on SNU-FILM of 5, on X4K1000FPS of 7 (with uprnet:skipped=2)",
            settings=Settings(padding="grey"),
            on={
                "snu-film": Settings(padding="grey", scale=1 / 4),
                "x4k1000fps": Settings(padding="grey", scale=1 / 16),
            },
            reference=REFERENCE,
        )
    ]
