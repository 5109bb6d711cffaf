"""Hierarchical motion and feature interactive refinement (HIR) as a plug-in of the harness."""

from __future__ import annotations

from harness import PluginSpec, hookimpl

HARNESS_CONTRACT = "1.1"

__all__ = ["harness_plugins"]


@hookimpl
def harness_plugins() -> list[PluginSpec]:
    return [
        PluginSpec(
            name="hir",
            factory="vfi_hir.hir:HIR",
            summary="hierarchical motion: attention inside each target (long range), then in a window (short range)",
            reference="Aligning Anything: Hierarchical Motion Estimation for Video Frame Interpolation, Eq. 8-11",
            stage="motion",
            needs_masks=True,
        )
    ]
