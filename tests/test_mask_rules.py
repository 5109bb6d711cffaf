"""The pair rules: every pixel one label, the same labels in both frames, and nothing that depends on an order."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.masks import Box, Masks, pair_masks, tag_masks
from harness.masks import rules as rules_module

Frame = dict[str, NDArray[np.bool_]]
SIZE = (20, 20)


def square(top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def rules(frame0: Frame, frame1: Frame | None = None) -> Masks:
    return pair_masks(frame0, frame0 if frame1 is None else frame1, SIZE)


def reasons(masks: Masks) -> set[str]:
    return set(masks.dropped)


@st.composite
def rectangles(draw: st.DrawFn) -> NDArray[np.bool_]:
    side = st.integers(0, 12)
    return square(draw(side), draw(side), draw(side), draw(side))


masks = st.one_of(rectangles(), arrays(np.bool_, SIZE))
frames = st.dictionaries(st.sampled_from("abcdefg"), masks, max_size=7)


@settings(max_examples=80, deadline=None)
@given(frames, frames, st.randoms())
def test_properties(frame0: Frame, frame1: Frame, rng: random.Random) -> None:
    found = pair_masks(frame0, frame1, SIZE)
    labels = [set(np.unique(each)) - {0} for each in found.maps]
    assert found.maps.shape == (2, *SIZE)
    assert found.maps.dtype == np.uint16
    assert labels[0] == labels[1] == set(range(1, len(found.tags) + 1))
    assert list(found.tags) == sorted(found.tags)
    told = {each.partition(":")[0] for each in found.dropped}
    assert told | set(found.tags) == frame0.keys() | frame1.keys()
    assert not told & set(found.tags)
    for frame, each in zip((frame0, frame1), found.maps, strict=True):
        kept = {tag: frame[tag] for tag in found.tags}
        for label, mask in enumerate(kept.values(), 1):
            assert mask[each == label].all()  # a label lies in its tag's mask
        covered = np.any(list(kept.values()), 0) if kept else np.zeros(SIZE, bool)
        np.testing.assert_array_equal(each == 0, ~covered)  # and the rest is what no mask covers
        for one in kept:
            for other in kept:
                smaller = min(kept[one].sum(), kept[other].sum())
                assert one == other or 10 * (kept[one] & kept[other]).sum() <= smaller
    shuffled = [dict(rng.sample(list(frame.items()), len(frame))) for frame in (frame0, frame1)]
    again = pair_masks(*shuffled, SIZE)
    np.testing.assert_array_equal(again.maps, found.maps)
    assert (again.tags, again.dropped) == (found.tags, found.dropped)


def test_swapped_frames_have_swapped_maps() -> None:
    frame0 = {"a": square(0, 0, 10, 10), "b": square(9, 0, 10, 10), "c": square(0, 12, 3, 3)}
    frame1 = {"a": square(0, 0, 9, 9), "b": square(9, 0, 10, 10), "c": square(0, 12, 4, 4)}
    one, other = rules(frame0, frame1), rules(frame1, frame0)
    np.testing.assert_array_equal(one.maps, other.maps[::-1])
    assert (one.tags, one.dropped) == (other.tags, other.dropped)


def test_tags_of_one_frame_and_empty_masks_go() -> None:
    here, there = {"dog": square(0, 0, 5, 5), "cat": square(10, 10, 5, 5)}, {"dog": square(1, 1, 5, 5)}
    found = rules(here, there | {"cat": np.zeros(SIZE, bool), "cow": np.zeros(SIZE, bool)})
    assert found.tags == ("dog",)
    assert reasons(found) == {"cat: in one frame only", "cow: empty mask"}
    np.testing.assert_array_equal(found.maps[0], here["dog"])
    np.testing.assert_array_equal(found.maps[1], there["dog"])


def test_nothing_at_all_is_one_region() -> None:
    found = rules({}, {"dog": square(0, 0, 5, 5)})
    assert not found.maps.any()
    assert found.tags == ()


def test_the_rest_may_be_empty() -> None:
    assert (rules({"wall": np.ones(SIZE, bool)}).maps == 1).all()


@pytest.mark.parametrize(("shared", "survives"), [(1, True), (2, False)])
def test_ten_per_cent_of_the_smaller_mask_may_overlap(shared: int, survives: bool) -> None:
    """A mask of 10 pixels, of which 1 or 2 lie in one of 100: exactly a tenth stays."""
    found = rules({"big": square(0, 0, 10, 10), "small": square(10 - shared, 5, 10, 1)})
    assert ("small" in found.tags) is survives
    assert "big" in found.tags
    if survives:
        assert (found.maps == 2).sum((1, 2)).tolist() == [10, 10]  # what both claim is the smaller one's
        assert (found.maps == 1).sum((1, 2)).tolist() == [99, 99]
    else:
        assert reasons(found) == {"small: overlaps big"}


@pytest.mark.parametrize("frame", [0, 1])
def test_an_overlap_in_either_frame_drops_the_tag_from_both(frame: int) -> None:
    apart = {"big": square(0, 0, 10, 10), "small": square(12, 12, 3, 3)}
    over = apart | {"small": square(2, 2, 3, 3)}
    found = rules(over, apart) if frame == 0 else rules(apart, over)
    assert found.tags == ("big",)


def test_the_smaller_of_that_frame_goes() -> None:
    """In the frame where they overlap, `a` is the smaller one, though it is the larger in the other."""
    found = rules(
        {"a": square(0, 0, 4, 4), "b": square(0, 0, 10, 10)}, {"a": square(0, 0, 15, 9), "b": square(0, 12, 3, 3)}
    )
    assert found.tags == ("b",)


def test_of_equal_masks_the_later_name_goes() -> None:
    found = rules({"zebra": square(0, 0, 5, 5), "ant": square(0, 0, 5, 5)})
    assert found.tags == ("ant",)
    assert reasons(found) == {"zebra: overlaps ant"}


def test_the_smallest_goes_first_and_a_tag_that_is_gone_drops_no_other() -> None:
    """Each overlaps the next larger: `small` goes, then `middle`; but a chain stops at what is gone already."""
    chain = {"large": square(0, 0, 12, 12), "middle": square(8, 8, 8, 8), "small": square(14, 14, 4, 4)}
    assert rules(chain).tags == ("large",)
    # by names in place of areas, `middle` would go first and `small` would stay
    assert reasons(rules(chain)) == {"small: overlaps middle", "middle: overlaps large"}
    nested = {"inner": square(4, 4, 3, 3), "outer": square(3, 3, 5, 5), "room": square(0, 0, 20, 20)}
    assert reasons(rules(nested)) == {"inner: overlaps outer", "outer: overlaps room"}


def test_a_tag_hidden_by_smaller_ones_goes_and_its_pixels_go_back() -> None:
    """Ten strips cover a tag, each by 10 % only, in the first frame; in the second they are elsewhere."""
    hidden = {"field": square(5, 0, 10, 20)}
    strips = {f"strip {i}": square(5, 2 * i, 10, 2) for i in range(10)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules_module, "OVERLAP", 100)
        found = rules(hidden | strips, hidden | {tag: square(0, 0, 1, i + 1) for i, tag in enumerate(sorted(strips))})
    assert "field: hidden by others" in found.dropped
    assert not (found.maps[1][5:15] > 0).any()


def test_a_tag_has_the_union_of_its_boxes() -> None:
    boxes = [Box("dog", (0, 0, 5, 5), 0.9), Box("cat", (0, 0, 1, 1), 0.5), Box("dog", (9, 9, 12, 12), 0.4)]
    given = np.stack([square(0, 0, 5, 5), square(1, 1, 1, 1), square(9, 9, 3, 3)])
    found = tag_masks(boxes, given)
    assert list(found) == ["cat", "dog"]
    np.testing.assert_array_equal(found["dog"], given[0] | given[2])
    np.testing.assert_array_equal(found["cat"], given[1])
    assert tag_masks([], np.zeros((0, *SIZE), bool)) == {}


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(HarnessError, match=r"mask of 'dog' is \(3, 3\), its frame \(20, 20\)"):
        rules({"dog": np.ones((3, 3), bool)})


def test_more_tags_than_labels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"tag {number:05d}": np.ones((1, 1), bool) for number in range(65536)}
    with pytest.raises(HarnessError, match="65536 tags in a pair of frames; a label map holds 65535"):
        pair_masks(many, many, (1, 1))
