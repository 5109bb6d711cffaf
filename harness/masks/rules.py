"""From the masks of tags in two frames to label maps that correspond: the pair rules (paper, Sec. 3.3 and A.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.masks.parts import Box
from harness.masks.source import Masks

VERSION = 1  # part of every cache key: raise it when the rules change
OVERLAP = 10  # per cent of the smaller mask's area; above it that mask's tag goes
HIGHEST = 65535  # label in a 16-bit map

Mask = NDArray[np.bool_]  # (H, W)
TagMasks = Mapping[str, Mask]
Stack = NDArray[np.bool_]  # (2, T, H, W): both frames, tags in order of name


def tag_masks(boxes: Sequence[Box], masks: NDArray[np.bool_]) -> dict[str, Mask]:
    """The mask of a tag: the union of the masks (len(boxes), H, W) of its boxes."""
    tags = np.array([box.tag for box in boxes])
    return {str(tag): masks[tags == tag].any(0) for tag in np.unique(tags)}


def pair_masks(frame0: TagMasks, frame1: TagMasks, size: tuple[int, int]) -> Masks:
    """The label maps of a pair of frames of `size` (H, W), from the mask (H, W) of every tag in each.

    1. A tag with an empty mask is undetectable there. Only tags in both frames stay.
    2. Where two masks of one frame, either of them, overlap by more than 10 % of the smaller one's area, the tag of
       the smaller goes from both frames; of equal ones that whose name is later. Pairs are looked at by the area of
       their smaller mask, smallest first, then by its name, the other's, and the frame; those of a tag that is gone
       already are passed over.
    3. A pixel in several of the masks that stay belongs to the smallest of them. A tag that loses all its
       pixels of a frame so goes from both frames, and the others get its pixels.
    4. Labels are 1, 2, ... in order of name; 0 is the rest, and it may be empty.

    Raises HarnessError where there are more than 65,535 tags, or a mask is not of that size.
    """
    for frame in (frame0, frame1):
        wrong = next((tag for tag, mask in frame.items() if mask.shape != size), None)
        if wrong is not None:
            raise HarnessError(f"the mask of '{wrong}' is {frame[wrong].shape}, its frame {size}")
    seen = [{tag for tag, mask in frame.items() if mask.any()} for frame in (frame0, frame1)]
    dropped = dict.fromkeys(seen[0] ^ seen[1], "in one frame only")
    dropped |= dict.fromkeys((frame0.keys() | frame1.keys()) - seen[0] - seen[1], "empty mask")
    tags = sorted(seen[0] & seen[1])
    if len(tags) > HIGHEST:
        raise HarnessError(f"{len(tags)} tags in a pair of frames; a label map holds {HIGHEST}")
    stack = np.array([[frame[tag] for tag in tags] for frame in (frame0, frame1)], bool).reshape(2, len(tags), *size)
    overlapping = _overlapping(tags, stack)
    tags, stack = _without(overlapping, tags, stack)
    dropped |= overlapping
    maps = _painted(stack)
    while hidden := _hidden(tags, maps):
        tags, stack = _without(hidden, tags, stack)
        dropped |= hidden
        maps = _painted(stack)
    return Masks(maps, tags=tuple(tags), dropped=tuple(f"{tag}: {reason}" for tag, reason in sorted(dropped.items())))


def _without(gone: Iterable[str], tags: list[str], stack: Stack) -> tuple[list[str], Stack]:
    kept = [at for at, tag in enumerate(tags) if tag not in set(gone)]
    return [tags[at] for at in kept], stack[:, kept]


def _overlapping(tags: Sequence[str], stack: Stack) -> dict[str, str]:
    """Tags to drop by the second rule, with the reason."""
    rivals = []
    for frame, masks in enumerate(stack):
        areas = masks.sum((1, 2), dtype=np.int64)
        contested = masks[:, masks.sum(0) > 1].astype(np.float32)  # exact: whole numbers below 2^24
        shared = (contested @ contested.T).astype(np.int64)
        for first, second in zip(*np.nonzero(np.triu(shared, 1)), strict=True):
            small, large = (first, second) if areas[first] < areas[second] else (second, first)
            if 100 * shared[first, second] > OVERLAP * areas[small]:
                rivals.append((int(areas[small]), tags[small], tags[large], frame))
    dropped: dict[str, str] = {}
    for _, small, large, _ in sorted(rivals):
        if small not in dropped and large not in dropped:
            dropped[small] = f"overlaps {large}"
    return dropped


def _painted(stack: Stack) -> NDArray[np.uint16]:
    """Label maps (2, H, W): each pixel has the label of the smallest mask over it, of equal ones the later."""
    maps = np.zeros((2, *stack.shape[2:]), np.uint16)
    if stack.shape[1]:
        for labels, masks in zip(maps, stack, strict=True):
            numbers = np.arange(len(masks))
            order = np.lexsort((-numbers, masks.sum((1, 2), dtype=np.int64)))
            smallest = masks[order].argmax(0)
            labels[:] = np.where(masks.any(0), order[smallest] + 1, 0)
    return maps


def _hidden(tags: Sequence[str], maps: NDArray[np.uint16]) -> dict[str, str]:
    """Tags without a pixel in one of the frames."""
    present = np.intersect1d(maps[0], maps[1])
    return {tag: "hidden by others" for label, tag in enumerate(tags, 1) if label not in present}
