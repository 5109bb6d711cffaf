"""The fast way of PNG files: the pixels that Pillow gives, or none."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from harness.data import png
from harness.data.images import decode
from harness.errors import HarnessError
from harness.pngfile import SIGNATURE, chunk, chunks_of

HEIGHT, WIDTH = 12, 17
STRIDE = 1 + 3 * WIDTH


def rows(filters: list[int], seed: int = 0, width: int = WIDTH) -> bytearray:
    """What a decoder makes pixels of, whatever they are: a filter and random bytes in each."""
    random = np.random.default_rng(seed).integers(0, 256, (len(filters), 1 + 3 * width), np.uint8)
    random[:, 0] = filters
    return bytearray(random.tobytes())


def file(compressed: bytes, rgb8: tuple[int, ...] = png.RGB8, pieces: int = 1, more: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, *rgb8))
    size = -(-len(compressed) // pieces)
    parts = [chunk(b"IDAT", compressed[at : at + size]) for at in range(0, len(compressed), size)]
    return b"".join([SIGNATURE, header, more, *parts, chunk(b"IEND")])


def fast(content: bytes) -> NDArray[np.uint8] | None:
    chunks = chunks_of(content)
    size = png.size_of(chunks)
    return None if size is None else png.pixels(chunks, size)


def pillow(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=HEIGHT, max_size=HEIGHT),
    st.integers(0, 9),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_pixels_are_those_of_pillow(filters: list[int], level: int, pieces: int, seed: int) -> None:
    content = file(zlib.compress(rows(filters, seed), level), pieces=pieces, more=chunk(b"gAMA", b"\0\0\xb1\x8f"))
    image = fast(content)
    assert image is not None
    np.testing.assert_array_equal(image, pillow(content))


@pytest.mark.parametrize("size", [(448, 256), (333, 211)])
def test_an_image_of_many_stored_blocks(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    found = fast(out.getvalue())
    assert found is not None
    np.testing.assert_array_equal(found, image)


WHOLE = zlib.compress(rows([4] * HEIGHT))
WRONG = {
    "a filter that there is none of": zlib.compress(rows([4] * (HEIGHT - 1) + [5])),
    "a row too few": zlib.compress(rows([4] * (HEIGHT - 1))),
    "a byte too many": zlib.compress(rows([4] * HEIGHT) + b"\0"),
    "a bomb": zlib.compress(bytes(1 << 22)),
    "another checksum": WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]),
    "no end": WHOLE[:-5],
    "no deflate": b"rows as they are",
}


@pytest.mark.parametrize("what", WRONG)
def test_damaged_rows_are_left_to_pillow(what: str) -> None:
    """Which makes of them what it always has: an image, or an error."""
    content = file(WRONG[what])
    assert fast(content) is None
    try:
        expected = pillow(content)
    except (OSError, SyntaxError):
        with pytest.raises(HarnessError, match="cannot be decoded"):
            decode(content, Path("f"))
    else:
        np.testing.assert_array_equal(decode(content, Path("f")), expected)


@pytest.mark.parametrize(
    "content",
    [
        file(WHOLE, (8, 2, 0, 0, 1)),
        file(WHOLE, (16, 2, 0, 0, 0)),
        file(WHOLE, (8, 6, 0, 0, 0)),
        file(WHOLE, more=chunk(b"tRNS", bytes(6))),
        file(WHOLE, more=chunk(b"acTL", struct.pack(">II", 2, 0))),
        file(WHOLE, more=chunk(b"IHDR", bytes(13))),
        SIGNATURE + chunk(b"IEND"),
    ],
    ids=["interlaced", "16-bit", "alpha", "a transparent colour", "animated", "two headers", "no header"],
)
def test_what_is_not_plain_is_left_to_pillow(content: bytes) -> None:
    assert png.size_of(chunks_of(content)) is None


def test_most_is_unfolded_to_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a megabyte may unfold to a gigabyte."""
    asked: list[int] = []

    class Stream:
        eof, unconsumed_tail = False, b""

        def decompress(self, data: bytes, most: int) -> bytes:
            asked.append(most)
            return bytes(most)

    monkeypatch.setattr(png.isal_zlib, "decompressobj", Stream)
    assert png._inflated(b"", 1000) is None
    assert asked == [1000, 1]


def test_most_images_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("Pillow was asked"))
    assert decode(file(WHOLE), Path("f")).shape == (HEIGHT, WIDTH, 3)
