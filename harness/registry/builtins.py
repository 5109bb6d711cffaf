"""What the core itself contributes, by the same hooks as everybody: neutral elements and bundled clips."""

from __future__ import annotations

from harness.registry.hookspecs import hookimpl
from harness.registry.metrics import metrics, weights
from harness.registry.protocol import UNIFIED, Protocol
from harness.registry.specs import BenchmarkSpec, LauncherSpec, MaskSourceSpec, MetricSpec, PluginSpec, WeightsSpec


@hookimpl
def harness_plugins() -> list[PluginSpec]:
    return [
        PluginSpec(
            name="null",
            factory="harness.controls.null:Null",
            summary="does nothing: the control that must reproduce the baseline bit for bit on a CPU",
            stage="feature",
            needs_masks=False,
            needs_seam=False,
        ),
        PluginSpec(
            name="widen",
            factory="harness.controls.widen:Widen",
            summary="as many parameters as plug-ins add, and nothing else of them: does capacity alone explain a gain?",
            stage="feature",
            needs_masks=False,
            like="like",
        ),
    ]


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    return [
        MaskSourceSpec(
            name="global",
            factory="harness.masks.source:Global",
            summary="all-zero label maps: one region, global attention",
            reference="paper, Table 3, Case 1",
            preference=-1,
        ),
        MaskSourceSpec(
            name="precomputed",
            factory="harness.masks.precomputed:Precomputed",
            summary="label maps from PNG or NPZ files of your own, by clip and frame number",
            preference=-2,
            light=False,
        ),
        MaskSourceSpec(
            name="truth",
            factory="harness.masks.source:Known",
            summary="the label maps that the benchmark itself knows; of frames that it draws, not of footage",
            preference=-3,
        ),
    ]


@hookimpl
def harness_benchmarks() -> list[BenchmarkSpec]:
    from harness.registry.benchmarks import benchmarks  # imports numpy

    return [
        BenchmarkSpec(
            name="clips",
            factory="harness.data.sets.clips:Clips",
            summary="any folder of videos, by default nine bundled clips; test triplets at gaps 2, 4, 8 and 16",
            licence="of the bundled clips: BSD-2-Clause, BSD-3-Clause, Apache-2.0, MIT; see harness/data/bundled",
        ),
        BenchmarkSpec(
            name="layers",
            factory="harness.data.sets.layers:Layers",
            summary="drawn: textured shapes move over a moving background; labels, motion and occlusion are known",
            licence="of the photographs: see skimage.data; needs no files",
        ),
        BenchmarkSpec(
            name="layers-fast",
            factory="harness.data.sets.layers:LayersFast",
            summary="the same with frames of 256 pixels a side and up to 72 pixels of motion",
            licence="of the photographs: see skimage.data; needs no files",
        ),
        *benchmarks(),
    ]


@hookimpl
def harness_metrics() -> list[MetricSpec]:
    return metrics()


@hookimpl
def harness_weights() -> list[WeightsSpec]:
    return weights()


@hookimpl
def harness_protocols() -> list[Protocol]:
    return [UNIFIED]


@hookimpl
def harness_launchers() -> list[LauncherSpec]:
    return [
        LauncherSpec("local", "harness.launch.launchers:local", summary="on this machine, --jobs at a time"),
        LauncherSpec("slurm", "harness.launch.slurm:slurm", summary="a Slurm cluster, one job a pair; needs submitit"),
    ]
