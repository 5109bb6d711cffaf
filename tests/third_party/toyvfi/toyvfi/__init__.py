"""What toyvfi adds to the harness. Importing this imports no torch: the factories are named, not imported."""

from __future__ import annotations

import click

from harness import BaselineSpec, MaskSourceSpec, PluginSpec, hookimpl

HARNESS_CONTRACT = "1.1"


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    """`toy`, which plug-ins can act on, and `toy-plain`, which has no seam for them."""
    return [
        BaselineSpec(
            name="toy",
            factory="toyvfi.network:Toy",
            summary="a siamese encoder and one motion stage, thousands of parameters: a starting point, not a network",
            reference="tests/third_party of vfi-harness",
            licence="the harness's",
        ),
        BaselineSpec(
            name="toy-plain",
            factory="toyvfi.network:ToyPlain",
            summary="three convolutions over both frames, without a seam for plug-ins",
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
def harness_commands(cli: click.Group) -> None:
    """`harness toy-flow`."""

    @cli.command("toy-flow")
    @click.argument("pixels", type=float)
    def toy_flow(pixels: float) -> None:
        """Say how far PIXELS of motion reach on the toy's coarsest grid."""
        click.echo(f"{pixels:g} pixels are {pixels / 16:g} cells at stride 16")
