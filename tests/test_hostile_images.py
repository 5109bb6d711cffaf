"""Images: only of five kinds and by content, one frame of a sane size, and never other than its checksums say."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image

from harness.data.images import decode, read_image
from harness.errors import HarnessError
from harness.masks.png import pack, unpack
from harness.masks.precomputed import Precomputed
from harness.masks.source import Masks
from harness.pngfile import SIGNATURE, check_data, chunks_of

FRAME = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
FLIPS = 18_000


def saved(kind: str, image: NDArray[Any] = FRAME, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, colour: int = 2) -> bytes:
    """With right checksums, whatever is in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def refusal(file: Path) -> str:
    with pytest.raises(HarnessError) as error:
        read_image(file)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{file}: ")
    return str(error.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "JPEG", "WEBP"])
def test_five_kinds_are_read_by_their_content(kind: str, tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_bytes(saved(kind))
    assert read_image(tmp_path / "frame.png").shape == FRAME.shape


def test_no_other_kind_is_even_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **more: ran.append(given))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n%%EndComments\nshowpage\n%%EOF\n"
    for content in (eps, saved("GIF"), saved("PPM"), saved("ICO"), saved("PCX"), b"<svg/>"):
        (tmp_path / "frame10.png").write_bytes(content)
        assert refusal(tmp_path / "frame10.png").startswith("is no image; expected 8-bit RGB, as PNG, JPEG, TIFF,")
    assert not ran


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (saved("PNG", FRAME[:1, :1]), "is 1x1; frames are at least 11 pixels a side"),
        (saved("BMP", FRAME[:10]), "is 32x10; frames are at least 11 pixels a side"),
        (png(0, 24, zlib.compress(b"")), "is no image"),
        (png(32, 0, zlib.compress(b"")), "is no image"),
        (png(12_000, 12_000, zlib.compress(b"")), "is 12000x12000, which is no frame of a data set"),
        (png(60_000, 60_000, zlib.compress(b"")), "is no frame of a data set: Image size (3600000000 pixels)"),
        (saved("PNG", save_all=True, append_images=[Image.fromarray(255 - FRAME)]), "holds 2 images; expected one"),
        (saved("TIFF", save_all=True, append_images=[Image.fromarray(255 - FRAME)]), "holds 2 images; expected one"),
        (saved("WEBP", save_all=True, append_images=[Image.fromarray(255 - FRAME)]), "holds 2 images; expected one"),
        (saved("PNG")[:-12], "cannot be decoded (cut off)"),
        (png(32, 24, zlib.compress(b"\0" * 100)), "cannot be decoded"),
        (saved("PNG")[:8], "cannot be decoded"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_frame_is_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_bytes(content)
    assert refusal(tmp_path / "frame.png").startswith(reason)


def test_devices_and_pipes_are_no_frames(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        assert refusal(tmp_path / name).startswith("cannot be read: it is a device, a pipe")


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_flipped_bit_of_a_frame_is_found() -> None:
    """Each of its 20,000 bits."""
    content = saved("PNG")
    for bit in range(8 * len(content)):
        with pytest.raises(HarnessError, match=r"^f: (a checksum is wrong|cannot be decoded|is no image|is 16-bit)"):
            decode(flipped(content, bit), Path("f"))


def labelled() -> Masks:
    maps, random = np.zeros((2, 64, 96), np.uint16), np.random.default_rng(1)
    for label in range(1, 9):
        row, column = random.integers(0, 44), random.integers(0, 72)
        maps[:, row : row + 20, column : column + 24] = label
    return Masks(maps, tags=tuple(f"tag {number}" for number in range(8)), dropped=("sky: too large",))


def test_every_flipped_bit_of_label_maps_is_found() -> None:
    content, random = pack(labelled()), np.random.default_rng(2)
    shape = labelled().maps.shape
    np.testing.assert_array_equal(unpack(content, shape).maps, labelled().maps)
    for bit in [*range(8 * len(content)), *random.integers(0, 8 * len(content), FLIPS - 8 * len(content))]:
        with pytest.raises(ValueError, match=r"\w"):
            unpack(flipped(content, int(bit)), shape)


def test_rows_are_held_against_their_own_checksum() -> None:
    """The sums of the parts may be right, and the rows be others than those that were compressed."""
    rows = bytearray(zlib.compress(b"\0" * 33 * 24, 0))
    rows[20] ^= 1
    content = png(32, 24, bytes(rows), colour=0)
    chunks_of(content)
    with pytest.raises(ValueError, match="incorrect data check"):
        check_data(content, 10_000)
    with pytest.raises(ValueError, match="cut off"):
        check_data(png(32, 24, bytes(rows[:-5]), colour=0), 10_000)


# --- maps that a user brings


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    (tmp_path / "clip").mkdir()
    return tmp_path / "clip"


def read(folder: Path) -> NDArray[np.uint16]:
    image = np.zeros((24, 32, 3), np.uint8)
    return Precomputed(root=str(folder.parent)).maps_of("clip", 1, 1, image, image)


LABELS = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) % 7
BYTES = LABELS.astype(np.uint8)


def npz(array: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, array)
    return out.getvalue()


def test_brought_maps_are_read(maps: Path) -> None:
    for name, content in (("1.png", saved("PNG", LABELS)), ("1.npz", npz(LABELS))):
        (maps / name).write_bytes(content)
        np.testing.assert_array_equal(read(maps)[0], LABELS)
        (maps / name).unlink()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("1.png", saved("TIFF", LABELS), "no PNG file"),
        ("1.png", saved("PNG", BYTES, save_all=True, append_images=[Image.fromarray(BYTES + 1)]), "several images"),
        ("1.png", png(32, 24, zlib.compress(b"\0" * (1 << 26)), colour=0), "rows of more than 3,456 bytes"),
        ("1.npz", npz(np.zeros((1 << 13, 1 << 13), np.uint8)), "an array of 67,108,992 bytes"),
        ("1.npz", npz(np.array(None)), "Object arrays cannot be loaded"),
        ("1.npz", b"PK", "not a zip file"),
    ],
    ids=range(6),
)  # fmt: skip
def test_what_is_no_label_map_is_one_line(name: str, content: bytes, reason: str, maps: Path) -> None:
    (maps / name).write_bytes(content)
    with pytest.raises(HarnessError, match=rf"{name}: not a label map: .*{reason}") as error:
        read(maps)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["1.png", "1.npz"])
def test_no_flipped_bit_of_brought_maps_is_another_label(name: str, maps: Path) -> None:
    """Some bits of a zip decide nothing that is read."""
    content, random = saved("PNG", LABELS) if name == "1.png" else npz(LABELS), np.random.default_rng(3)
    found = 0
    for bit in random.integers(0, 8 * len(content), 500):
        (maps / name).write_bytes(flipped(content, int(bit)))
        try:
            np.testing.assert_array_equal(read(maps)[0], LABELS)
        except HarnessError:
            found += 1
    assert found == 500 if name == "1.png" else found > 100


def test_a_zip_that_claims_little_unfolds_to_no_more(maps: Path) -> None:
    whole = bytearray(npz(np.zeros((1 << 12, 1 << 12), np.uint8)))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        size = archive.infolist()[0].file_size
    (maps / "1.npz").write_bytes(bytes(whole).replace(struct.pack("<I", size), struct.pack("<I", 900)))
    with pytest.raises(HarnessError, match="not a label map"):
        read(maps)
