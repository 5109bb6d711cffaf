"""Augmentation: a function of (seed, epoch, index), with label maps that stay with their pixels."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.data.augment import Augment, augmented, sample_rng
from harness.errors import HarnessError

NOTHING = Augment(crop=8, hflip=0, vflip=0, reverse=0, rotate=0)

probabilities = st.sampled_from([0.0, 0.3, 0.5, 1.0])
augments = st.builds(
    Augment,
    crop=st.integers(1, 20),
    hflip=probabilities,
    vflip=probabilities,
    reverse=probabilities,
    rotate=probabilities,
)
words = st.integers(0, 2**64 - 1)


def sample(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Frames whose pixels say (frame, row, column), and maps that say the same in one number."""
    frame, row, column = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    frames = np.stack([frame, row, column], axis=-1).astype(np.uint8)
    maps = (frame * 10_000 + row * 100 + column).astype(np.uint16)[[0, 2]]
    return frames, maps


def place(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.asarray(frames.astype(np.int64) @ np.array([10_000, 100, 1]))


@settings(max_examples=200, deadline=None)
@given(augments, words, words, words, st.integers(20, 40), st.integers(20, 40))
def test_maps_stay_with_their_frames(
    augment: Augment, seed: int, epoch: int, index: int, height: int, width: int
) -> None:
    frames, maps = sample(height, width)
    out, labels, t = augmented(frames, maps, 0.25, augment, sample_rng(seed, epoch, index))
    assert labels is not None
    assert out.shape == (3, augment.crop, augment.crop, 3)
    assert np.shares_memory(out, frames)
    assert np.shares_memory(labels, maps)
    assert (out.dtype.name, labels.dtype.name) == ("uint8", "uint16")
    np.testing.assert_array_equal(place(out)[[0, 2]], labels)
    turned = out[0, 0, 0, 0] == 2
    assert t == (0.75 if turned else 0.25)
    assert [out[i, 0, 0, 0] for i in range(3)] == ([2, 1, 0] if turned else [0, 1, 2])
    squares = place(out)[1] % 10_000  # all three frames show the same square, whole
    assert all(np.array_equal(place(out)[i] % 10_000, squares) for i in (0, 2))
    rows, columns = np.unique(squares // 100), np.unique(squares % 100)
    assert (np.ptp(rows), np.ptp(columns)) == (augment.crop - 1, augment.crop - 1)
    assert len(np.unique(squares)) == augment.crop**2


@settings(max_examples=100, deadline=None)
@given(augments, words, words, words)
def test_draws_do_not_depend_on_maps_or_options(augment: Augment, seed: int, epoch: int, index: int) -> None:
    frames, maps = sample(24, 30)
    with_maps, without, plain = (sample_rng(seed, epoch, index) for _ in range(3))
    first, _, t = augmented(frames, maps, 0.5, augment, with_maps)
    second, none, u = augmented(frames, None, 0.5, augment, without)
    augmented(frames, None, 0.5, NOTHING, plain)
    assert none is None
    assert t == u
    np.testing.assert_array_equal(first, second)
    assert with_maps.random() == without.random() == plain.random()


def test_the_same_in_any_order_and_different_for_each_sample() -> None:
    frames, _ = sample(40, 40)
    augment = Augment(crop=16)
    keys = [(seed, epoch, index) for seed in (0, 1, 2**64 - 2, 2**64 - 1) for epoch in (0, 1) for index in range(5)]
    forward = {key: augmented(frames, None, 0.5, augment, sample_rng(*key))[0].tobytes() for key in keys}
    backward = {key: augmented(frames, None, 0.5, augment, sample_rng(*key))[0].tobytes() for key in reversed(keys)}
    assert forward == backward
    assert len({sample_rng(*key).random() for key in keys}) == len(keys)
    assert len(set(forward.values())) > len(keys) * 0.9


def test_streams_of_neighbours_do_not_overlap() -> None:
    draws = [sample_rng(0, 0, index).random(1000) for index in range(3)]
    draws.append(np.random.Generator(np.random.Philox(key=[0, 0])).random(1000))
    assert len(np.unique(np.concatenate(draws))) == 4000


def test_known_numbers() -> None:
    """Another stream would be another data order: old runs could not be repeated."""
    assert sample_rng(7, 3, 11).random(3).tolist() == [0.5013373411429288, 0.6263803852404726, 0.9569580534101313]


def test_global_generators_are_left_alone() -> None:
    frames, maps = sample(30, 30)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    augmented(frames, maps, 0.5, Augment(crop=8), sample_rng(0, 0, 0))
    assert random.getstate() == states[0]
    for now, before in zip(np.random.get_state(), states[1], strict=True):
        np.testing.assert_array_equal(now, before)
    assert torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.parametrize("option", ["hflip", "vflip", "reverse", "rotate"])
def test_each_transform_occurs_at_its_rate(option: str) -> None:
    frames, _ = sample(8, 8)
    augment = NOTHING.model_copy(update={option: 0.3})
    changed = [
        augmented(frames, None, 0.5, augment, sample_rng(0, 0, i))[0].tobytes() != frames.tobytes() for i in range(3000)
    ]
    assert abs(np.mean(changed) - 0.3) < 0.04  # five standard deviations


def test_each_transform_does_what_it_says() -> None:
    frames, _ = sample(8, 8)

    def result(option: str, index: int = 0) -> NDArray[np.uint8]:
        return augmented(frames, None, 0.5, NOTHING.model_copy(update={option: 1.0}), sample_rng(0, 0, index))[0]

    np.testing.assert_array_equal(result("hflip"), frames[:, :, ::-1])
    np.testing.assert_array_equal(result("vflip"), frames[:, ::-1])
    np.testing.assert_array_equal(result("reverse"), frames[::-1])
    turns = [
        next(k for k in range(4) if np.array_equal(result("rotate", i), np.rot90(frames, k, axes=(1, 2))))
        for i in range(600)
    ]
    assert set(turns) == {1, 2, 3}
    assert all(abs(turns.count(k) - 200) < 60 for k in (1, 2, 3))


def test_crops_cover_the_frame_evenly() -> None:
    frames, _ = sample(12, 10)
    corners = [
        tuple(augmented(frames, None, 0.5, NOTHING, sample_rng(0, 1, i))[0][0, 0, 0, 1:].tolist()) for i in range(3000)
    ]
    counts = {corner: corners.count(corner) for corner in set(corners)}
    assert set(counts) == {(row, column) for row in range(5) for column in range(3)}
    assert all(abs(count - 200) < 70 for count in counts.values())


def test_a_crop_as_large_as_the_frame_fits() -> None:
    frames, maps = sample(8, 8)
    out, labels, _ = augmented(frames, maps, 0.5, NOTHING, sample_rng(0, 0, 0))
    np.testing.assert_array_equal(out, frames)
    np.testing.assert_array_equal(labels, maps)


@pytest.mark.parametrize("size", [(7, 20), (20, 7)])
def test_frames_smaller_than_the_crop_are_refused(size: tuple[int, int]) -> None:
    frames, maps = sample(*size)
    with pytest.raises(HarnessError, match=rf"frames of {size[1]}x{size[0]} are smaller than the crop of 8"):
        augmented(frames, maps, 0.5, NOTHING, sample_rng(0, 0, 0))


@pytest.mark.parametrize("wrong", [{"crop": 0}, {"crop": 2.5}, {"hflip": -0.1}, {"rotate": 1.1}, {"flip": 0.5}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Augment.model_validate(wrong)
