"""What a shell offers while a command is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from harness.cli.main import cli
from harness.results.records import Asked
from harness.results.store import Store
from tests.stores import put, put_evaluation


def offered(*words: str) -> set[str]:
    """For the last of the words."""
    complete = BashComplete(cli, {}, "harness", "_HARNESS_COMPLETE")
    return {item.value for item in complete.get_completions(list(words[:-1]), words[-1])}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("run", "--baseline", "ifr"), {"ifrnet", "ifrnet-s", "ifrnet-l"}),
        (("run", "--with", "hce,hi"), {"hce,hir"}),
        (("run", "--recipe", "clips-"), {"clips-pair"}),
        (("run", "--test", "clips,lay"), {"clips,layers", "clips,layers-fast"}),
        (("run", "--masks", "super"), {"supervoxel"}),
        (("run", "--with", "hir:st"), set()),
        (("eval", "--protocol", "official-r"), {"official-rife"}),
        (("suite", "table2"), {"table2a", "table2b"}),
        (("suite", "clips1", "--launcher", "sl"), {"slurm"}),
        (("cost", "rife", "uprnet-l"), {"uprnet-large", "uprnet-llarge"}),
        (("show", "layers-"), {"layers-fast", "layers-pair"}),
        (("masks", "build", "clips", "--source", "li"), {"lite"}),
        (("data", "verify", "ucf"), {"ucf101"}),
        (("weights", "path", "lpips-alexnet-"), {"lpips-alexnet-trunk"}),
        (("weights", "make", "sgm-l"), {"sgm-local", "sgm-local-base"}),
    ],
)
def test_names_are_offered(words: tuple[str, ...], names: set[str]) -> None:
    assert offered(*words) == names


def test_where_no_name_fits_files_are_offered() -> None:
    complete = BashComplete(cli, {}, "harness", "_HARNESS_COMPLETE")
    (item,) = complete.get_completions(["run", "--recipe"], "mine/re")
    assert (item.value, item.type) == ("mine/re", "file")


@pytest.mark.parametrize("by", ["option", "environment", "file"])
def test_runs_and_pairs_are_those_of_the_results_folder(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = put(tmp_path / "mine", Asked(baseline="ifrnet-s", plugins="hce"), (30.0, 30.5))
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    where: tuple[str, ...] = ("--results", "mine") if by == "option" else ()
    if by == "environment":
        monkeypatch.setenv("HARNESS_RESULTS", "mine")
    if by == "file":
        Path("harness.toml").write_text('results = "mine"\n')
    assert offered("table", *where, "ifrnet-s+") == {pair}
    given = put_evaluation(Store(Path("mine")), Store(Path("mine")), pair)
    assert offered("rows", *where, "ifrnet-s") == {pair, given}
    runs = {run.name for run in Store(Path("mine")).runs()}
    assert offered("eval", *where, "--weights", "ifrnet-s") >= runs
    assert len(runs) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_quick_and_imports_no_torch(shell: str) -> None:
    """As the shell asks for it: after what `_HARNESS_COMPLETE` says."""
    code = (
        "import sys\nfrom harness.cli.main import main\nsys.argv = ['harness']\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    asked = {"_HARNESS_COMPLETE": f"{shell}_complete", "COMP_WORDS": "harness show sup", "COMP_CWORD": "2"}
    if shell == "fish":
        asked["COMP_CWORD"] = "sup"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "supervoxel" in done.stdout
