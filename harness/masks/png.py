"""An entry of the mask cache: a grey PNG of both maps, with the names of the labels in its text."""

from __future__ import annotations

import io
import json

import numpy as np
from numpy.typing import NDArray

from harness.masks.source import Masks
from harness.pngfile import check_data

TEXT = "vfi-masks"


def pack(masks: Masks) -> bytes:
    """A PNG with the maps below each other, 8 bits a pixel where that is enough, and the names as JSON."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    tall = masks.maps.reshape(-1, masks.maps.shape[2])
    names = PngInfo()
    if masks.tags or masks.dropped:
        names.add_text(TEXT, json.dumps({"tags": masks.tags, "dropped": masks.dropped}))
    out = io.BytesIO()
    Image.fromarray(tall.astype(np.uint8) if tall.max(initial=0) < 256 else tall).save(out, "PNG", pnginfo=names)
    return out.getvalue()


def unpack(data: bytes, shape: tuple[int, ...]) -> Masks:
    """What was packed, as maps of `shape` (2, H, W). Raises ValueError saying what is wrong with it."""
    try:
        tall, text = labels_of(data, (shape[0] * shape[1], shape[2]))
        names = json.loads(text)
        tags, dropped = tuple(names.get("tags", ())), tuple(names.get("dropped", ()))
    except OtherSizeError as error:
        raise ValueError(f"{error} instead of maps {shape}") from error
    except (OSError, SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    if tags and tall.max(initial=0) > len(tags):
        raise ValueError(f"label {tall.max()} of {len(tags)} names")
    return Masks(tall.reshape(shape), tags=tags, dropped=dropped)


class OtherSizeError(ValueError):
    """Labels of another size (H, W) than their frame's, which is the error's argument."""


def labels_of(data: bytes, shape: tuple[int, int]) -> tuple[NDArray[np.uint16], str]:
    """Labels (H, W) of a grey PNG of 8 or 16 bits, and the names in its text.

    Raises OSError, SyntaxError or ValueError where it is none, of another size, or not what its checksums say: without
    them, a flipped bit is another label.
    """
    from PIL import Image

    check_data(data, most=(2 * shape[1] + 8) * 2 * shape[0])
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if image.mode not in ("L", "I;16"):
            raise ValueError(f"mode {image.mode}; grey with 8 or 16 bits is needed")
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError("several images; one is needed")
        if image.size != shape[::-1]:
            raise OtherSizeError((image.height, image.width))
        image.load()
        return np.asarray(image).astype(np.uint16), str(image.info.get(TEXT, "{}"))
