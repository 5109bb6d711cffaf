"""The weights of SAM 2, and where they come from."""

from __future__ import annotations

from harness import WeightsSpec

SAM2 = WeightsSpec(
    name="sam2",
    file="sam2.1-hiera-large",
    summary="SAM 2.1, Hiera-L: a folder with config.json and model.safetensors, for images and videos alike",
    source="https://huggingface.co/facebook/sam2.1-hiera-large",
    licence="Apache-2.0",
    hub="facebook/sam2.1-hiera-large",
)
