"""A baseline may name the recipe that both arms are trained by where the user names none; all others get what everybody
gets, under the names that they always had."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.distributed import World
from harness.errors import HarnessError
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan, settle
from harness.pair.run import Shared
from harness.registry.catalog import Catalog, catalog
from harness.registry.plugins import discover
from harness.registry.specs import BaselineSpec
from harness.results.records import RECIPE, Asked
from harness.results.store import Store
from harness.suites.plan import jobs_of
from harness.suites.suite import Suite
from harness.train.recipe import load_recipe
from tests.test_bad_input import (  # noqa: F401 - fixtures
    Harness,
    _toyvfi,
    harness,
    refusal,
    videos,
)
from tests.test_plugins import Install, install  # noqa: F401 - fixtures

CPU = torch.device("cpu")
NETS = """
class Net: ...
@hookimpl
def harness_baselines():
    return [BaselineSpec(f'ours-{name}', 'ours_one:Net', summary='', recipe=recipe) for name, recipe in {
        'any': '', 'brief': 'ours-brief', 'core': 'smoke', 'lost': 'ours-breif', 'twice': 'paper',
    }.items()]
@hookimpl
def harness_recipes(): return [FOLDER + '/ours-brief.yaml', FOLDER + '/paper.yaml']
"""
BRIEF = "steps: 3\nbatch: 1\naugment: {crop: 32}\n"


@pytest.fixture
def known(install: Install, tmp_path: Path) -> Catalog:  # noqa: F811
    """With baselines that name a recipe of theirs, one of the harness, one of nobody, and one that two claim."""
    for name in ("ours-brief", "paper"):
        (tmp_path / f"{name}.yaml").write_text(BRIEF)
    return Catalog(install(ours_one=f"FOLDER = {str(tmp_path)!r}\n{NETS}"))


def settled(known: Catalog, baseline: str, **words: Any) -> Plan:
    return settle(Asked(baseline=baseline, **words), known, CPU)


def named(plan: Plan) -> list[Any]:
    """All that a pair, its record and its job are known by."""
    return [plan.asked, plan.command, plan.training.recipe, comparison_of(plan), jobs_of([plan], Path("results"), ())]


# --- which recipe it is


def test_the_users_comes_before_the_baselines_and_that_before_everybodys(known: Catalog) -> None:
    assert settled(known, "ours-any").training.recipe == load_recipe(RECIPE)
    brief, core = settled(known, "ours-brief"), settled(known, "ours-core")
    assert (brief.training.recipe.steps, brief.asked.recipe) == (3, "ours-brief")
    assert (core.training.recipe, core.asked.recipe) == (load_recipe("smoke"), "smoke")
    asked = settled(known, "ours-brief", recipe="quick")
    assert (asked.training.recipe, asked.asked.recipe) == (load_recipe("quick"), "quick")


@pytest.mark.parametrize(
    ("baseline", "recipe"), [("ours-any", "quick"), ("ours-brief", "ours-brief"), ("ours-core", "smoke")]
)
def test_to_ask_for_what_one_gets_anyhow_is_to_ask_for_nothing(known: Catalog, baseline: str, recipe: str) -> None:
    assert named(settled(known, baseline, recipe=recipe)) == named(settled(known, baseline))


@pytest.mark.parametrize("baseline", ["ours-any", "ours-brief", "ours-core"])
@pytest.mark.parametrize("recipe", ["", "quick", "smoke"])
def test_the_command_asks_for_the_same_again(known: Catalog, baseline: str, recipe: str) -> None:
    """Whatever the baseline names: that of the plan, of its job, and that of a record alike."""
    plan = settled(known, baseline, recipe=recipe)
    (job,) = jobs_of([plan], Path("results"), ())
    for words in (plan.command.split(), job.command[3:], plan.asked.command().split()):
        given = words[words.index("--recipe") + 1] if "--recipe" in words else ""
        assert settled(known, baseline, recipe=given).training.recipe == plan.training.recipe


def test_what_names_none_is_called_as_ever() -> None:
    """As before a baseline could name a recipe: a job that is queued is no other command, and a record is as it was."""
    plan = settle(Asked(baseline="ifrnet-s", plugins="hce"), catalog(), CPU)
    assert plan.command == "harness run --baseline ifrnet-s --with hce"
    (job,) = jobs_of([plan], Path("results"), ())
    assert job.command[4:] == (
        "--no-defaults",
        "run",
        "--baseline",
        "ifrnet-s",
        "--with",
        "hce",
        "--results",
        "results",
    )
    assert re.fullmatch(r"ifrnet-s\+hce\.quick\.s0\.[0-9a-f]{8}\.log", job.log.name)
    assert "seed 0 of ifrnet-s by quick on clips" in job.holds
    assert plan.asked.model_dump()["recipe"] == "quick"
    assert settle(Asked(baseline="ifrnet-s", recipe="smoke"), catalog(), CPU).command.endswith(" --recipe smoke")


def naming(baseline: str, recipe: str) -> Catalog:
    """What is installed, where that baseline names that recipe."""
    known = Catalog(discover())
    entry = known.find(BaselineSpec, baseline)
    known._entries["baseline"][baseline] = [replace(entry, spec=replace(entry.spec, recipe=recipe))]
    return known


def test_both_arms_get_it_in_the_runs_of_whoever_asks_for_it(tmp_path: Path) -> None:
    """Names of runs are fingerprints."""
    found = []
    for at, (named_, asked) in enumerate((("smoke", ""), ("smoke", "smoke"), ("", "smoke"))):
        words = Asked(baseline="ifrnet-s", plugins="null", recipe=asked, data="layers:size=64,tests=1")
        plan, store = settle(words, naming("ifrnet-s", named_), CPU), Store(tmp_path / str(at))
        found.append([(run.name, record) for run, record in Shared.of(plan, store, World(0, 1, CPU)).runs(plan, store)])
    assert found[0] == found[1] == found[2]
    assert [record.fingerprint.recipe for _, record in found[0]] == [load_recipe("smoke").training()] * 2


# --- from the command line


def test_a_run_without_a_recipe_is_trained_by_it(
    harness: Harness,  # noqa: F811
    videos: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of toyvfi's, by its name."""
    monkeypatch.setattr("harness.report.figures.draw_figures", lambda pair, plan, store, note: Path("none"))
    outcome = harness(
        *("run", "--baseline", "toy-plain", "--data", f"clips:root={videos}"),
        *("--device", "cpu", "--results", tmp_path / "results"),
    )
    assert outcome.code == 0, outcome
    assert "recipe toy-short (4 steps)" in outcome.out
    (record,) = Store(tmp_path / "results").pair_records().values()
    assert (record.recipe, record.asked.recipe, record.steps) == ("toy-short", "toy-short", 4)
    assert " --recipe toy-short" in record.command
    assert "  recipe       toy-short, unless --recipe names another" in harness("show", "toy-plain").out.splitlines()
    assert "  recipe " not in harness("show", "toy").out


