"""Convergence curves of a pair (paper Fig. 5): reconstruction loss of both arms, and their difference below."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from harness.compare.outcome import PairOutcome
from harness.files import write_bytes, write_text

SMOOTHING = 0.05  # of the curve's length


def curve_data(pair: PairOutcome) -> pd.DataFrame:
    """step and each arm's loss, by label; only steps that all arms have. Raises HarnessError without a curve."""
    curves = [arm.curve().set_index("step")["loss"].rename(arm.label) for arm in pair.arms]
    return pd.concat(curves, axis=1, join="inner").reset_index()


def draw_curves(pair: PairOutcome, folder: Path) -> list[Path]:
    """Write curves.png and curves.csv; the files written."""
    from matplotlib.figure import Figure

    data = curve_data(pair)
    table = folder / "curves.csv"
    write_text(table, data.to_csv(index=False))
    labels = [arm.label for arm in pair.arms]
    window = max(round(len(data) * SMOOTHING), 1)
    smooth = data[labels].rolling(window, min_periods=1, center=True).mean()
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots(len(labels), 1, sharex=True, squeeze=False, height_ratios=[3, 1][: len(labels)])[:, 0]
    for label, colour in zip(labels, ("tab:blue", "tab:orange"), strict=False):
        axes[0].plot(data["step"], data[label], color=colour, alpha=0.25, linewidth=0.8)
        axes[0].plot(data["step"], smooth[label], color=colour, label=label)
    axes[0].set_yscale("log")
    axes[0].set_ylabel("training loss (Charbonnier)")
    axes[0].legend()
    axes[0].grid(alpha=0.3, which="both")
    if len(labels) == 2:
        axes[1].axhline(0, color="grey", linewidth=0.8)
        axes[1].plot(data["step"], data[labels[1]] - data[labels[0]], color="tab:green", alpha=0.25, linewidth=0.8)
        axes[1].plot(data["step"], smooth[labels[1]] - smooth[labels[0]], color="tab:green")
        axes[1].set_ylabel("difference")
        axes[1].grid(alpha=0.3)
    axes[-1].set_xlabel("step")
    title = f"{pair.record['train']}, recipe {pair.record['recipe']}, seed {pair.record['seed']}"
    axes[0].set_title(f"{title}; bold: mean over {window} steps" if window > 1 else title, fontsize="medium")
    picture = folder / "curves.png"
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    write_bytes(picture, content.getvalue())
    return [picture, table]
