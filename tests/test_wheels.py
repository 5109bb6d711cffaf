"""Wheels of the core and of every distribution in the tree install from files alone, and are all that is needed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = [
    ROOT,
    *sorted(path.parent for at in ("baselines", "adapters") for path in ROOT.glob(f"{at}/*/pyproject.toml")),
]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("dist")
    built = []
    for project in PROJECTS:
        with contextlib.chdir(project):
            built.append(folder / build_wheel(str(folder)))
    return built


@pytest.fixture(scope="module")
def python(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the wheels in it; what others made is seen beside them, which nothing of this tree is."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "beside.pth").write_text(_others())
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--force-reinstall", *map(str, wheels)], check=True, capture_output=True)
    return python


def _others() -> str:
    """As plain lines: editable installs, which are lines of .pth files there, stay out."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    folders |= {path for path in sys.path if path.endswith("site-packages")}
    return "".join(f"{path}\n" for path in sorted(folders))


def test_each_has_its_licence_and_says_so(wheels: list[Path]) -> None:
    text = (ROOT / "LICENSE").read_text()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            (info,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = archive.read(info).decode()
            assert archive.read(info.replace("METADATA", "licenses/LICENSE")).decode() == text, wheel.name
            assert any(name.endswith("/py.typed") for name in archive.namelist()), wheel.name
        assert "\nLicense-Expression: Apache-2.0\n" in metadata, wheel.name


def test_the_core_has_the_texts_of_what_it_bundles(wheels: list[Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
    assert any(name.endswith("licenses/NOTICE") for name in names)
    for text in (ROOT / "harness/data/bundled/LICENSES").iterdir():
        assert any(name.endswith(f"licenses/harness/data/bundled/LICENSES/{text.name}") for name in names)
    assert any(name.endswith("licenses/harness/site/static/LICENSES.txt") for name in names)


def test_the_core_has_all_that_a_site_is_made_of(wheels: list[Path]) -> None:
    site = ROOT / "harness/site"
    files = [path for folder in ("templates", "static") for path in (site / folder).iterdir()]
    assert len(files) > 10
    with zipfile.ZipFile(wheels[0]) as archive:
        assert {path.relative_to(ROOT).as_posix() for path in files} <= {*archive.namelist()}


def test_they_install_in_a_clean_environment(python: Path, tmp_path: Path) -> None:
    """Its commands find all distributions, and a network of one of them is built."""
    where = subprocess.run(
        [str(python), "-c", "import harness; print(harness.__file__)"], cwd=tmp_path, capture_output=True, text=True
    )
    assert Path(where.stdout.strip()).is_relative_to(python.parents[1])
    harness = str(python.parent / "harness")
    done = subprocess.run([harness, "licences"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    stated = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line.startswith("vfi-")}
    ours = {tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] for project in PROJECTS}
    assert stated == dict.fromkeys(ours, "Apache-2.0")
    done = subprocess.run(
        [harness, "check", "ifrnet-s", "--only", "builds"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
