"""Convergence curves (paper, Fig. 5): reconstruction loss of both arms of a pair, and their difference below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.files import write_text
from harness.outcome.difference import refuse
from harness.outcome.pairs import PairOutcome
from harness.outcome.seeds import of_all_seeds
from harness.report.formats import in_csv
from harness.report.picture import COLUMN, DIFFERENCE, PAGE, PLAIN, PLUGGED, laid_out, plain, save, styled, wrapped
from harness.results.store import Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

SMOOTHING = 0.05  # of the curve's length
SETTLED = 0.8  # of the curve: its last part

Scale = Literal["log", "linear"]
"""Of the axis of the losses."""


@dataclass(frozen=True)
class Curves:
    """What is drawn of a pair.

    losses      seed, step, then the loss of each arm by label: the mean since the step before, at steps that all have
    difference  step, mean, low, high: second arm minus first, smoothed, with a band; None of one arm
    window      rows that are averaged for the bold curves
    notes       what the band is, and what is missing
    """

    pair: str
    title: str
    labels: tuple[str, ...]
    losses: pd.DataFrame
    difference: pd.DataFrame | None
    window: int
    notes: tuple[str, ...]

    @property
    def caption(self) -> str:
        """What a reader has to know to read the curves."""
        steps = self.losses["step"].drop_duplicates()
        over = min(self.window, len(steps)) * steps.diff().median()
        averaged = f"Bold: mean over {over:g} steps" if len(steps) > 1 else "One step"
        seeds = " and over seeds" if self.losses["seed"].nunique() > 1 else ""
        return " ".join([f"{averaged}{seeds}.", *self.notes])


def curves_of(pair: PairOutcome, store: Store) -> Curves:
    """The pair's losses, with those of its other seeds once it is trained to the end. An arm that has no curve yet is
    left out.

    Raises HarnessError where no arm has a curve, the arms have no step in common, or they are not matched.
    """
    started = [arm for arm in pair.arms if arm.run is not None and arm.run.curve.exists()]
    if not started:
        raise HarnessError(f"{pair.name} has no curve yet: {pair.record.asked.command()} trains it")
    labels = tuple(arm.label for arm in started)
    seeds = of_all_seeds(store, pair, store.pair_records()) if _trained(pair) else [pair]
    losses = _losses(seeds, labels)
    if losses.empty:
        raise HarnessError(f"{pair.name}: no step that {' and '.join(labels)} both have; wait for a few more")
    window = 2 * max(round(losses["step"].nunique() * SMOOTHING / 2), 2) + 1  # odd, so that it is centred
    numbers = sorted(each.record.seed for each in seeds)
    named = f"seed {numbers[0]}" if len(numbers) == 1 else f"seeds {', '.join(map(str, numbers))}"
    title = f"{pair.record.train}, recipe {pair.record.recipe}{pair.record.origin}, {named}"
    last, steps = losses["step"].max(), pair.record.steps
    notes = [f"In training, step {last} of {steps}."] if last < steps else []
    notes += [f"{arm.label} has no curve yet." for arm in pair.arms if arm.label not in labels]
    if len(seeds) > 1:
        notes.append("Losses: band from the lowest to the highest seed.")
    difference = _difference(losses, labels, window) if len(labels) == 2 else None
    if difference is not None:
        notes += [f"Difference: {labels[1]} minus {labels[0]}.", _band(len(seeds))]
        low, high = limits(difference)
        if difference["mean"].min() < low or difference["mean"].max() > high:
            notes.append("The first differences lie beyond the axis.")
    return Curves(pair.name, title, labels, losses, difference, window, tuple(notes))


def _losses(pairs: Sequence[PairOutcome], labels: Sequence[str]) -> pd.DataFrame:
    """Of these seeds, at the steps that all of their arms have. Raises HarnessError where arms are not matched."""
    found = []
    for pair in pairs:
        arms = [arm for arm in pair.arms if arm.label in labels]
        if len(arms) > 1:
            refuse(pair)
        found.append({arm.label: arm.curve() for arm in arms})
    steps = sorted(set.intersection(*(set(curve["step"]) for curves in found for curve in curves.values())))
    of_seeds = [
        pd.DataFrame({"step": steps} | {label: _since(curve, steps) for label, curve in curves.items()})
        for curves in found
    ]
    for pair, losses in zip(pairs, of_seeds, strict=True):
        losses.insert(0, "seed", pair.record.seed)
    return pd.concat(of_seeds, ignore_index=True)


def _since(curve: pd.DataFrame, steps: Sequence[int]) -> NDArray[np.float64]:
    """The mean loss at each of the steps, which are some of the curve's, over all since the one before. A run that was
    found, and not trained for this pair, may have more rows than the others, each a mean over fewer steps."""
    at = np.searchsorted(steps, curve["step"])
    kept = at < len(steps)
    spans, losses = curve["step"].diff().fillna(curve["step"])[kept], curve["loss"][kept]
    shares = spans / spans.groupby(at[kept]).transform("sum")  # 1 of a row alone, whose loss stays as it is to the bit
    return (losses * shares).groupby(at[kept]).sum().to_numpy()


def _difference(losses: pd.DataFrame, labels: Sequence[str], window: int) -> pd.DataFrame:
    """step, mean, low, high: over seeds, or of one seed within the window."""
    from harness.statistics.estimate import curve_band  # imports scipy

    values = losses.assign(value=losses[labels[1]] - losses[labels[0]])[["step", "seed", "value"]]
    smooth = curve_band(values, window)
    if values["seed"].nunique() == 1:
        rolling = values.sort_values("step")["value"].rolling(window, min_periods=2, center=True)
        error = (rolling.std() / rolling.count().map(math.sqrt)).to_numpy()
        smooth["low"], smooth["high"] = smooth["mean"] - error, smooth["mean"] + error
    return smooth


def _band(seeds: int) -> str:
    if seeds > 1:
        return f"Band: 95 % t interval over {seeds} seeds, at each step."
    return "Band: standard error of the bold mean; single seed: it says nothing of another training."


def limits(difference: pd.DataFrame) -> tuple[float, float]:
    """What the axis of the difference spans: 0 and the band of the last SETTLED, since the start is far larger."""
    settled = difference.tail(math.ceil(len(difference) * SETTLED))[["low", "mean", "high"]].to_numpy()
    low, high = min(0.0, np.nanmin(settled)), max(0.0, np.nanmax(settled))
    room = 0.15 * (high - low) or 1e-9
    return float(low - room), float(high + room)


def _trained(pair: PairOutcome) -> bool:
    """Whether the curves of all arms go to the last step."""
    started = all(arm.run is not None and arm.run.curve.exists() for arm in pair.arms)
    return started and all(arm.curve()["step"].max() == pair.record.steps for arm in pair.arms)


def draw_curves(pairs: Sequence[Curves], folder: Path, scale: Scale = "log") -> list[Path]:
    """Write curves.png, .pdf and .svg, a panel a pair, and what is drawn: curves.csv, and difference.csv where there
    is one. The files written."""
    with styled():
        figure = laid_out(figure_of(pairs, scale))
        files = [save(figure, folder / f"curves.{form}", dpi=300) for form in ("png", "pdf", "svg")]
    return files + _write_data(pairs, folder)


def figure_of(pairs: Sequence[Curves], scale: Scale) -> Figure:
    """A panel a pair, to be made and written where matplotlib is `styled`."""
    from matplotlib.figure import Figure

    across = min(len(pairs), 2)
    down = math.ceil(len(pairs) / across)
    figure = Figure(figsize=((COLUMN, PAGE)[across - 1], 3.5 * down), layout="constrained")
    panels = figure.subfigures(down, across, squeeze=False).ravel()
    for panel, curves in zip(panels, pairs, strict=False):
        _panel(panel, curves, scale)
    return figure


def _write_data(pairs: Sequence[Curves], folder: Path) -> list[Path]:
    """curves.csv: pair, seed, step, arm, loss; difference.csv: pair, step, mean, low, high; both unrounded."""
    losses = [
        curves.losses.melt(["seed", "step"], list(curves.labels), "arm", "loss").assign(pair=curves.pair)
        for curves in pairs
    ]
    tables = {"curves.csv": pd.concat(losses)[["pair", "seed", "step", "arm", "loss"]]}
    gaps = [curves.difference.assign(pair=curves.pair) for curves in pairs if curves.difference is not None]
    if gaps:
        tables["difference.csv"] = pd.concat(gaps)[["pair", "step", "mean", "low", "high"]]
    for name, table in tables.items():
        texts = {column: table[column].map(in_csv) for column in ("pair", "arm") if column in table}
        write_text(folder / name, table.assign(**texts).to_csv(index=False))
    return [folder / name for name in tables]


def _panel(panel: SubFigure, curves: Curves, scale: Scale) -> None:
    """One pair: title, losses, below them the difference, below that the caption."""
    from matplotlib.ticker import MaxNLocator

    shown = 1 if curves.difference is None else 2
    axes = panel.subplots(shown, 1, sharex=True, squeeze=False, height_ratios=[2, 1][:shown])[:, 0]
    _draw_losses(axes[0], curves, scale)
    if curves.difference is not None:
        _draw_difference(axes[1], curves, curves.difference)
    for axis in axes:
        axis.grid(which="major")
        axis.margins(x=0.02)
    panel.suptitle(plain(textwrap.fill(curves.title, 46)), fontsize=8)
    axes[-1].set_xlabel("step")
    axes[-1].xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
    panel.supxlabel(plain(textwrap.fill(curves.caption, 76)), fontsize=6, x=0.02, ha="left")


def _draw_losses(axis: Axes, curves: Curves, scale: Scale) -> None:
    """The plain arm is drawn broad, so that one that runs over it leaves it visible. Of one seed what is smoothed is
    seen, too; several are a band. The legend is above, where no curve is."""

    for label, colour, width in zip(curves.labels, (PLAIN, PLUGGED), (2.2, 1.0), strict=False):
        table = curves.losses.pivot(index="step", columns="seed", values=label)
        smoothed = table.rolling(curves.window, min_periods=1, center=True).mean()
        smooth = smoothed.mean(axis=1)
        if table.shape[1] > 1:
            low, high = smoothed.min(axis=1).to_numpy(), smoothed.max(axis=1).to_numpy()
            axis.fill_between(table.index, low, high, color=colour, alpha=0.25, linewidth=0)
        else:
            axis.plot(table.index, table.to_numpy(), color=colour, alpha=0.25, linewidth=0.4)
        axis.plot(smooth.index, smooth.to_numpy(), color=colour, linewidth=width, label=plain(wrapped(label, 36)))
    if scale == "log":
        _logarithmic(axis)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_ylabel("training loss")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, frameon=False)


def _logarithmic(axis: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    axis.yaxis.set_minor_locator(NullLocator())


def _draw_difference(axis: Axes, curves: Curves, difference: pd.DataFrame) -> None:
    """Smoothed with its band, around 0; of one seed also raw."""
    plain, plugged = (curves.losses.pivot(index="step", columns="seed", values=label) for label in curves.labels)
    step = difference["step"].to_numpy()
    axis.axhline(0, color="black", linewidth=0.6)
    if plain.shape[1] == 1:
        axis.plot(plain.index, (plugged - plain).to_numpy(), color=DIFFERENCE, alpha=0.25, linewidth=0.4)
    axis.fill_between(step, difference["low"], difference["high"], color=DIFFERENCE, alpha=0.3, linewidth=0)
    axis.plot(step, difference["mean"].to_numpy(), color=DIFFERENCE, linewidth=1.0)
    axis.set_ylim(*limits(difference))
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2), useMathText=True)
    axis.set_ylabel("difference")
