"""The drawn benchmarks: what they say of their frames is so, and every triplet is a function of (seed, index)."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion

from harness.data.benchmark import Triplet, frames_hash
from harness.data.scene import SOLID
from harness.data.sets.layers import Layers, LayersFast
from harness.data.textures import TEST, TRAIN, Split, _photograph
from harness.errors import HarnessError
from harness.model import warp
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BenchmarkSpec

SIZE = 64


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of waves that are long beside a pixel, so that reading between pixels is nearly exact."""
    folder = tmp_path_factory.mktemp("smooth")
    y, x = np.mgrid[:96, :96]
    for number, (a, b, c) in enumerate([(0.21, 0.13, 0.05), (0.05, 0.23, 0.17), (-0.19, 0.11, 0.2)]):
        waves = [np.sin(a * x + b * y), np.sin(b * x - c * y), np.cos(c * x + a * y)]
        Image.fromarray((128 + 100 * np.stack(waves, -1)).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def warp_errors(data: Layers, index: int, off: float = 0.0) -> Mapping[str, float]:
    """Mean distance in grey levels between a frame and the other one warped to it by the true flow, which is made
    wrong by `off` pixels: in pixels that are visible there and away from edges."""
    triplet = data.test[index]
    images = dict(zip("0t1", data.read(triplet), strict=True))
    truth = data.truth(triplet)
    labels = dict(zip("0t1", truth.labels, strict=True))
    errors = {}
    for pair in ("01", "10", "t0", "t1"):
        name = pair if "t" not in pair else f"_{pair}"
        flow, visible = getattr(truth, f"flow{name}"), getattr(truth, f"visible{name}")
        here, there = pair
        # where a pixel mixes two layers, its colour is neither's
        alone = {each: whole(labels[each]) for each in pair}
        mixed = warp(torch.from_numpy(~alone[there])[None, None].float(), torch.from_numpy(flow)[None])[0, 0] > 0
        judged = visible & alone[here] & ~mixed.numpy()
        found = warp(tensor(images[there]), torch.from_numpy(flow)[None] + off)
        apart = (found - tensor(images[here]))[0].abs().mean(0).numpy()[judged]
        errors[pair] = float(apart.mean()) if judged.sum() > 50 else 0.0
    return errors


def whole(labels: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Pixels all of whose neighbours have their label."""
    found = np.zeros(labels.shape, np.bool_)
    for label in np.unique(labels):
        found |= binary_erosion(labels == label, np.ones((3, 3)), iterations=2, border_value=1)
    return found


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(0, 2**63 - 1),
    st.sampled_from([0.5, 0.25, 0.0]),
    st.floats(0, SIZE),
    st.sampled_from([0.0, 20.0]),
)
def test_the_true_flow_brings_the_frame_back(
    smooth: Path, index: int, seed: int, t: float, motion: float, rotation: float
) -> None:
    data = Layers(size=SIZE, motion=motion, rotation=rotation, scale=0.1, t=t, seed=seed, textures=str(smooth))
    assert max(warp_errors(data, index).values()) < 1.5


def test_a_flow_that_is_wrong_by_a_pixel_does_not(smooth: Path) -> None:
    data = Layers(size=SIZE, textures=str(smooth))
    right, wrong = (np.mean([list(warp_errors(data, i, off).values()) for i in range(10)]) for off in (0.0, 1.0))
    assert right < 1 < 8 < wrong


def test_photographs_come_back_to_resampling_error() -> None:
    data = LayersFast(motion=40)
    right, wrong = (np.mean([list(warp_errors(data, i, off).values()) for i in range(3)]) for off in (0.0, 1.0))
    assert right < 4 < 8 < wrong


def test_what_is_not_visible_is_covered_or_outside(smooth: Path) -> None:
    data = Layers(size=SIZE, textures=str(smooth))
    hidden = 0
    for triplet in data.test[:20]:
        truth = data.truth(triplet)
        y, x = np.mgrid[:SIZE, :SIZE]
        to_x, to_y = x + truth.flow01[0], y + truth.flow01[1]
        inside = (to_x >= 0) & (to_x <= SIZE - 1) & (to_y >= 0) & (to_y <= SIZE - 1)
        found = truth.labels[2][
            np.rint(to_y).astype(int).clip(0, SIZE - 1), np.rint(to_x).astype(int).clip(0, SIZE - 1)
        ]
        sure = whole(truth.labels[2])[
            np.rint(to_y).astype(int).clip(0, SIZE - 1), np.rint(to_x).astype(int).clip(0, SIZE - 1)
        ]
        assert not truth.visible01[~inside].any()
        assert (found == truth.labels[0])[inside & sure & truth.visible01].all()
        assert (found > truth.labels[0])[inside & sure & ~truth.visible01].all()
        hidden += int((inside & sure & ~truth.visible01).sum())
    assert hidden > 500


def test_a_triplet_is_a_function_of_seed_and_index(smooth: Path) -> None:
    def hashes(data: Layers, indices: list[int]) -> dict[int, str]:
        return {i: frames_hash(data.read(data.train[i]), data.train[i].t) for i in indices}

    data = Layers(size=SIZE, t=0)
    first = hashes(data, [7, 3, 99_999])
    assert len(set(first.values())) == 3
    assert hashes(pickle.loads(pickle.dumps(Layers(size=SIZE, t=0))), [3, 99_999, 7]) == first
    assert not set(hashes(Layers(size=SIZE, t=0, seed=1), [3, 7]).values()) & set(first.values())
    assert {triplet.t for triplet in data.train[:50]} == {k / 8 for k in range(1, 8)}


def test_the_middle_is_drawn_where_things_are_then(smooth: Path) -> None:
    data = Layers(size=SIZE, textures=str(smooth), rotation=0, scale=0)
    early, middle = (Layers(size=SIZE, textures=str(smooth), rotation=0, scale=0, t=t) for t in (0.25, 0.5))
    for index in range(5):
        quarter, half = (each.truth(each.test[index]) for each in (early, middle))
        moved = np.linalg.norm(half.flow_t1 - half.flow_t0, axis=0)
        of_quarter = np.linalg.norm(quarter.flow_t0, axis=0)
        same = quarter.labels[1] == half.labels[1]
        np.testing.assert_allclose(of_quarter[same], moved[same] / 4, atol=1e-4)
    frames = data.read(data.test[0]).astype(int)
    assert np.abs(frames[1] - frames[[0, 2]].mean(0)).mean() > 5  # no mean of the two


def test_tests_have_photographs_and_outlines_that_training_has_not(smooth: Path) -> None:
    assert not set(TRAIN) & set(TEST)
    for name, side in {**TRAIN, **TEST}.items():
        assert min(_photograph(name).shape[:2]) == side
    data = Layers(size=SIZE, textures=str(smooth), shapes=20)
    looks = {
        split: {
            layer.texture.tobytes()
            for triplet in data.__getattribute__(split)[:10]
            for layer in data.scene(triplet).layers
        }
        for split in ("train", "test")
    }
    assert looks["train"]
    assert looks["test"]
    assert not looks["train"] & looks["test"]


def test_motion_keeps_to_its_bound() -> None:
    data = Layers(size=SIZE, motion=10, rotation=0, scale=0)
    lengths = [
        (number, np.hypot(*layer.motion.shift))
        for triplet in data.train[:100]
        for number, layer in enumerate(data.scene(triplet).layers)
    ]
    shapes = [length for number, length in lengths if number]
    assert max(length for number, length in lengths if not number) <= 5
    assert 9 < max(shapes) <= 10
    assert min(shapes) < 1
    assert 4.5 < np.mean(shapes) < 5.5
    assert LayersFast().size == 256
    assert LayersFast().motion == 72


def test_edges_are_soft_and_labels_are_where_half_is_covered(smooth: Path) -> None:
    data = Layers(size=SIZE, textures=str(smooth))
    soft = 0
    for triplet in data.test[:10]:
        scene = data.scene(triplet)
        labels = scene.labels(0.0)
        pose, front = scene.layers[-1].motion.at(0.0), scene.layers[-1]
        cover = np.asarray(front.covers(pose, (0, 0, SIZE, SIZE)))
        assert ((cover >= SOLID) == (labels == len(scene.layers) - 1)).all()
        soft += int(((cover > 0) & (cover < 255)).sum())
    assert soft > 100


def test_the_digest_is_of_all_that_decides_the_frames(smooth: Path, tmp_path: Path) -> None:
    def digest(**options: Any) -> str:
        return Layers(**{"size": SIZE, "textures": str(smooth), **options}).digest("train")

    assert digest() == digest(tests=5)  # which is of the test split alone
    others = [{"size": 32}, {"motion": 5}, {"shapes": 1}, {"rotation": 1}, {"scale": 0}, {"t": 0.25}, {"seed": 1}]
    assert len({digest(), *(digest(**each) for each in others)}) == 1 + len(others)
    copied = tmp_path / "other"
    copied.mkdir()
    for file in smooth.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    assert digest(textures=str(copied)) == digest()
    image = np.asarray(Image.open(smooth / "1.png")).copy()
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(copied / "1.png")
    assert digest(textures=str(copied)) != digest()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"motion": 65.0}, "motion=65: further than the frame is wide; give 0 to 64"),
        ({"motion": float("nan")}, "motion=nan; give 0 to 64"),
        ({"size": 8}, "size=8; give 32 to 1024"),
        ({"size": 600}, "size=600: none of scikit-image's photographs to test on is that large"),
        ({"t": 1.0}, "t=1: give a time between 0 and 1, or 0 for one drawn for each triplet"),
        ({"shapes": -1}, "shapes=-1; give 0 to 50"),
        ({"tests": 0}, "tests=0; give 1 to 100000"),
        ({"textures": "EMPTY"}, "textures=EMPTY: 0 images in it; at least two are needed, to train and to test on"),
        ({"textures": "ABSENT"}, "textures=ABSENT: no such folder"),
        (
            {"textures": "SMOOTH", "size": 97, "motion": 1.0},
            "textures=SMOOTH: 0.png is 96x96, smaller than frames of 97x97; take it out, or give a smaller size=",
        ),
    ],
)
def test_options_that_make_no_scenes(smooth: Path, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    places = {"SMOOTH": str(smooth), "ABSENT": str(tmp_path / "absent"), "EMPTY": str(tmp_path)}
    given_ = {"size": SIZE, **{key: places.get(str(value), value) for key, value in options.items()}}
    with pytest.raises(HarnessError) as caught:
        Layers(**given_)
    for word, place in places.items():
        said = said.replace(word, place)
    assert str(caught.value) == said


def test_a_build_does_not_draw_every_triplet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract looks at those that are there; of 100,000 that are drawn when asked for, at some."""
    drawn: list[int] = []
    draw = Layers.triplet

    def counted(self: Layers, split: Split, index: int) -> Triplet:
        drawn.append(index)
        return draw(self, split, index)

    monkeypatch.setattr(Layers, "triplet", counted)
    catalog().choose(BenchmarkSpec, parse_choice("layers:tests=5")).build()
    assert 5 + 400 <= len(drawn) <= 5 + 600
    assert max(drawn) > 99_000
