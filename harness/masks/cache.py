"""Label maps on disk: a mask source is asked once for every pair of frames."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.cache import cache_dir, writing
from harness.errors import HarnessError
from harness.files import replacing
from harness.masks.png import pack, unpack
from harness.masks.rules import HIGHEST
from harness.masks.source import Masks, MaskSource

log = logging.getLogger(__name__)


class MaskCache:
    """The maps of a source, kept in `masks` in the cache folder.

    `identity` is what decides the maps besides the frames: name, version and options of the source, its parts and
    weights. Other identities have other entries. `command` is what makes entries that are missing; without one they
    are made when they are asked for. May be pickled, and used by several processes at once.
    """

    def __init__(self, source: MaskSource, identity: str | Mapping[str, Any], command: str = "") -> None:
        self.source, self.command = source, command
        text = identity if isinstance(identity, str) else json.dumps(dict(identity), sort_keys=True, default=str)
        self.folder = cache_dir() / "masks" / sha256(text.encode()).hexdigest()[:16]

    def maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """M0, M1 (2, H, W) of RGB frames (H, W, 3).

        Raises HarnessError where the source gives anything but label maps, the cache cannot be written, or an entry
        is missing that has to be made by a command.
        """
        return self.masks(img0, img1).maps

    def masks(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Masks:
        """The same with the names of the labels and the tags that were dropped."""
        found = self.read(img0, img1)
        if found is None and self.command:
            raise HarnessError(f"no label maps for a pair of frames in {self.folder}; make them: {self.command}")
        return found or self._keep(img0, img1, self.source.label_maps(img0, img1))

    def make(self, clip: str, first: int, last: int, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Masks:
        """Ask the source for the maps of frames `first` and `last` of a clip, and keep them."""
        return self._keep(img0, img1, self.source.maps_of(clip, first, last, img0, img1))

    def read(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Masks | None:
        """What is kept; None where nothing is, or nothing that can be read."""
        file = self.file(img0, img1)
        try:
            data = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise HarnessError(f"{file}: cannot be read: {error.strerror or error}") from error
        try:
            return unpack(data, (2, *img0.shape[:2]))
        except ValueError as error:
            log.warning("%s: damaged label maps (%s); made anew", file, error)
            return None

    def file(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Path:
        """Where the entry of a pair is, or will be."""
        content = sha256(f"{img0.shape} {img1.shape} ".encode())
        for image in (img0, img1):
            content.update(np.ascontiguousarray(image).data)
        key = content.hexdigest()[:40]
        return self.folder / key[:2] / f"{key[2:]}.png"

    def _keep(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], given: NDArray[np.uint16] | Masks) -> Masks:
        masks = self.checked(given, (2, *img0.shape[:2]))
        file = self.file(img0, img1)
        with writing(file.parent), replacing(file) as out:
            out.write(pack(masks))
        return masks

    def checked(self, given: Any, shape: tuple[int, ...]) -> Masks:
        """What is given for maps of this shape, in one type. Raises HarnessError where it is no label maps."""
        kind = type(self.source)
        name = f"mask source {kind.__module__}:{kind.__qualname__}"
        masks = given if isinstance(given, Masks) else Masks(given)
        maps: Any = masks.maps
        if not isinstance(maps, np.ndarray) or maps.dtype.kind not in "iu":
            raise HarnessError(
                f"{name} returns {getattr(maps, 'dtype', type(maps).__name__)}, not an array of integers"
            )
        if maps.shape != shape:
            raise HarnessError(f"{name} returns maps of shape {maps.shape}; frames of this size need {shape}")
        if maps.size and not 0 <= int(maps.min()) <= int(maps.max()) <= HIGHEST:
            raise HarnessError(f"{name} returns labels {maps.min()} to {maps.max()}; they must be 0 to {HIGHEST}")
        if masks.tags and maps.max(initial=0) > len(masks.tags):
            raise HarnessError(f"{name} returns label {maps.max()} and {len(masks.tags)} names of labels")
        return Masks(np.ascontiguousarray(maps, dtype=np.uint16), tags=tuple(masks.tags), dropped=tuple(masks.dropped))
