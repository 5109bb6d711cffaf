"""Published numbers: as they are printed, and nothing filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.registry.plugins import discover
from harness.report.published import Score, published, tables
from harness.suites.suite import load_suite, suite_files


def test_every_suite_finds_its_published_rows() -> None:
    for name, path in suite_files(discover()).items():
        suite = load_suite(path)
        if not suite.published:
            assert not any(row.published for row in suite.rows), name
            continue
        rows = tables()[suite.published].rows
        assert {row.published for row in suite.rows} == set(rows), name
        for row in rows.values():
            assert set(row.columns) == {column.key for column in suite.columns}, f"{name}: {row.label}"


def test_what_the_extract_does_not_show_stays_empty() -> None:
    rows = tables()["table2b"].rows
    assert {key: row.columns["snu-film extreme"].ssim for key, row in rows.items()} == {
        "none": None,
        "target": None,
        "pixel": None,
        "pixel-target": None,
        "target-pixel": 0.8563,
    }


@pytest.mark.parametrize("table", ["table1", "table2a", "table3"])
def test_every_number_is_in_the_paper(table: str, shared: Path) -> None:
    paper = re.sub(r"\s", "", (shared / "paper" / "paper.txt").read_text("utf-8"))
    for row in tables()[table].rows.values():
        for score in row.columns.values():
            assert f"{score.psnr:.2f}/{score.ssim:.4f}" in paper, row.label


def test_the_text_agrees_with_the_gains() -> None:
    """0.21, 0.07 and 0.08 dB on SNU-FILM extreme (Sec. 4.3); 0.05, 0.07, 0.13 (HCE) and 0.22 (HIR-S) (Sec. 4.4)."""

    def psnr(table: str, row: str) -> float:
        value = tables()[table].rows[row].columns["snu-film extreme"].psnr
        assert value is not None
        return value

    gains = [psnr("table1", f"{name}+hce+hir") - psnr("table1", name) for name in ("rife", "ifrnet", "amt")]
    assert gains == pytest.approx([0.21, 0.07, 0.08])
    gains = [psnr("table2a", name) - psnr("table2a", "none") for name in ("spatial", "temporal", "both")]
    assert gains == pytest.approx([0.05, 0.07, 0.13])
    assert psnr("table2b", "pixel") - psnr("table2b", "none") == pytest.approx(0.22)


def test_costs_by_the_label_of_an_arm() -> None:
    assert published()["cost"]["ema+hce+hir"] == 0.48
    assert len(published()["cost"]) == 8


def test_third_parties_are_named() -> None:
    """Not every number of a network's own table is its authors' own."""
    assert "third party" in tables()["amt-paper"].rows["amt-l"].source
    assert tables()["amt-paper"].rows["amt-s"].columns["vimeo90k test"] == Score(psnr=35.97)
