"""What a fingerprint keeps of an adapter: its whole distribution, what that stands on, and what its spec names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.testset import TripletSet
from harness.pair.fingerprint import short
from harness.pair.plan import settle
from harness.pair.run import Shared
from harness.registry import distribution
from harness.registry.catalog import Catalog, catalog
from harness.registry.plugins import discover
from harness.registry.specs import BaselineSpec, BenchmarkSpec, MaskPartSpec, MaskSourceSpec, MetricSpec, PluginSpec
from harness.results.records import Asked
from harness.results.store import Store

HOOKS = """\
from harness import BenchmarkSpec, hookimpl

@hookimpl
def harness_benchmarks():
    return [BenchmarkSpec("pebbles", "vfi_pebbles.data:Pebbles", summary="grey pebbles", fingerprint=FINGERPRINT)]
"""
DATA = '''\
"""Pebbles."""
import numpy as np
from harness.data import Benchmark, Triplet

class Pebbles(Benchmark):
    levels = ("easy",)
    train = tuple(Triplet(f"a/{i}", clip="a", level="train", frames=(i, i + 1, i + 2)) for i in range(8))
    test = (Triplet("b/0", clip="b", level="easy", frames=(0, 1, 2)),)

    def read(self, triplet):
        return np.full((3, 64, 64, 3), 7 * triplet.frames[0], np.uint8)

    def digest(self, split):
        return split  # the same whatever the code does
'''
METADATA = """\
Metadata-Version: 2.1
Name: vfi-pebbles
Version: 0.1
Requires-Dist: Pebble_Maths>=1
Requires-Dist: vfi-harness
Requires-Dist: gravel; extra == "all"
Requires-Dist: sand; python_version < "3"
Requires-Dist: silt
"""


@dataclass
class Installed:
    """The distribution vfi-pebbles, with another package in it, and pebble-maths, which it requires."""

    site: Path
    source: Path

    def write(self, name: str, text: str) -> None:
        """A file of the distribution, or beside it."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def release(self, name: str, number: str) -> None:
        """Another version of a distribution."""
        info = self.site / f"{name.replace('-', '_')}-1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")

    def catalog(self, *fingerprint: str) -> Catalog:
        """As a new process finds it."""
        forget()
        self.write("vfi_pebbles/__init__.py", HOOKS.replace("FINGERPRINT", repr(fingerprint)))
        return Catalog(discover.__wrapped__())

    def code(self, *fingerprint: str) -> dict[str, Any]:
        return self.catalog(*fingerprint).find(BenchmarkSpec, "pebbles").code()


def forget() -> None:
    for cached in (distribution.contents, distribution.requirements, distribution.named, distribution._version):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("vfi_pebbles", "more_pebbles", "quarry")]:
        del sys.modules[name]


@pytest.fixture(params=["wheel", "editable"])
def installed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    site = tmp_path / "site"
    editable = request.param == "editable"
    made = Installed(site, tmp_path / "project" if editable else site)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # or a second edit in one second might not be seen
    files = {
        "vfi_pebbles/data.py": DATA,
        "vfi_pebbles/sizes.json": '{"size": 64}',
        "vfi_pebbles/tests/test_data.py": "def test(): pass",
        "more_pebbles/__init__.py": "SIZE = 1",
    }
    info = site / "vfi_pebbles-0.1.dist-info"
    info.mkdir(parents=True)
    for name, text in files.items():
        made.write(name, text)
    made.catalog()
    recorded = ["vfi_pebbles.pth"] if editable else [*files, "vfi_pebbles/__init__.py", "../../bin/pebbles"]
    (info / "METADATA").write_text(METADATA)
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in [*recorded, "vfi_pebbles-0.1.dist-info/METADATA"]))
    (info / "entry_points.txt").write_text("[harness]\npebbles = vfi_pebbles\n")
    if editable:
        url = {"url": made.source.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(url))
    made.release("pebble-maths", "1.0")
    for folder in {made.source, site}:
        monkeypatch.syspath_prepend(folder)
    yield made
    forget()


def test_words_and_tests_change_nothing(installed: Installed) -> None:
    before = installed.code()
    installed.write("vfi_pebbles/data.py", DATA.replace("Pebbles.", "Many pebbles.") + "# and more\n")
    installed.write("vfi_pebbles/tests/test_data.py", "def test(): assert True")
    installed.write("vfi_pebbles/__pycache__/data.pyc", "bytes")
    assert installed.code() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vfi_pebbles/data.py", DATA.replace("7 *", "8 *")),
        ("vfi_pebbles/sizes.json", '{"size": 65}'),
        ("more_pebbles/__init__.py", "SIZE = 2"),
    ],
)
def test_code_and_data_files_of_the_distribution_count(installed: Installed, name: str, text: str) -> None:
    before = installed.code()
    installed.write(name, text)
    after = installed.code()
    assert after["files"] != before["files"]
    assert {**after, "files": ""} == {**before, "files": ""}


