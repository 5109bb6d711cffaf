"""What is installed and what has been run: listed, shown with what options mean, and found by as much of a name as is
its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from harness.cli.cost import _arm as arm_of
from harness.cli.main import cli
from harness.errors import HarnessError
from harness.outcome.pairs import find_pair
from harness.pair.start import find_trained
from harness.registry.catalog import HOOKS, catalog
from harness.registry.docstrings import described
from harness.registry.entry import Entry
from harness.registry.options import options_of
from harness.registry.specs import Spec
from harness.results.names import called, find_run
from harness.results.records import Asked
from harness.results.store import Store
from tests.stores import put

Call = Callable[..., str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """A command that ends well: what it prints."""
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> str:
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, done
        return done.output

    return call


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Pairs of two networks, the first with two seeds."""
    for asked in (
        Asked(baseline="ifrnet-s", plugins="hce,hir"),
        Asked(baseline="ifrnet-s", plugins="hce,hir", seed=1),
        Asked(baseline="rife", plugins="hir:stages=L"),
    ):
        put(tmp_path, asked, (30.0, 30.5))
    return Store(tmp_path)


# --- what options mean


@pytest.mark.parametrize(
    "entry",
    [entry for kind in HOOKS.values() for entry in catalog().entries(kind) if isinstance(entry.spec, Spec)],
    ids=lambda entry: entry.spec.name,
)
def test_every_option_of_what_is_installed_has_its_meaning(entry: Entry[Spec]) -> None:
    assert not [option.name for option in entry.options().values() if not option.meaning]


class Base:
    """Something.

    width   in pixels,
            1 or more
    a, b    of both
    """


class Derived(Base):
    """Something else.

    width  another
    """

    def __init__(self, *, width: int = 1, a: int = 2, other: int = 3) -> None: ...


def test_the_meaning_is_that_of_the_docstring() -> None:
    """A class says again what it means otherwise, and nothing of the rest."""
    assert described(Base) == {"width": "in pixels, 1 or more", "a": "of both", "b": "of both"}
    assert {name: option.meaning for name, option in options_of(Derived, {}).items()} == {
        "width": "another",
        "a": "of both",
        "other": "",
    }


def test_show_says_what_an_option_is_for(call: Call) -> None:
    out = call("show", "slurm")
    assert re.search(r"option time +str, by default '24:00:00'\n +limit of a job, e.g. 90 \(minutes\)", out)


# --- what there is


def test_list_has_all_that_can_be_named(call: Call, store: Store) -> None:
    out = call("list")
    for line in (
        "recipe +smoke +vfi-harness ",
        "suite +table1 +vfi-harness +Table 1: four baselines",
        "observer +vfi-tensorboard +vfi-tensorboard [0-9.]+ +TensorBoard for vfi-harness",
        "launcher +slurm ",
    ):
        assert re.search(f"^{line}", out, re.MULTILINE), line
    assert all(run.name in out for run in store.runs())


def test_show_knows_all_that_list_has(call: Call, store: Store) -> None:
    suite = call("show", "table2b")
    assert "recipe       ablation" in suite
    assert "row          HIR-L (target): rife with hce,hir:stages=L, against Baseline" in suite
    assert "is told      harness_run_started, harness_step_done" in call("show", "vfi-tensorboard")
    run = call("show", "rife+hir.s0")
    assert re.search(r"^  state +evaluated, step [0-9]+ of [0-9]+$", run, re.MULTILINE)
    assert "command      harness run --baseline rife --with hir:stages=L" in run


# --- names


def test_a_pair_is_found_by_as_much_of_its_name_as_is_its_own(store: Store) -> None:
    *_, rife = store.pairs()
    record = store.pair(rife)
    for word in (rife, "rife+hir", "rife+hir.s0", "rif", record.runs[1], record.runs[0], record.labels[1]):
        assert find_pair(store, word) == rife, word
    one = next(pair for pair in store.pairs() if ".s1." in pair)
    assert find_pair(store, "ifrnet-s+hce+hir.s1") == one


def test_of_several_pairs_the_choices_are_said(store: Store) -> None:
    pairs = [pair for pair in store.pairs() if pair.startswith("ifrnet")]
    with pytest.raises(HarnessError, match=r"^'ifr' may be any of 2 pairs: ") as error:
        find_pair(store, "ifr")
    assert all(pair in str(error.value) for pair in pairs)


def test_a_run_is_found_likewise(store: Store, tmp_path: Path) -> None:
    assert find_run(store, "ifrnet-s+hce+hir.s1").name.startswith("ifrnet-s+hce+hir.s1.")
    with pytest.raises(HarnessError, match=r"^'ifrnet-s\+' is the beginning of 2 runs: ifrnet-s\+hce\+hir\.s0\..*, if"):
        find_run(store, "ifrnet-s+")
    with pytest.raises(HarnessError, match=r"^no run 'rofe\.s0' in .*"):
        find_run(store, "rofe.s0")
    pair = store.pairs()[-1]
    plain, own = store.pair(pair).runs
    with pytest.raises(HarnessError, match=re.escape(f"{pair} is a pair: give one of its runs, {plain} or {own}")):
        find_trained(pair, catalog(), store)


NAMES = st.lists(st.from_regex(r"[ab]{1,3}\.s[0-9]{1,2}\.[0-9a]{1,2}", fullmatch=True), min_size=1, unique=True)


@given(NAMES)
@example(["a.s0.0", "a.s0.0a"])
@example(["a.s1.00", "a.s10.00"])
def test_a_whole_name_is_never_another(names: list[str]) -> None:
    """Nor is that of one seed taken for that of another which begins so."""
    for name in names:
        assert called(name, names) == [name]
        arm_and_seed = name.rpartition(".")[0]
        assert {each.rpartition(".")[0] for each in called(arm_and_seed, names)} == {arm_and_seed}
    assert called("", names) == []


def test_cost_takes_the_name_of_an_arm(store: Store) -> None:
    """Options stay with what they are of; what the one lacks the other may add."""
    for name, plugins, label in (
        ("ifrnet-s+hce", "", "ifrnet-s+hce"),
        ("ifrnet-s+hir", "hce:temporal=false", "ifrnet-s+hce(temporal=false)+hir"),
        ("ifrnet-s", "widen:like=hce+hir", "ifrnet-s+widen(like=hce+hir)"),
    ):
        assert arm_of(name, plugins, catalog(), store).label == label
    with pytest.raises(HarnessError, match=r"^'ifrnet-s\+hce\+hir\.s' is the beginning of 2 runs: "):
        arm_of("ifrnet-s+hce+hir.s", "", catalog(), store)
    with pytest.raises(HarnessError, match="unknown baseline 'ifrnet-z'; did you mean"):
        arm_of("ifrnet-z", "", catalog(), store)
