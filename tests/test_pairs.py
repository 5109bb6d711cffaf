"""Each baseline of the paper with its plug-ins, through the command line: a few real steps, real tests, one table."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from harness.cli.main import main


@pytest.mark.parametrize("baseline", ["rife", "ifrnet", "amt", "ema"])
def test_the_pair_is_trained_and_tested(
    baseline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["run", "--baseline", baseline, "--with", "hce,hir", "--recipe", "smoke"],
        ["table", "--format", "csv"],
    ):
        monkeypatch.setattr(sys, "argv", ["harness", *command, "--results", str(tmp_path)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert exit_.value.code == 0, err
    rows = {row["row"]: row for row in csv.DictReader(out.splitlines())}
    plain, plugged, difference = (rows[name] for name in (baseline, f"{baseline}+hce+hir", "difference"))
    for level in ("easy", "medium", "hard", "extreme"):
        gain = float(plugged[f"{level} psnr"]) - float(plain[f"{level} psnr"])
        assert float(difference[f"{level} psnr"]) == pytest.approx(gain, abs=0.011)
    assert float(difference["params (M)"]) > 0
    assert len(list(tmp_path.glob("figures/*/gallery.png"))) == 1
