"""The difference of a pair clip by clip: each triplet in its clip, clips in order, the same means as in its table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection

from harness.cli.differences import differences as differences_command
from harness.cli.table import table as table_command
from harness.errors import HarnessError
from harness.outcome.pairs import read_pair
from harness.report.by_clip import CLIPS, ByClip, by_clip, clip_sheets, draw_by_clip, strips
from harness.report.picture import styled
from harness.report.sheet import Sheet
from harness.report.tables import pair_sheets
from harness.results.records import Asked, SetRecord, Status
from harness.results.rows import Row
from harness.results.store import Store
from harness.results.trail import Given
from tests.stores import comparison, fingerprint, numbers, pair_record, put_run

Gains = Mapping[str, Mapping[str, Sequence[float]]]
"""Of each level the gain of each triplet of each clip, in dB."""

GAINS: Gains = {
    "easy": {"rain": [0.3, -0.1, 0.1], "wind": [-0.4, -0.2], "sun": [0.9]},
    "hard": {"rain": [0.0, 0.2], "wind": [-0.3, 0.1], "sun": [-0.2]},
}
TRAIL = [Given(0, "aa", "", "", "bb", ""), Given(9, "", "cc", "0.1", "bb", "0.5")]


def put(root: Path, gains: Gains, seed: int = 0, plain: float = 30.0, matched: bool = True, arms: int = 2) -> str:
    """A pair that gained so much, as `harness run` leaves it, tested on a benchmark `set`."""
    store, asked = Store(root), Asked(baseline="net", plugins="more" if arms > 1 else "", seed=seed)
    runs = [store.run(f"{label}.s{seed}.this") for label in ("net", "net+more")[:arms]]
    for arm, run in enumerate(runs):
        rows = [
            Row(
                **{"data": "set-1", "level": level, "triplet": f"{clip}/{at}", "clip": clip, "protocol": "unified"},
                **{"weights": "w", "masks": "none", "regions": "none"},
                values={"psnr": plain + arm * gain, "ssim": 0.9 + arm * gain / 100},
            )
            for level, clips in gains.items()
            for clip, of_clip in clips.items()
            for at, gain in enumerate(of_clip)
        ]
        print_ = fingerprint(seed=seed, initial_weights="" if matched else str(arm), arm=[{"name": run.name}])
        put_run(run, run.name, print_, rows, trail=TRAIL, status=Status(state="evaluated", step=9, steps=9))
    levels = {
        level: tuple(f"{clip}/{at}" for clip, of_clip in clips.items() for at in range(len(of_clip)))
        for level, clips in gains.items()
    }
    labels = ("net", "net+more")[:arms]
    tests = (SetRecord(data="set-1", levels=levels),)
    record = pair_record(asked, runs, labels=labels, protocol="unified", tests=tests, comparison=comparison(asked))
    store.write_pair(f"{runs[-1].name}-tests", record)
    return f"{runs[-1].name}-tests"


def found(root: Path, gains: Gains = GAINS) -> ByClip:
    return by_clip(Store(root), put(root, gains))


def many(count: int, level: str = "easy") -> Gains:
    return {level: {f"clip{at:03d}": [at / 100, at / 100] for at in range(count)}}


def labels_of(sheet: Sheet) -> list[str]:
    return [line.label for line in sheet.lines]


# --- the table


def test_a_row_a_clip_the_best_first_and_the_mean_of_the_pairs_table_below(tmp_path: Path) -> None:
    of = found(tmp_path)
    (sheet,) = clip_sheets(of)
    assert labels_of(sheet) == ["sun", "rain", "wind", "all triplets"]
    assert sheet.columns == ("easy", "hard", "triplets")
    shown = numbers(sheet)
    for level, clips in GAINS.items():
        for clip, gains in clips.items():
            assert shown[clip, level, "psnr"] == pytest.approx(np.mean(gains))
            assert shown[clip, level, "ssim"] == pytest.approx(np.mean(gains) / 100)
    assert [shown[clip, "triplets", "value"] for clip in labels_of(sheet)] == [2, 5, 4, 11]
    whole = numbers(pair_sheets([of.pair])[0])
    for level in GAINS:
        for value in ("psnr", "ssim"):
            assert shown["all triplets", level, value] == pytest.approx(whole["difference", level, value])
    assert "net+more minus net" in sheet.notes[-1]
    assert "2 of 3 clips gain" in sheet.notes[-1]


def test_a_clip_that_a_level_lacks_has_an_empty_cell(tmp_path: Path) -> None:
    (sheet,) = clip_sheets(found(tmp_path, {"easy": {"rain": [0.1]}, "hard": {"wind": [-0.1]}}))
    assert [[cell.text for cell in line.cells] for line in sheet.lines] == [
        ["+0.100/+0.0010", "", "1"],
        ["", "-0.100/-0.0010", "1"],
        ["+0.100/+0.0010", "-0.100/-0.0010", "2"],
    ]


def test_seeds_are_averaged_triplet_by_triplet(tmp_path: Path) -> None:
    put(tmp_path, {"easy": {"rain": [0.1, 0.3], "wind": [0.0]}}, seed=0)
    name = put(tmp_path, {"easy": {"rain": [0.5, -0.1], "wind": [0.4]}}, seed=3)
    of = by_clip(Store(tmp_path), name)
    assert of.seeds == (0, 3)
    assert of.gains.set_index("triplet")["psnr"].to_dict() == pytest.approx(
        {"rain/0": 0.3, "rain/1": 0.1, "wind/0": 0.2}
    )
    assert "mean over seeds 0, 3" in clip_sheets(of)[0].title


def test_what_rounds_to_nothing_has_no_minus(tmp_path: Path) -> None:
    put(tmp_path, {"easy": {"rain": [-1e-6], "wind": [-1e-7, -1e-7]}})
    shown = CliRunner().invoke(table_command, ["net+more", "--by", "clip", "--results", str(tmp_path)]).stdout
    assert "+0.000/+0.0000" in shown
    assert not re.search(r"-0\.0+(?!\d)", shown)


# --- the picture


def drawn(of: ByClip) -> tuple[list[Axes], str]:
    """The panels, and the caption."""
    with styled():
        figure = strips(of)
        figure.canvas.draw()
    (panel,) = figure.subfigs
    return list(panel.axes), " ".join(text.get_text().replace("\n", " ") for text in panel.texts)


def dots(axis: Axes) -> list[tuple[float, float]]:
    """Gain and line of each."""
    (of,) = (each for each in axis.collections if isinstance(each, PathCollection))
    return [(float(x), float(y)) for x, y in np.asarray(of.get_offsets())]


def bars(axis: Axes) -> list[tuple[float, float]]:
    (of,) = (each for each in axis.collections if isinstance(each, LineCollection))
    return [(float(line[0, 0]), float(line[:, 1].mean())) for line in map(np.asarray, of.get_segments())]


def test_a_dot_a_triplet_in_the_line_of_its_clip_and_a_bar_at_the_mean_of_several(tmp_path: Path) -> None:
    axes, caption = drawn(found(tmp_path))
    assert "Seed 0: nothing is known of another one" in caption
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["sun", "rain", "wind"]
    assert axes[0].yaxis_inverted()
    for axis, (level, clips) in zip(axes, GAINS.items(), strict=True):
        wanted = [(gain, at) for at, clip in enumerate(("sun", "rain", "wind")) for gain in clips[clip]]
        np.testing.assert_allclose(sorted(dots(axis)), sorted(wanted), atol=1e-9)
        means = [(np.mean(clips[clip]), at) for at, clip in enumerate(("sun", "rain", "wind")) if len(clips[clip]) > 1]
        np.testing.assert_allclose(bars(axis), means, atol=1e-9)
        every = [gain for of_clip in clips.values() for gain in of_clip]
        assert axis.get_title() == f"{level}, mean {np.mean(every):+.3f} dB"
        low, high = axis.get_xlim()
        assert low < 0 < high
        assert any(line.get_xdata()[0] == line.get_xdata()[-1] == 0 for line in axis.lines)
        assert axis.get_xlim() == axes[0].get_xlim()


def test_of_many_clips_both_ends_are_drawn_and_the_rest_is_counted(tmp_path: Path) -> None:
    of = found(tmp_path, many(CLIPS + 7))
    (axis,), caption = drawn(of)
    shown = [label.get_text() for label in axis.get_yticklabels()]
    assert shown == [f"clip{at:03d}" for at in (*range(CLIPS + 6, CLIPS // 2 + 6, -1), *range(CLIPS // 2 - 1, -1, -1))]
    assert f"Of {CLIPS + 7} clips the {CLIPS // 2} that gain most" in caption
    assert len(labels_of(clip_sheets(of)[0])) == CLIPS + 8


def test_a_frame_without_error_is_no_gain_of_decibels(tmp_path: Path) -> None:
    """It would squeeze all others into a line; the table has it, as the pair's has."""
    of = by_clip(Store(tmp_path), put(tmp_path, {"easy": {"rain": [0.1, 70.0], "wind": [-0.1]}}))
    assert of.exact.sum() == 1
    (axis,), caption = drawn(of)
    assert sorted(x for x, _ in dots(axis)) == pytest.approx([-0.1, 0.1])
    assert "Without 1 triplet" in caption
    (sheet,) = clip_sheets(of)
    assert "1 of 3 triplets are equal to the truth in an arm, which counts as 100 dB." in sheet.notes


