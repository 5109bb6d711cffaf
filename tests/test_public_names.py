"""What is installed beside the harness stands on its public names alone, those of the tree as those of anybody else."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import BaselineSpec, Offers
from harness.data import Triplet
from harness.model import Features, Frames, MotionPrior, Prediction

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = (
    *("harness", "harness.data", "harness.masks", "harness.model", "harness.results", "harness.testing"),
    "harness.weights",
)
NEEDS_NO_TORCH = ("harness", "harness.data", "harness.masks", "harness.results", "harness.weights")
OUTSIDE = ("baselines", "adapters", "tests/third_party", "tests/torture/plugin")
DISTRIBUTIONS = sorted(path.parent for folder in OUTSIDE[:2] for path in ROOT.glob(f"{folder}/*/pyproject.toml"))

# What the public names lack, and tests of the tree's own networks need. Nothing else may be added: it would show that a
# third party cannot test as much.
LACKING = {
    ("baselines/amt/tests/test_harness.py", "harness.measure"),
    ("baselines/ema/tests/test_network.py", "harness.measure"),
    ("baselines/rife/tests/test_network.py", "harness.measure"),
}


def name_in(dotted: str) -> str:
    """What a dotted path takes of the harness: a name, with the public module it is in; without such a module all."""
    parts = dotted.split(".")
    depth = max(depth for depth in range(1, len(parts) + 1) if ".".join(parts[:depth]) in PUBLIC)
    return ".".join(parts[: depth + 1])


def is_public(name: str) -> bool:
    """Whether it is a public module, or a name in the `__all__` of one."""
    module, _, last = name.rpartition(".")
    return name in PUBLIC or (module in PUBLIC and last in importlib.import_module(module).__all__)


def taken(source: str) -> set[str]:
    """Every name of the harness in Python source: imported, reached through a module, or written in a string, as
    factories are, and code for another process."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"(?<![\w./-])harness[\w.:]*", node.value.replace(":", ".")))
            found.update(
                f"{module}.{name}"
                for module, names in re.findall(r"from (harness[\w.]*) import (\w+(?:, \w+)*)", node.value)
                for name in names.split(", ")
            )
    dotted = (each.rstrip(".") for each in found if re.fullmatch(r"harness(\.\w+)*\.?", each))
    return {name_in(each) for each in dotted if not each.endswith("__")}


def sources() -> Iterator[tuple[str, str]]:
    """Every Python file of what is installed beside the harness, by its path, and the code that the README shows."""
    for folder in OUTSIDE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if re.match(r"    (from|import) harness", line):
            yield f"README.md:{number}", line.strip()


def test_private_names_are_seen() -> None:
    """The search below finds a private name however it is written."""
    code = """
import harness
import harness.errors
import harness.model as m, harness.masks.rules as rules
from harness import load, errors, Offers
from harness.registry.specs import Spec
from harness.model.compose import Composed
from harness.model import Padding, Features
harness.arm.load_model("a"); harness.load("b").interpolate; harness.model.Features.refined; harness.__version__
factory = "harness.masks.pipeline:Pipeline"; other = "harness.masks:Pipeline"
patch("harness.model.losses.WEIGHT"); run("import sys; from harness.weights import locate, digest")
prose = "vfi-harness, the harness and `harness.data.Triplet`: harness.masks.Masks."
"""
    private = {name for name in taken(code) if not is_public(name)}
    assert private == {
        "harness.errors",
        "harness.masks.rules",
        "harness.registry",
        "harness.model.compose",
        "harness.model.Padding",
        "harness.arm",
        "harness.masks.pipeline",
        "harness.model.losses",
        "harness.weights.digest",
    }


def test_what_is_installed_beside_the_harness_takes_public_names_only() -> None:
    private = {(path, name) for path, source in sources() for name in taken(source) if not is_public(name)}
    assert private == LACKING


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_there_and_described(module: str) -> None:
    """Written by hand: the docstring that a dataclass is given by itself says no more than its signature."""
    public: Any = importlib.import_module(module)
    assert public.__doc__
    for name in public.__all__:
        thing = getattr(public, name)
        described = thing.__doc__ or ""
        assert described, f"{module}.{name}"
        assert not described.startswith(f"{name}("), f"{module}.{name}"
        assert f"{module}.{name}" not in sys.modules, f"{module}.{name}: a module has the same name"


