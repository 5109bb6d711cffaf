"""Mask source `supervoxel`: label maps that need no download, from SLIC over the two frames as one volume."""

from __future__ import annotations

from harness import MaskSourceSpec, hookimpl

HARNESS_CONTRACT = "1.1"


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    return [
        MaskSourceSpec(
            name="supervoxel",
            factory="vfi_supervoxel.supervoxel:Supervoxel",
            summary="SLIC supervoxels over both frames: regions of like colour at like places, without names",
            reference="Achanta et al., SLIC Superpixels, TPAMI 2012, doi:10.1109/TPAMI.2012.120",
            licence="BSD-3-Clause (scikit-image)",
            preference=1,
            version=1,
        )
    ]
