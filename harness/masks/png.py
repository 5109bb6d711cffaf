"""An entry of the mask cache: a grey PNG of both maps, with the names of the labels in its text."""

from __future__ import annotations

import io
import json

import numpy as np

from harness.masks.source import Masks

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
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            mode, tall, text = image.mode, np.asarray(image), image.info.get(TEXT, "{}")
        names = json.loads(text)
        tags, dropped = tuple(names.get("tags", ())), tuple(names.get("dropped", ()))
    except (OSError, SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    if mode not in ("L", "I;16") or tall.shape != (shape[0] * shape[1], shape[2]):
        raise ValueError(f"{mode} {tall.shape} instead of maps {shape}")
    if tags and tall.max(initial=0) > len(tags):
        raise ValueError(f"label {tall.max()} of {len(tags)} names")
    return Masks(tall.astype(np.uint16).reshape(shape), tags=tags, dropped=dropped)
