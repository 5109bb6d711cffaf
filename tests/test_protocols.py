"""A network run as a protocol says: padding, placement, rounding, colours, averaging, working scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.evaluate.protocol import predictor, protocol_id
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction
from harness.model.padding import Padding
from harness.registry.catalog import catalog
from harness.registry.protocol import UNIFIED, Protocol, Settings


class Probe(Baseline):
    """Gives back the first frame, with the row number added to red: what padding does shows in the result."""

    size_multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[Frames] = []

    def encode(self, frames: Frames) -> Features:
        self.seen.append(frames)
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        height = frames.img0.shape[-2]
        rows = torch.linspace(0, 0.1, height).view(1, 1, height, 1) * torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
        flow = frames.img0.new_zeros(1, 2, *frames.img0.shape[-2:])
        return Prediction(frame=frames.img0 + rows + self.weight, flow_t0=flow, flow_t1=flow)


def run(settings: Settings, img0: Tensor) -> tuple[Tensor, Frames]:
    probe = Probe()
    frame = predictor(Composed(probe), settings)(Frames(img0=img0, img1=img0), 0.5, None).frame
    return frame, probe.seen[0]


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 3, 37, 50, generator=torch.Generator().manual_seed(1))


def test_padding_goes_where_the_protocol_says(image: Tensor) -> None:
    right_below, seen = run(Settings(), image)
    assert right_below.shape == image.shape
    assert seen.img0.shape == (1, 3, 48, 64)
    assert torch.equal(seen.img0[..., :37, :50], image)
    assert torch.equal(seen.img0[..., 40, :50], image[..., -1, :])
    grey, seen = run(Settings(padding="grey"), image)
    assert grey.shape == image.shape
    assert bool((seen.img0[..., 37:, :] == 0.5).all())
    assert bool((seen.img0[..., 50:] == 0.5).all())
    assert torch.equal(seen.img0[..., :37, :50], image)
    centred, seen = run(Settings(placement="centre", padding="zero", multiple=32), image)
    assert centred.shape == image.shape
    assert seen.img0.shape == (1, 3, 64, 64)
    assert torch.equal(seen.img0[..., 13:50, 7:57], image)
    assert not seen.img0[..., :13, :].any()
    assert not seen.img0[..., 57:].any()
    assert torch.equal(centred[:, 1:], image[:, 1:])


def test_a_multiple_that_the_network_does_not_take_is_refused(image: Tensor) -> None:
    with pytest.raises(HarnessError, match="takes multiples of 16 at scale 1, the protocol pads to 20"):
        run(Settings(multiple=20), image)
    frame, seen = run(Settings(multiple=20, scale=0.8), image)
    assert (frame.shape, seen.img0.shape, seen.scale) == (image.shape, (1, 3, 40, 60), 0.8)


def test_colours_are_turned_and_turned_back(image: Tensor) -> None:
    plain, _ = run(Settings(), image)
    turned, seen = run(Settings(channels="bgr"), image)
    assert torch.equal(seen.img0[..., :37, :50], image.flip(1))
    assert torch.equal(turned[:, 1], image[:, 1])
    assert not torch.equal(turned, plain)
    assert torch.equal(turned[:, 0], image[:, 0])


def test_flip_averaging_is_the_mean_with_the_frame_turned(image: Tensor) -> None:
    plain, _ = run(Settings(), image)
    turned, _ = run(Settings(), image.flip(2, 3))
    average, _ = run(Settings(flip_average=True), image)
    torch.testing.assert_close(average, (plain + turned.flip(2, 3)) / 2)
    assert not torch.allclose(average, plain)


@pytest.mark.parametrize("name", ["padding", "placement", "multiple", "scale", "rounding", "flip_average", "channels"])
def test_every_setting_is_in_the_id(name: str) -> None:
    other = {"padding": "zero", "placement": "centre", "multiple": 32, "scale": 0.5, "channels": "bgr"}.get(name, True)
    changed = replace(UNIFIED, settings=replace(UNIFIED.settings, **{name: other}))
    assert protocol_id(changed) != protocol_id(UNIFIED)
    on = replace(UNIFIED, on={"snu-film": replace(UNIFIED.settings, **{name: other})})
    assert protocol_id(on) != protocol_id(UNIFIED)


def test_a_protocol_says_what_holds_on_a_benchmark() -> None:
    half = Settings(scale=0.5)
    protocol = Protocol("mine", version=1, summary="", on={"xiph-4k": half})
    assert protocol.settings_on("xiph-4k") is half
    assert protocol.settings_on("ucf101") == Settings()


def test_every_official_protocol_runs_its_baseline_on_every_benchmark() -> None:
    """Sizes that a protocol pads to must be those that the network takes, at that working scale."""
    from harness.arm import Arm
    from harness.registry.options import parse_choice

    of = {"official-rife": "rife", "official-ifrnet": "ifrnet-s", "official-amt": "amt-s", "official-ema": "ema"}
    of |= {"official-uprnet": "uprnet", "official-sgm": "sgm"}
    found = {entry.spec.name: entry.spec for entry in catalog().entries(Protocol)}
    assert set(found) == {*of, "official-ema-base", "unified"}
    for name, baseline in of.items():
        model = Arm.of(catalog(), parse_choice(baseline)).build(0)
        for settings in (found[name].settings, *found[name].on.values(), *UNIFIED.on.values()):
            predictor(model, settings)  # raises where the multiple does not fit


def test_padding_is_undone_for_maps_and_images() -> None:
    padding = Padding.to_multiple(5, 7, 4, "centre")
    assert (padding.above, padding.below, padding.left, padding.right, padding.size) == (1, 2, 0, 1, (8, 8))
    maps = np.arange(70, dtype=np.uint16).reshape(2, 5, 7)
    assert np.array_equal(padding.pad_maps(maps)[:, 1:6, :7], maps)
    image = torch.rand(1, 3, 5, 7)
    assert torch.equal(padding.crop(padding.pad(image)), image)
    assert torch.equal(padding.crop(padding.pad(image, "zero")), image)
