"""What toyvfi adds to the harness. Importing this imports no torch: the factories are named, not imported."""

from __future__ import annotations

from pathlib import Path

import click

from harness import BaselineSpec, MaskSourceSpec, MetricSpec, PluginSpec, hookimpl

HARNESS_CONTRACT = "1.1"


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`toy`, which plug-ins can act on, `toy-four`, which sees four frames, and `toy-plain`, which has no seam and
    names its recipe."""
    return [
        BaselineSpec(
            name="toy",
            factory="toyvfi.network:Toy",
            summary="a siamese encoder and one motion stage, thousands of parameters: a starting point, not a network",
            reference="tests/third_party of vfi-harness",
            licence="the harness's",
        ),
        BaselineSpec(
            name="toy-four",
            factory="toyvfi.network:ToyFour",
            summary="toy with velocity and acceleration, from two frames before and two after the one to be made",
            times="any",
            inputs=4,
            loss="own",
        ),
        BaselineSpec(
            name="toy-plain",
            factory="toyvfi.network:ToyPlain",
            summary="three convolutions over both frames, without a seam for plug-ins",
            recipe="toy-short",
        ),
    ]


@hookimpl
def harness_plugins() -> list[PluginSpec]:
    """`toy-mean`, a feature plug-in."""
    return [
        PluginSpec(
            name="toy-mean",
            factory="toyvfi.plugin:ToyMean",
            summary="adds to each cell a learnt share of the mean of its region",
            stage="feature",
        )
    ]


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    """`toy-halves`; its preference is below all others, so that nobody gets it without asking."""
    return [
        MaskSourceSpec(
            name="toy-halves",
            factory="toyvfi.masks:ToyHalves",
            summary="two regions: dark and bright",
            version=1,
            preference=-2,
        )
    ]


@hookimpl
def harness_metrics() -> list[MetricSpec]:
    """`toy-light`, which needs more than the frame, and `toy-colour`, of whole sets."""
    return [
        MetricSpec(
            name="toy-light",
            factory="toyvfi.metrics:ToyLight",
            summary="how far the frame's brightness is from that between the inputs' at its time",
            needs=("frame", "inputs", "t"),
            higher_is_better=False,
        ),
        MetricSpec(
            name="toy-colour",
            factory="toyvfi.metrics:ToyColour",
            summary="distance between the mean colours of all frames and of all truths",
            needs=("frame", "set"),
            higher_is_better=False,
        ),
    ]


@hookimpl
def harness_recipes() -> list[Path]:
    """`toy-short`."""
    return [Path(__file__).parent / "toy-short.yaml"]


@hookimpl
def harness_commands(cli: click.Group) -> None:
    """`harness toy-flow`."""

    @cli.command("toy-flow")
    @click.argument("pixels", type=float)
    def toy_flow(pixels: float) -> None:
        """Say how far PIXELS of motion reach on the toy's coarsest grid."""
        click.echo(f"{pixels:g} pixels are {pixels / 16:g} cells at stride 16")
