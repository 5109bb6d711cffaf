"""One image of a data set: decoded, and refused by name where it is not what the data set's authors published."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.data import png
from harness.errors import HarnessError
from harness.files import small_file
from harness.pngfile import SIGNATURE, WrongSumError, chunks_of

Size = tuple[int, int]
"""Width and height in pixels."""

KINDS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with an alpha channel",
    "RGBA": "RGB with an alpha channel",
    "P": "an image with a palette",
    "I": "16-bit grey",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "F": "an image of floating-point numbers",
    "CMYK": "CMYK",
}
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
"""By content, not by name: of others, Pillow hands some to programs that run what is in the file."""
SMALLEST = 11  # pixels: the window of SSIM
MOST_PIXELS = 1 << 26  # twice a frame of 8K
LONGEST = 1 << 29  # bytes of a file
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # beyond MOST_PIXELS, and refused
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, OverflowError, zlib.error, struct.error)


def read_image(path: Path, size: Size | None = None) -> NDArray[np.uint8]:
    """An 8-bit RGB image (H, W, 3), of `size` where that is given.

    Raises HarnessError that names the file, what is wrong with it and what was expected.
    """
    image = decode(content_of(path), path)
    check_size(path, (image.shape[1], image.shape[0]), size)
    return image


def content_of(path: Path) -> bytes:
    """All bytes of a file. Raises HarnessError where it is missing, empty, not readable or no file."""
    try:
        content = small_file(path, LONGEST)
    except HarnessError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise HarnessError(f"{path}: no such file; copy the data set anew") from None
        raise
    if not content:
        raise HarnessError(f"{path}: the file is empty (0 bytes); copy it anew")
    return content


def decode(content: bytes, path: Path) -> NDArray[np.uint8]:
    """The image (H, W, 3) in the bytes of a file; `path` is for messages. Raises HarnessError as `read_image` does.

    A PNG is held against its checksums, which takes a fiftieth of its decoding.
    """
    try:
        if content.startswith(SIGNATURE) and (plain := _plain(content)) is not None:
            return plain
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise HarnessError(f"{path}: is {text_of(image.size)}, which is no frame of a data set")
            # Pillow reduces 16-bit RGB to 8 bits without a word: the header alone tells
            deep = content.startswith(SIGNATURE) and content[24] == 16
            if deep or image.mode != "RGB":
                kind = "16-bit" if deep else KINDS.get(image.mode, f"of mode {image.mode}")
                raise HarnessError(f"{path}: is {kind}; expected 8-bit RGB")
            if (images := getattr(image, "n_frames", 1)) > 1:
                raise HarnessError(f"{path}: holds {images} images; expected one")
            if min(image.size) < SMALLEST:
                raise HarnessError(f"{path}: is {text_of(image.size)}; frames are at least {SMALLEST} pixels a side")
            return np.asarray(image)
    except UnidentifiedImageError:
        listed = ", ".join(FORMATS)
        raise HarnessError(f"{path}: is no image; expected 8-bit RGB, as {listed}; copy it anew") from None
    except Image.DecompressionBombError as error:
        raise HarnessError(f"{path}: is no frame of a data set: {error}") from error
    except WrongSumError as error:
        raise HarnessError(f"{path}: a checksum is wrong ({error}); damaged, copy it anew") from error
    except _DAMAGE as error:
        raise HarnessError(f"{path}: cannot be decoded ({error}); cut off or damaged, copy it anew") from error


def _plain(content: bytes) -> NDArray[np.uint8] | None:
    """Of a PNG that is as most are. Of all others Pillow says what they are, or what is wrong with them."""
    chunks = chunks_of(content)
    size = png.size_of(chunks)
    if size is None or min(size) < SMALLEST or size[0] * size[1] > MOST_PIXELS:
        return None
    return png.pixels(chunks, size)


def check_size(path: Path, found: Size, expected: Size | None) -> None:
    """Raises HarnessError where an image has not the size that it must have."""
    if expected and found != expected:
        raise HarnessError(f"{path}: is {text_of(found)}; expected {text_of(expected)}")


def text_of(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half as wide and high: means of 2x2 pixels, rounded half up, as area interpolation gives it. Even sides only."""
    total = image[::2, ::2].astype(np.uint16)
    for y, x in ((0, 1), (1, 0), (1, 1)):
        total += image[y::2, x::2]
    return ((total + 2) >> 2).astype(np.uint8)


def centre(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """The part in the middle, (H, W, 3) -> (size[1], size[0], 3). The image must be at least that large."""
    left, top = image.shape[1] // 2 - size[0] // 2, image.shape[0] // 2 - size[1] // 2
    return image[top : top + size[1], left : left + size[0]]
