"""SGM-VFI (Liu et al., CVPR 2024), small and base, and their local branches alone. Importing this imports no torch."""

from __future__ import annotations

from harness import BaselineSpec, Protocol, Settings, hookimpl

HARNESS_CONTRACT = "1.1"

REFERENCE = (
    "Liu et al., Sparse Global Matching for Video Frame Interpolation with Large Motion, CVPR 2024, "
    "https://arxiv.org/abs/2404.06913"
)


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`sgm` and `sgm-base`, which the authors call ours-1/2-points; `sgm-local` and `sgm-local-base`, their ours-local.

    Their models of other shares of points have an option: `sgm:points=0.25`.
    """
    return [
        BaselineSpec(
            name=name,
            factory="vfi_sgm.network:SGM",
            summary=f"{variant} SGM-VFI{what}, {parameters} M parameters: flows of near attention{how}",
            reference=REFERENCE,
            licence="Apache-2.0",
            preset={"variant": variant, "matching": not what},
            times="any",
        )
        for name, variant, what, parameters, how in (
            ("sgm", "small", "", "20.9", ", mended by sparse global matching"),
            ("sgm-base", "base", "", "65.6", ", mended by sparse global matching"),
            ("sgm-local", "small", "'s local branch", "15.4", " alone"),
            ("sgm-local-base", "base", "'s local branch", "59.3", " alone"),
        )
    ]


@hookimpl
def harness_protocols() -> list[Protocol]:
    """What the authors' scripts do, on their harder halves of SNU-FILM and Xiph; no mean with turned frames."""
    half = Settings(placement="centre", multiple=32, scale=0.5, rounding=True)
    return [
        Protocol(
            "official-sgm",
            version=1,
            summary="working scale 0.8 on SNU-FILM, 0.5 on Xiph, 0.25 on X4K1000FPS; 8-bit rounding on the last two",
            settings=Settings(placement="centre", multiple=32),
            on={
                "snu-film": Settings(placement="centre", multiple=80, scale=0.8),
                "xiph-2k": half,
                "xiph-4k": half,
                "x4k1000fps": Settings(placement="centre", multiple=64, scale=0.25, rounding=True),
            },
            reference=REFERENCE,
        )
    ]
