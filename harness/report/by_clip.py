"""The difference of a pair clip by clip: a table, and a strip plot with a dot a triplet."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from harness.errors import HarnessError
from harness.files import write_text
from harness.outcome.exact import PERFECT, exact_in
from harness.outcome.pairs import Column, PairOutcome, find_pair, read_pair
from harness.outcome.seeds import of_all_seeds, triplet_differences
from harness.printable import printable
from harness.report.formats import in_csv
from harness.report.notes import unmatched_notes
from harness.report.picture import COLUMN, DIFFERENCE, LINE, PAGE, SMALL, laid_out, plain, save, styled
from harness.report.sheet import Cell, Line, Sheet, scores
from harness.report.tables import elsewhere
from harness.results.store import Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

CLIPS = 40
"""What is drawn of a test set at most: the half that gains most and the half that loses most."""

ROW, LABEL = 0.15, 30  # inches of a clip, and characters of its name
KEYS = ("test", "level", "clip", "triplet")


@dataclass(frozen=True)
class ByClip:
    """`gains` has a line a triplet (KEYS, then the difference in every metric, the mean over seeds), clips that gain
    most first; `levels` are those of a test set, as a table calls them. `exact` says which triplets one of the arms has
    without error: their PSNR stands for an infinite one."""

    pair: PairOutcome
    seeds: tuple[int, ...]
    gains: pd.DataFrame
    exact: pd.Series[bool]
    notes: tuple[str, ...]

    @property
    def tests(self) -> list[str]:
        """The test sets, in the order in which they were asked for."""
        return list(dict.fromkeys(at.test for at in self.pair.columns))

    def levels(self, test: str) -> list[Column]:
        """Those of a test set."""
        return [at for at in self.pair.columns if at.test == test]

    @property
    def minus(self) -> str:
        """Which arm less which."""
        return " minus ".join(arm.label for arm in reversed(self.pair.arms))


def by_clip(store: Store, name: str, show_unmatched: bool = False) -> ByClip:
    """Of the pair of that name, with its other seeds. Raises HarnessError where there is no such pair, it has one arm,
    is not evaluated, or its difference is refused."""
    named = find_pair(store, name)
    records = store.pair_records()
    pair = replace(read_pair(store, named, records.get(named)), show_unmatched=show_unmatched)
    if len(pair.arms) < 2:
        raise HarnessError(f"{pair.name} is a baseline alone: there is no difference")
    pairs = of_all_seeds(store, pair, records)
    gains = triplet_differences(pairs)
    if gains is None:
        raise HarnessError(f"{pair.name} is not evaluated yet: {pair.record.asked.command()} does it")
    means = gains.groupby(["test", "clip"])["psnr"].transform("mean")
    gains = gains.assign(of_clip=means).sort_values("of_clip", ascending=False, kind="stable")
    gains = gains.drop(columns="of_clip").reset_index(drop=True)
    found = {(*at, each) for one in pairs for arm in one.arms for at, ids in exact_in(arm.rows).items() for each in ids}
    exact = pd.Series(
        [at in found for at in zip(gains["test"], gains["level"], gains["triplet"], strict=True)], dtype=bool
    )
    seeds = tuple(each.record.seed for each in pairs)
    return ByClip(pair, seeds, gains, exact, tuple(unmatched_notes(pairs)))


def clip_sheets(of: ByClip) -> list[Sheet]:
    """A table a test set: a row a clip, those that gain most first, and the mean of all triplets below."""
    record = of.pair.record
    over = f"{'mean over seeds' if len(of.seeds) > 1 else 'seed'} {', '.join(map(str, of.seeds))}"
    sheets = []
    for test in of.tests:
        gains, levels = of.gains[of.gains["test"] == test], of.levels(test)
        clips = list(gains.groupby("clip", sort=False))
        lines = [Line(str(clip), _cells(rows, levels, record.ssim)) for clip, rows in clips]
        lines.append(Line("all triplets", _cells(gains, levels, record.ssim), rule=True))
        gaining = sum(rows["psnr"].mean(skipna=False) > 0 for _, rows in clips)
        note = (
            f"PSNR (dB) / SSIM, {of.minus}, means over triplets; clips by their mean over all levels. "
            f"In PSNR {gaining} of {len(clips)} {'clip gains' if len(clips) == 1 else 'clips gain'}."
        )
        exact = int(of.exact[gains.index].sum())
        equal = f"{exact} of {len(gains)} triplets are equal to the truth in an arm, which counts as {PERFECT:g} dB."
        notes = (*of.notes, *([equal] if exact else []), note)
        title = f"{record.title}{elsewhere(record)}, {over}: difference by clip of {test}"
        columns = (*(at.level for at in levels), "triplets")
        sheets.append(Sheet(title, columns, tuple(lines), notes, name=f"{record.labels[-1]} by clip"))
    return sheets


def _cells(rows: pd.DataFrame, levels: Sequence[Column], ssim: str) -> tuple[Cell, ...]:
    cells = []
    for at in levels:
        means = rows.loc[rows["level"] == at.level, ["psnr", ssim]].mean(skipna=False)
        cells.append(scores(float(means["psnr"]), float(means[ssim]), "+") if means.notna().all() else Cell())
    return (*cells, Cell(str(len(rows)), (("value", len(rows)),)))


def draw_by_clip(of: ByClip, folder: Path) -> list[Path]:
    """Write by-clip.png, .pdf and .svg, and what is drawn: by-clip.csv, unrounded. The files written."""
    with styled():
        figure = laid_out(strips(of))
        files = [save(figure, folder / f"by-clip.{form}", dpi=300) for form in ("png", "pdf", "svg")]
    table = of.gains.assign(pair=of.pair.name)
    table = table[["pair", *KEYS, *(name for name in of.gains.columns if name not in KEYS)]]
    texts = {column: table[column].map(in_csv) for column in ("pair", *KEYS)}
    write_text(folder / "by-clip.csv", table.assign(**texts).to_csv(index=False))
    return [*files, folder / "by-clip.csv"]


def strips(of: ByClip) -> Figure:
    """A panel a level, below each other by test sets, to be made and written where matplotlib is `styled`."""
    from matplotlib.figure import Figure

    drawn = {test: _drawn(of, test) for test in of.tests}
    wide = PAGE if max(len(of.levels(test)) for test in of.tests) > 1 else COLUMN
    captions = {test: textwrap.wrap(printable(_caption(of, test)), round(wide * 21)) for test in of.tests}
    heights = [ROW * table["clip"].nunique() + 0.9 + LINE * len(captions[test]) for test, table in drawn.items()]
    figure = Figure(figsize=(wide, sum(heights)), layout="constrained")
    panels = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for panel, (test, table) in zip(panels, drawn.items(), strict=True):
        _panel(panel, table, of.levels(test))
        panel.suptitle(plain(textwrap.fill(f"{test}: {of.minus}", round(wide * 16))), fontsize=8)
        panel.supxlabel(plain("\n".join(captions[test])), fontsize=SMALL, x=0.02, ha="left")
    return figure


def _drawn(of: ByClip, test: str) -> pd.DataFrame:
    """The lines of a test set that are drawn."""
    gains = of.gains[(of.gains["test"] == test) & ~of.exact]
    clips = list(gains["clip"].unique())
    kept = clips if len(clips) <= CLIPS else [*clips[: CLIPS // 2], *clips[-CLIPS // 2 :]]
    return gains[gains["clip"].isin(kept)]


def _caption(of: ByClip, test: str) -> str:
    here = of.gains["test"] == test
    words = "A dot is a triplet, a bar the mean of a clip that has several; right of zero plug-ins gain."
    seeds = ", ".join(map(str, of.seeds))
    words += f" Means over seeds {seeds}." if len(of.seeds) > 1 else f" Seed {seeds}: nothing is known of another one."
    if (count := int((here & of.exact).sum())) > 0:
        words += f" Without {count} {'triplet' if count == 1 else 'triplets'} that an arm has exactly."
    if (count := of.gains.loc[here & ~of.exact, "clip"].nunique()) > CLIPS:
        words += f" Of {count} clips the {CLIPS // 2} that gain most and the {CLIPS // 2} that lose most."
    return " ".join([words, *of.notes])


def _panel(panel: SubFigure, table: pd.DataFrame, levels: Sequence[Column]) -> None:
    clips = list(table["clip"].unique())
    axes = panel.subplots(1, len(levels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, at in zip(axes, levels, strict=True):
        rows = table[table["level"] == at.level]
        _strip(axis, rows, clips)
        mean = f", mean {rows['psnr'].mean():+z.3f} dB" if len(rows) else ""
        axis.set_title(plain(textwrap.fill(f"{at.level}{mean}", 26)), fontsize=7)
        axis.set_xlabel("PSNR difference (dB)", fontsize=7)
    axes[0].set_yticks(range(len(clips)), [plain(_short(str(clip))) for clip in clips])
    axes[0].set_ylim(len(clips) - 0.5, -0.5)


def _short(clip: str) -> str:
    clip = printable(clip)
    return clip if len(clip) <= LABEL else f"{clip[: LABEL - 3]}..."


def _strip(axis: Axes, rows: pd.DataFrame, clips: Sequence[object]) -> None:
    """A line a clip."""
    places = {clip: at for at, clip in enumerate(clips)}
    axis.axvline(0, color="black", linewidth=0.6)
    axis.grid(axis="both")
    axis.set_axisbelow(True)
    heights = rows["clip"].map(places)
    axis.scatter(rows["psnr"], heights, s=9, color=DIFFERENCE, alpha=0.6, linewidths=0, zorder=2)
    of_clips = rows.groupby("clip", sort=False)["psnr"]
    means = of_clips.mean()[of_clips.size() > 1]
    lows = means.index.map(places).to_numpy() - 0.32
    axis.vlines(means, lows, lows + 0.64, color="black", linewidth=1.2, zorder=3)
    axis.tick_params(axis="y", length=0)