def test_versions_of_what_it_requires_count(installed: Installed) -> None:
    """Not those of extras, nor of what is required elsewhere; the harness is code and no version."""
    before = installed.code()
    assert before["requires"].keys() == {"numpy", "torch", "pebble-maths", "silt"}
    assert before["requires"]["numpy"] == np.__version__
    assert (before["requires"]["pebble-maths"], before["requires"]["silt"]) == ("1.0", "absent")
    installed.release("pebble-maths", "1.1")
    installed.release("gravel", "3.0")
    after = installed.code()
    assert after == before | {"requires": before["requires"] | {"pebble-maths": "1.1"}}


def test_what_the_spec_names_counts(installed: Installed) -> None:
    installed.write("quarry/__init__.py", "HARD = 1")
    installed.write("quarry/stones.txt", "granite")
    installed.write("notes/depth.txt", "3")
    installed.write("pit/stones.txt", "basalt")  # a namespace: it has no __init__
    named = ("quarry", "../notes/depth.txt", "sizes.json", "json.decoder", "pit")
    before = installed.code(*named)
    assert before["named"].keys() == set(named)
    for name, text, file in [
        ("quarry", "marble", "quarry/stones.txt"),
        ("../notes/depth.txt", "4", "notes/depth.txt"),
        ("pit", "gabbro", "pit/stones.txt"),
        ("sizes.json", "{}", "vfi_pebbles/sizes.json"),
    ]:
        installed.write(file, text)
        after = installed.code(*named)
        assert {each for each in named if after["named"][each] != before["named"][each]} == {name}
        before = after


def test_what_the_spec_names_and_is_not_there_is_refused_in_one_line(installed: Installed) -> None:
    line = r"vfi-pebbles: fingerprint names 'qarry', which is no file in .* and nothing that can be imported: install"
    with pytest.raises(HarnessError, match=line):
        installed.code("qarry")


@pytest.mark.parametrize("given", ["quarry", ["quarry"], ("",), (1,)])
def test_a_fingerprint_that_is_no_tuple_of_names_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="is not a tuple of names"):
        PluginSpec("a", "b:C", summary="", fingerprint=given)


def test_where_a_distribution_lies_decides_nothing(tmp_path: Path) -> None:
    """Other files, same names: only what is in them and what they are called counts."""
    kinds = []
    for kind in ("here", "there"):
        top = tmp_path / kind
        for name, text in {"a/__init__.py": "X = 1", "a/b.json": "{}"}.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        kinds.append(distribution.contents("a", str(top / "a" / "__init__.py"), ""))
    assert kinds[0] == kinds[1]


def test_a_neighbour_in_one_folder_is_another_distribution(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("X = 1")
    before = distribution.contents("a", str(tmp_path / "a" / "__init__.py"), "")
    (tmp_path / "b" / "__init__.py").write_text("X = 2")
    distribution.contents.cache_clear()
    assert distribution.contents("a", str(tmp_path / "a" / "__init__.py"), "") == before


def test_a_module_of_no_file_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"lost: no file of lost\.code is found"):
        distribution.contents("lost", "lost/__init__.py", "lost.code")


def test_a_benchmarks_own_code_counts_in_training_and_in_rows(installed: Installed, tmp_path: Path) -> None:
    """Though its digest, which it makes itself, is the same."""

    def names() -> tuple[str, str]:
        asked = Asked(baseline="ifrnet-s", recipe="smoke", data="pebbles")
        plan = settle(asked, installed.catalog(), torch.device("cpu"))
        shared = Shared.of(plan, Store(tmp_path), World(0, 1, plan.device))
        print_ = shared.fingerprint(plan, plan.arm).model_dump(mode="json")
        return short(print_), TripletSet.of(plan.data[0].chosen, None).data_id

    run, data = names()
    installed.write("vfi_pebbles/data.py", f"# words\n{DATA}")
    assert names() == (run, data)
    installed.write("vfi_pebbles/data.py", DATA.replace("7 *", "8 *"))
    other_run, other_data = names()
    assert other_run != run
    assert other_data != data


def test_every_adapter_in_the_tree_has_a_record() -> None:
    """Its own files, and not those of another adapter."""
    kinds = (BaselineSpec, PluginSpec, MaskSourceSpec, MaskPartSpec, BenchmarkSpec, MetricSpec)
    files: dict[str, set[str]] = {}
    for kind in kinds:
        for entry in catalog().entries(kind):
            record = entry.code()
            assert record
            if "files" in record:
                files.setdefault(entry.origin.distribution, set()).add(record["files"])
                assert record["requires"].keys() >= {"numpy", "torch"}
    assert len(files) >= 9
    assert all(len(found) == 1 for found in files.values()), "one distribution, one hash"
    assert len(set.union(*files.values())) == len(files)
