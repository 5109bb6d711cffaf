"""Settings and lists that people write: read as they are meant, or refused in one line; nothing hangs or grows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.cache import cache_dir
from harness.data.imageset import lines_of
from harness.data.manifest import read_list, read_manifest
from harness.data.roots import config_file
from harness.errors import HarnessError
from harness.files import SMALL, expanded, small_file
from harness.train.recipe import load_recipe
from harness.yamlfile import load_yaml


class Anything(BaseModel):
    a: Any = None


def value(text: str, folder: Path) -> Any:
    file = folder / "a.yaml"
    file.write_text(f"a: {text}\n", "utf-8")
    return load_yaml(file, Anything).a


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10), ("-7", -7), ("+3", 3), ("0", 0), ("0x10", 16), ("1e3", 1000.0), ("1e-4", 1e-4), (".5", 0.5),
        ("1.", 1.0), ("007.5", 7.5), ("true", True), ("FALSE", False), ("~", None), ("null", None), ("", None),
        ("2024-01-01", "2024-01-01"), ("12:30.mp4", "12:30.mp4"), ("1.5.2", "1.5.2"), ("y", "y"), ("'010'", "010"),
        ('"yes"', "yes"), ("-.inf", float("-inf")), ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_values_are_read_as_yaml_1_2_does(text: str, expected: object, tmp_path: Path) -> None:
    found = value(text, tmp_path)
    assert found == expected
    assert type(found) is type(expected)


ODD = ["010", "-010", "08", "0_1", "0o10", "0b11", "0x_1", "1:30", "190:20:30", "1:30.5", "1_000", "1_0.5", "1_0e3",
       "yes", "No", "ON", "off", "!!int 1:30", "!!int '010'", "!!bool 'yes'"]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_what_yaml_1_1_reads_otherwise_is_refused_with_its_key(text: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"a\.yaml:1: a: .* is one thing in YAML 1\.1 and another in 1\.2; write "):
        value(text, tmp_path)
    with pytest.raises(HarnessError, match=r"a\.yaml:1: a\.b\.1: "):
        value(f"{{b: [1, {text}]}}", tmp_path)


@pytest.mark.parametrize(
    "text",
    ["!!timestamp x", "!!int ''", "!!bool maybe", "!!float q", "!!binary x", "!!timestamp 9999-99-99", 5000 * "9"],
)
def test_a_value_that_no_reader_takes_is_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"a\.yaml:1: a: (cannot be read as|failed to decode)") as error:
        value(text, tmp_path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


@given(st.integers(-(10**9), 10**9) | st.booleans() | st.none() | st.floats(allow_nan=False))
def test_json_means_the_same(tmp_path_factory: pytest.TempPathFactory, given_value: object) -> None:
    import json

    written = json.dumps(given_value).replace("Infinity", ".inf")
    assert value(written, tmp_path_factory.getbasetemp()) == given_value


READERS = {
    "recipe": lambda file: load_recipe(str(file)),
    "clips.yaml": read_manifest,
    "list of triplets": read_list,
    "list of paths": lambda file: list(lines_of(file)),
}


@pytest.mark.parametrize("reader", READERS)
def test_devices_pipes_and_folders_are_refused_at_once(reader: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    os.mkfifo(tmp_path / "pipe")
    for target, reason in (
        ("/dev/zero", "it is a device"),
        (tmp_path / "pipe", "pipe"),
        (tmp_path, "Is a directory"),
    ):
        file.unlink(missing_ok=True)
        file.symlink_to(target)
        with pytest.raises(HarnessError, match=rf"^{re.escape(str(file))}: cannot be read: .*{reason}"):
            READERS[reader](file)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_too_long_is_not_read(reader: str, tmp_path: Path) -> None:
    with (tmp_path / "x.yaml").open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room on disk, and would take a terabyte of memory
    with pytest.raises(HarnessError, match=r"cannot be read: it is longer than [0-9,]+ bytes"):
        READERS[reader](tmp_path / "x.yaml")


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_text_is_one_line(reader: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(HarnessError) as error:
        READERS[reader](tmp_path / "x.yaml")
    assert "\n" not in str(error.value)


def test_a_file_of_exactly_the_size_allowed_is_read(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"x" * SMALL)
    assert small_file(tmp_path / "whole") == b"x" * SMALL
    (tmp_path / "more").write_bytes(b"x" * (SMALL + 1))
    with pytest.raises(HarnessError, match="longer than 1,048,576 bytes"):
        small_file(tmp_path / "more")


@pytest.mark.parametrize("frame", ["1_0", "٣", "²", "9" * 5000, "1.0", ""])
def test_frame_numbers_of_a_list_are_plain_digits(frame: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"level,clip,frame0,frame_gt,frame1\neasy,a,1,{frame},99\n", "utf-8")
    with pytest.raises(HarnessError, match=r"list\.csv:2: frame numbers are not whole numbers"):
        read_list(tmp_path / "list.csv")


def test_no_home_folder_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(path: str | Path) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", none)
    for name in ("HARNESS_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for place in (cache_dir, config_file, lambda: expanded("~/videos")):
        with pytest.raises(HarnessError, match=r"^~/.*: there is no such home folder; set HOME"):
            place()