def test_a_triplet_without_a_value_leaves_no_mean(tmp_path: Path) -> None:
    """As in the pair's table: the others alone are no mean of the clip, nor of all."""
    (sheet,) = clip_sheets(found(tmp_path, {"easy": {"rain": [0.1, float("nan")], "wind": [-0.1]}}))
    assert {line.label: line.cells[0].text for line in sheet.lines} == {
        "wind": "-0.100/-0.0010",
        "rain": "",
        "all triplets": "",
    }


def test_the_files_hold_what_is_drawn_to_the_bit_and_have_the_same_bytes_again(tmp_path: Path) -> None:
    of = found(tmp_path)
    files = draw_by_clip(of, tmp_path / "one")
    assert [path.name for path in files] == [f"by-clip.{form}" for form in ("png", "pdf", "svg", "csv")]
    for one, other in zip(files, draw_by_clip(of, tmp_path / "other"), strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    table = pd.read_csv(files[-1], converters={"psnr": float})
    assert table.columns.tolist() == ["pair", "test", "level", "clip", "triplet", "psnr", "ssim"]
    assert table["psnr"].tolist() == of.gains["psnr"].tolist()


def test_a_name_sets_no_formula(tmp_path: Path) -> None:
    of = found(tmp_path, {"easy": {"$\\frac{x$": [0.1], "a$b$" * 20: [0.2, 0.1]}})
    arms = tuple(dataclasses.replace(arm, label=r"$\frac{x$ $^$") for arm in of.pair.arms)
    draw_by_clip(dataclasses.replace(of, pair=dataclasses.replace(of.pair, arms=arms)), tmp_path)


# --- the commands


def call(root: Path, *words: str) -> Result:
    command = differences_command if words[0] == "differences" else table_command
    return CliRunner().invoke(command, [*words[1:], "--results", str(root)])


def test_the_command_writes_among_the_pairs_figures(tmp_path: Path) -> None:
    name = put(tmp_path, GAINS)
    done = call(tmp_path, "differences", "net+more")
    assert done.exit_code == 0, done.output
    assert Path(done.output.splitlines()[0]) == tmp_path / "figures" / name / "by-clip.png"


@pytest.mark.parametrize("words", [("differences", "net+more"), ("table", "net+more", "--by", "clip")])
def test_unmatched_arms_are_refused(tmp_path: Path, words: Sequence[str]) -> None:
    put(tmp_path, GAINS, matched=False)
    error = call(tmp_path, *words).exception
    assert isinstance(error, HarnessError)
    assert "no difference between unmatched runs" in str(error)
    shown = call(tmp_path, "table", "net+more", "--by", "clip", "--show-unmatched")
    assert shown.exit_code == 0
    assert "NOT MATCHED" in shown.output


def test_what_has_no_difference_is_one_line(tmp_path: Path) -> None:
    put(tmp_path, GAINS, arms=1)
    lines = {
        ("differences", "net"): "is a baseline alone",
        ("table", "net", "--by", "clip"): "is a baseline alone",
        ("differences", "nett"): "no pair 'nett'.*did you mean 'net'",
        ("table", "--by", "clip"): "--by clip is of one pair",
    }
    for words, said in lines.items():
        error = call(tmp_path, *words).exception
        assert isinstance(error, HarnessError), words
        assert re.search(said, str(error)), error
        assert "\n" not in str(error)


def test_a_pair_that_is_not_evaluated_says_what_does_it(tmp_path: Path) -> None:
    name = put(tmp_path, GAINS)
    Store(tmp_path).run(read_pair(Store(tmp_path), name).record.runs[1]).rows.unlink()
    error = call(tmp_path, "differences", "net+more").exception
    assert isinstance(error, HarnessError)
    assert "is not evaluated yet: harness run --baseline net" in str(error)