RECORDS = sorted(
    {
        thing
        for module in map(importlib.import_module, PUBLIC)
        for thing in map(vars(module).get, module.__all__)
        if isinstance(thing, type) and dataclasses.is_dataclass(thing)
    },
    key=lambda record: record.__name__,
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_what_could_change_places_is_given_by_keyword(record: type) -> None:
    """Tensors always, and of other fields all but one of each type. A name cannot pass for a factory, nor the reverse:
    specs refuse both."""
    fields = [field for field in dataclasses.fields(record) if field.init and not field.kw_only]
    assert not [field.name for field in fields if "Tensor" in str(field.type)]
    names, types = [field.name for field in fields], [str(field.type) for field in fields]
    assert names == ["name", "factory"] or len(set(types)) == len(types), dict(zip(names, types, strict=True))


def test_swapped_tensors_and_names_are_refused() -> None:
    """What the rule above is for."""
    image, flow = torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, 2)
    swappable: list[tuple[Any, tuple[Any, ...]]] = [
        (Frames, (image, image)),
        (Features, (image, image)),
        (MotionPrior, (flow, flow, image)),
        (Prediction, (image, flow, flow)),
        (Offers, (16, 64)),
        (Triplet, ("clip/1", "clip", "train", (0, 1, 2))),
        (BaselineSpec, ("net", "net:Net", "a network")),
    ]
    for record, arguments in swappable:
        with pytest.raises(TypeError, match=r"takes \d positional"):
            record(*arguments)
    with pytest.raises(ValueError, match="'net:Net' is not lower-case words"):
        BaselineSpec("net:Net", "net", summary="")


def test_listing_what_is_installed_needs_no_torch() -> None:
    """The modules that an adapter may import beside its specs."""
    code = f"import {', '.join(NEEDS_NO_TORCH)}, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# --- the import contract


@pytest.fixture(scope="module")
def rules() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]


def test_every_distribution_is_under_the_import_contract(rules: Any) -> None:
    packages = {package.name for folder in DISTRIBUTIONS for package in folder.glob("vfi_*")}
    assert len(packages) == len(DISTRIBUTIONS) >= 10
    assert set(rules["root_packages"]) == packages | {"harness"}
    independent = [each["modules"] for each in rules["contracts"] if each["type"] == "independence"]
    assert [set(modules) for modules in independent] == [packages]


@pytest.mark.parametrize("module", [*PUBLIC, "harness.model.brand_new", "harness.brand_new", "harness.cli.main"])
def test_the_import_contract_lets_public_modules_through_and_no_other(module: str, rules: Any, tmp_path: Path) -> None:
    """On a small harness, with the contract as it stands: whatever is not named is private from its first day."""
    (allow_list,) = (each for each in rules["contracts"] if each["type"] == "protected")
    for name in (*PUBLIC, "harness.cli", "harness.cli.main", "harness.brand_new", "harness.model.brand_new", "vfi_new"):
        file = tmp_path.joinpath(*name.split("."), "__init__.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    everything = "".join(f"import {name}\n" for name in PUBLIC)
    (tmp_path / "harness/cli/main/__init__.py").write_text(everything)  # so that each line of the list is of use
    (tmp_path / "vfi_new/__init__.py").write_text(f"import {module}\n")
    lines = ["[importlinter]", "root_packages =", "    harness", "    vfi_new", "[importlinter:contract:1]"]
    for key, value in allow_list.items():
        lines += [f"{key} = {value}"] if isinstance(value, str) else [f"{key} =", *(f"    {each}" for each in value)]
    (tmp_path / "contract.ini").write_text("\n".join(lines))
    command = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--config", "contract.ini", "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert ("1 kept, 0 broken" in done.stdout) == (module in PUBLIC), done.stdout + done.stderr
    assert (f"vfi_new -> {module}" in done.stdout) == (module not in PUBLIC)