def test_nothing_is_trained_by_a_recipe_that_is_not_there(
    harness: Harness,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = naming("toy-plain", "toy-shrot")
    monkeypatch.setattr("harness.registry.catalog.catalog", lambda: known)
    line = refusal(harness("run", "--baseline", "toy-plain", "--device", "cpu", "--results", tmp_path / "results"))
    assert line.startswith("toy-plain names a recipe of its own: unknown recipe 'toy-shrot'; did you mean 'toy-short'?")
    assert not (tmp_path / "results").exists()


# --- what it is refused for


def test_a_suite_states_its_own(known: Catalog) -> None:
    rows = [{"label": "a", "baseline": "ours-brief"}]
    columns = [{"test": "clips", "level": "easy", "label": "easy"}]
    suite = Suite.model_validate({"title": "t", "summary": "s", "recipe": "smoke", "columns": columns, "rows": rows})
    (asked,) = suite.pairs()
    assert settle(asked, known, CPU).training.recipe == load_recipe("smoke")
    with pytest.raises(ValueError, match="recipe"):
        Suite.model_validate({**suite.model_dump(by_alias=True), "recipe": ""})


def test_a_recipe_that_is_not_there_is_refused_in_one_line(known: Catalog) -> None:
    line = "ours-lost names a recipe of its own: unknown recipe 'ours-breif'; did you mean 'ours-brief'"
    with pytest.raises(HarnessError, match=line) as refused:
        settled(known, "ours-lost")
    assert "\n" not in str(refused.value)
    assert settled(known, "ours-lost", recipe="smoke").asked.recipe == "smoke"
    with pytest.raises(HarnessError, match="ours-twice names a recipe of its own: recipe 'paper' is claimed by"):
        settled(known, "ours-twice")
    with pytest.raises(HarnessError, match=r"^unknown recipe 'smoek'"):
        settled(known, "ours-lost", recipe="smoek")


@pytest.mark.parametrize("recipe", ["mine.yaml", "mine.yml", None, 3])
def test_a_spec_names_a_recipe_and_no_file(recipe: Any) -> None:
    with pytest.raises(ValueError, match=r"of 'mine' is no name of a recipe: its file's, without \.yaml"):
        BaselineSpec("mine", "mine:Net", summary="", recipe=recipe)
