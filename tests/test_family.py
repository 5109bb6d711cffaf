"""Variants against one baseline, in one command and one table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.main import main
from harness.errors import HarnessError
from harness.pair.plan import settle
from harness.registry.catalog import catalog
from harness.registry.options import parse_choices, variants
from harness.report.suite_table import suite_sheet
from harness.results.records import Asked
from harness.results.store import Store
from harness.suites.family import family
from tests.stores import put

Harness = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        ("hce,hir:stages=L", ["hce,hir:stages=L"]),
        ("hce,hir:stages={L, S,LS}", ["hce,hir:stages=L", "hce,hir:stages=S", "hce,hir:stages=LS"]),
        ("hir:stages={L,S},radius={1,2}", [f"hir:stages={a},radius={b}" for a in "LS" for b in "12"]),
        ("{hce,hir}", ["hce", "hir"]),
        ('a:key="{x,y}"', ['a:key="{x,y}"']),
        ('a:key="it ""is"" {x}",b={1}', ['a:key="it ""is"" {x}",b=1']),
    ],
)
def test_braces_hold_what_an_option_is_in_turn(text: str, expected: list[str]) -> None:
    assert variants(text) == expected


@pytest.mark.parametrize("text", ["hir:stages={L,S", "hir:stages=L}", "hir:stages={L,{S}}", 'hir:stages={"L",S}'])
def test_braces_that_do_not_close_are_refused(text: str) -> None:
    with pytest.raises(HarnessError, match="braces hold what an option is to be in turn, as in"):
        variants(text)


VALUES = st.lists(st.text("LSx1.", min_size=1), min_size=1, unique=True)


@given(VALUES, VALUES)
def test_every_combination_is_there_once(stages: list[str], radii: list[str]) -> None:
    found = [
        dict(parse_choices(each)[0].options)
        for each in variants(f"hir:stages={{{','.join(stages)}}},radius={{{','.join(radii)}}}")
    ]
    assert found == [{"stages": stage, "radius": radius} for stage in stages for radius in radii]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """`harness run`."""
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path / "results"))

    def call(*arguments: str) -> tuple[int, str, str]:
        where = ("--recipe", "smoke", "--data", "layers:size=64,tests=4", "--device", "cpu")
        monkeypatch.setattr(sys, "argv", ["harness", "run", "--baseline", "ifrnet-s", *where, *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


def test_the_variants_are_one_family(tmp_path: Path) -> None:
    """Each stands against the plain baseline, and Holm's correction is over all of them, and over all levels."""
    plans = []
    for seed in range(3):
        for plugins in ("hce", "hir:stages=L", "hce,hir"):
            asked = Asked(
                baseline="ifrnet-s", plugins=plugins, recipe="smoke", data="vimeo90k", test="snu-film", seed=seed
            )
            plans.append(settle(asked, catalog(), torch.device("cpu")))
            put(tmp_path, plans[-1].asked, (30.0 + seed / 100, 30.5 + seed / 50))
    suite = family(plans, {"snu-film": ("easy", "hard")})
    assert [(row.label, row.against) for row in suite.rows] == [
        ("ifrnet-s", ""),
        ("ifrnet-s+hce", "ifrnet-s"),
        ("ifrnet-s+hir(stages=L)", "ifrnet-s"),
        ("ifrnet-s+hce+hir", "ifrnet-s"),
    ]
    assert {pair.seed for pair in suite.pairs()} == {0, 1, 2}
    assert {plan.asked for plan in plans} == {*suite.pairs()}
    sheet = suite_sheet("run", suite, Store(tmp_path))
    (note,) = (note for note in sheet.notes if "Holm" in note and "cells" in note)
    assert "after Holm's correction over all 6 cells of measured gains" in note


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--with", "hce", "--with", "hce"), "--with gives ifrnet-s+hce twice: name each variant once"),
        (("--with", "hir", "--with", "hir:stages={LS,L}"), "--with gives ifrnet-s+hir twice"),
        (("--with", "hce", "--with", "hri"), "unknown plug-in 'hri'; did you mean 'hir'?"),
        (("--with", "hir:stages={L,X}"), "hir: stages=X: expected L | S | SL | LS"),
        (("--with", "hir:stages={L"), "'hir:stages={L': braces hold what"),
    ],
)
def test_a_wrong_variant_is_refused_before_any_is_trained(
    words: tuple[str, ...], line: str, harness: Harness, tmp_path: Path
) -> None:
    code, _, err = harness(*words)
    assert code == 2
    assert f"harness: error: {line}" in err
    assert not (tmp_path / "results").exists()
