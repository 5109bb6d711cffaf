"""Small weights of our own as starts, `harness run --start ifrnet-s-own`: `SHIPPED` are here, a command makes more."""

from __future__ import annotations

from harness import WeightsSpec, hookimpl

HARNESS_CONTRACT = "1.1"

__all__ = ["harness_weights"]

LICENCE = "Apache-2.0, as this project; trained on photographs of scikit-image and on the bundled clips, see each card"


@hookimpl
def harness_weights() -> list[WeightsSpec]:
    return [_spec("ifrnet-s"), _spec("amt-s"), _spec("rife"), _spec("ema")]


def _spec(baseline: str) -> WeightsSpec:
    size, sha256 = SHIPPED.get(baseline, (0, ""))
    name = f"{baseline}-own"
    return WeightsSpec(
        name=name,
        file=f"{name}.safetensors",
        summary=f"{baseline} trained from scratch for hours: a start and a demonstration, no model to publish with",
        source=f"`harness weights make {baseline}`, which trains them in hours",
        licence=LICENCE,
        package="vfi_own",
        size=size,
        sha256=sha256,
        trained_on=("layers:train", "clips:train"),
        times="middle",
    )


SHIPPED = {
    "amt-s": (6003430, "ab09d26a792e40060ca4febe2795464f3bb227290e228df28028b0034706efb6"),
    "ifrnet-s": (5618364, "edbf7eb71883ad220629d2fe37f26c1e016f089db78b5e68f0de213a168758b5"),
}
"""Size in bytes and sha256 of the files in this package."""
