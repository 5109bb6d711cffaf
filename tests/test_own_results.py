"""What `results/` has of the repository's own is whole: its records make pages, and its README says what there is."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from harness.arm import Arm
from harness.outcome.refusals import refusals
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.specs import BaselineSpec
from harness.results.merge import take_in
from harness.results.store import Store
from harness.site.boards import Read, boards, grouped, read_all

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
ARCHIVES = sorted(RESULTS.glob("*/records.zip"))
LARGEST = 1_000_000  # bytes: a repository keeps every one that there ever was
SITE = "site/index.html"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All of them in one folder, as `make site` has them."""
    store = Store(tmp_path_factory.mktemp("records"))
    for archive in ARCHIVES:
        take_in(archive, store)
    return store


@pytest.fixture(scope="module")
def read(store: Store) -> Read:
    return read_all(store)


def test_the_demo_and_the_evidence_have_their_records() -> None:
    assert {archive.parent.name for archive in ARCHIVES} >= {"demo", "evidence"}


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.parent.name)
def test_an_archive_is_small_and_has_no_weights(archive: Path) -> None:
    assert archive.stat().st_size < LARGEST
    assert not [name for name in zipfile.ZipFile(archive).namelist() if "checkpoints" in name]


def test_every_pair_is_finished_and_may_be_compared(read: Read) -> None:
    assert not read.left_out
    assert not read.evaluations
    for name, pair in read.pairs.items():
        assert all(arm.evaluated for arm in pair.arms), name
        assert refusals(pair) == (), name


def test_every_pair_has_its_line_with_a_difference(store: Store, read: Read) -> None:
    lines = [line for board in boards(read, grouped(store, read)) for line in board.lines]
    assert {page for line in lines for page in line.pages.values()} == set(read.pairs)
    assert all(line.sure.mean is not None for line in lines)


def test_the_readme_names_all_that_is_kept_and_leads_to_it() -> None:
    text = (RESULTS / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links[0] == SITE
    assert not [link for link in links if link != SITE and not (RESULTS / link).is_file()]
    kept = re.findall(r"^!results/(.+?)/?$", (ROOT / ".gitignore").read_text("utf-8"), re.MULTILINE)
    named = {link.partition("/")[0] for link in links}
    assert set(kept) - {"README.md"} <= named


def test_the_page_of_costs_has_every_network_as_it_is() -> None:
    """Of all that it counts parameters are told at once: of one arm they stand for the rest."""
    cells = [line.split("|")[1:3] for line in (RESULTS / "cost.md").read_text().splitlines() if line.startswith("| ")]
    shown = {name.strip(): parameters.strip() for name, parameters in cells[1:]}
    ours = {f"vfi-{folder.name}" for folder in (ROOT / "baselines").iterdir()}
    entries = catalog().entries(BaselineSpec)
    names = [entry.spec.name for entry in entries if entry.origin.distribution in ours]
    assert shown.keys() == {*names, *(f"{name}+hce+hir" for name in names)}
    arm = Arm.of(catalog(), parse_choice("ifrnet-s"), parse_choices("hce,hir"))
    count = sum(parameter.numel() for parameter in arm.build(seed=0).parameters())
    assert shown[arm.label] == f"{count / 1e6:.3f}"
