"""Label maps on disk: a mask source is asked once for every pair of frames."""

from __future__ import annotations

import io
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
from harness.masks.source import MaskSource

HIGHEST = 65535

log = logging.getLogger(__name__)


class MaskCache:
    """The maps of a source, kept in `masks` in the cache folder.

    `identity` is what decides the maps besides the frames: name, version and options of the source. Other
    identities have other entries. May be pickled, and used by several processes at once.
    """

    def __init__(self, source: MaskSource, identity: str | Mapping[str, Any]) -> None:
        self.source = source
        text = identity if isinstance(identity, str) else json.dumps(dict(identity), sort_keys=True, default=str)
        self.folder = cache_dir() / "masks" / sha256(text.encode()).hexdigest()[:16]

    def maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """M0, M1 (2, H, W) of RGB frames (H, W, 3).

        Raises HarnessError where the source gives anything but label maps, or the cache cannot be written."""
        file = self._file(img0, img1)
        shape = (2, *img0.shape[:2])
        found = _read(file, shape)
        if found is None:
            found = self._checked(self.source.label_maps(img0, img1), shape)
            with writing(file.parent), replacing(file) as out:
                out.write(_png(found))
        return found

    def _file(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Path:
        content = sha256(f"{img0.shape} {img1.shape} ".encode())
        for image in (img0, img1):
            content.update(np.ascontiguousarray(image).data)
        key = content.hexdigest()[:40]
        return self.folder / key[:2] / f"{key[2:]}.png"

    def _checked(self, maps: Any, shape: tuple[int, ...]) -> NDArray[np.uint16]:
        kind = type(self.source)
        name = f"mask source {kind.__module__}:{kind.__qualname__}"
        if not isinstance(maps, np.ndarray) or maps.dtype.kind not in "iu":
            raise HarnessError(
                f"{name} returns {getattr(maps, 'dtype', type(maps).__name__)}, not an array of integers"
            )
        if maps.shape != shape:
            raise HarnessError(f"{name} returns maps of shape {maps.shape}; frames of this size need {shape}")
        if maps.size and not 0 <= int(maps.min()) <= int(maps.max()) <= HIGHEST:
            raise HarnessError(f"{name} returns labels {maps.min()} to {maps.max()}; they must be 0 to {HIGHEST}")
        return np.ascontiguousarray(maps, dtype=np.uint16)


def _png(maps: NDArray[np.uint16]) -> bytes:
    """Both maps below each other; with 8 bits a pixel where that is enough."""
    from PIL import Image

    tall = maps.reshape(-1, maps.shape[2])
    out = io.BytesIO()
    Image.fromarray(tall.astype(np.uint8) if tall.max(initial=0) < 256 else tall).save(out, "PNG")
    return out.getvalue()


def _read(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint16] | None:
    """The maps; None where there are none, or none that can be read."""
    from PIL import Image

    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HarnessError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            mode, tall = image.mode, np.asarray(image)
        if mode in ("L", "I;16") and tall.shape == (shape[0] * shape[1], shape[2]):
            return tall.astype(np.uint16).reshape(shape)
        reason = f"{mode} {tall.shape} instead of maps {shape}"
    except (OSError, SyntaxError, ValueError) as error:
        reason = str(error)
    log.warning("%s: damaged label maps (%s); made anew", file, reason)
    return None
