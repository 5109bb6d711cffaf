"""The weights that are shipped: what their specs say of them is so."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import vfi_own
from safetensors.torch import load_file

import harness
from harness import WeightsSpec

FOLDER = Path(vfi_own.__file__).parent
SPECS = {spec.name.removesuffix("-own"): spec for spec in vfi_own.harness_weights()}
SHIPPED = sorted(vfi_own.SHIPPED)


@pytest.mark.parametrize("baseline", SHIPPED)
def test_a_file_is_what_its_spec_says(baseline: str) -> None:
    spec: WeightsSpec = SPECS[baseline]
    content = (FOLDER / spec.file).read_bytes()
    assert (len(content), sha256(content).hexdigest()) == (spec.size, spec.sha256)
    assert spec.sha256 in (FOLDER / f"{spec.name}.md").read_text()
    assert {str(value.dtype) for value in load_file(FOLDER / spec.file).values()} == {"torch.float16"}


@pytest.mark.parametrize("baseline", SHIPPED)
def test_a_file_is_of_its_network(baseline: str) -> None:
    loaded = harness.load(baseline, weights=str(FOLDER / SPECS[baseline].file)).baseline.state_dict()
    kept = load_file(FOLDER / SPECS[baseline].file)
    assert all((loaded[name.removeprefix("baseline.")] == value.float()).all() for name, value in kept.items())


def test_all_of_it_is_small_and_nothing_else_is_there() -> None:
    files = sorted(path.name for path in FOLDER.glob("*.safetensors"))
    assert files == sorted(SPECS[baseline].file for baseline in SHIPPED)
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 16 << 20
