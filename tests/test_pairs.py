"""Baselines of the paper with their plug-ins, through the command line: a few real steps, real tests, one table. The
suite of tests/test_suites.py has the two others."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from harness.cli.main import main

DRAWN = "ema"
"""The one of which pictures are drawn: that takes as long as all else, and asks nothing of a network but frames."""


@pytest.mark.parametrize("baseline", ["amt", "ema"])
def test_the_pair_is_trained_and_tested(
    baseline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if baseline != DRAWN:
        monkeypatch.setattr("harness.report.figures.draw_gallery", lambda *what: None)
    for command in (
        ["run", "--baseline", baseline, "--with", "hce,hir", "--recipe", "smoke"],
        ["table", "--format", "csv"],
    ):
        monkeypatch.setattr(sys, "argv", ["harness", *command, "--results", str(tmp_path)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert exit_.value.code == 0, err
    numbers = {
        (row["row"], row["column"]): float(row["number"])
        for row in csv.DictReader(out.splitlines())
        if row["value"] in ("psnr", "value") and row["table"].startswith(baseline)
    }
    for level in ("easy", "medium", "hard", "extreme"):
        plain, plugged, difference = (numbers[of, level] for of in (baseline, f"{baseline}+hce+hir", "difference"))
        assert difference == pytest.approx(plugged - plain, abs=1e-9)
    assert numbers["difference", "params (M)"] > 0
    assert len(list(tmp_path.glob("figures/*/gallery.png"))) == (baseline == DRAWN)
