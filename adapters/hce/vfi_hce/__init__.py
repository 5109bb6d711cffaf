"""Hybrid contextual feature extraction (HCE) as a plug-in of the harness."""

from __future__ import annotations

from harness import PluginSpec, hookimpl

HARNESS_CONTRACT = "1.1"

__all__ = ["harness_plugins"]


@hookimpl
def harness_plugins() -> list[PluginSpec]:
    return [
        PluginSpec(
            name="hce",
            factory="vfi_hce.hce:HCE",
            summary="hybrid contextual feature extraction: each cell sees the mean of its target in both frames",
            reference="Aligning Anything: Hierarchical Motion Estimation for Video Frame Interpolation, Eq. 5-7",
            stage="feature",
            needs_masks=True,
        )
    ]
