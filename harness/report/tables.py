"""The table of a pair: one row an arm, one that is no network, and the difference."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tabulate import tabulate

from harness.compare.outcome import ArmOutcome, PairOutcome, by_level

WIDE = 140  # columns of a terminal from which the table stands in one piece


@dataclass(frozen=True)
class Cell:
    """PSNR and SSIM of one level, or their difference."""

    psnr: str
    ssim: str

    def text(self, separator: str) -> str:
        return f"{self.psnr}{separator}{self.ssim}" if self.ssim else self.psnr


@dataclass(frozen=True)
class TableRow:
    """A line of the table: `cells` by level, then COSTS."""

    label: str
    cells: tuple[Cell, ...]
    costs: tuple[str, ...]


@dataclass(frozen=True)
class PairTable:
    """Everything a table says, whatever it is drawn with."""

    title: str
    levels: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]


COSTS = ("params (M)", "MACs (G)", "thop (G)", "s/step")


def pair_table(pair: PairOutcome) -> PairTable:
    """Raises HarnessError where the difference would be between unmatched runs."""
    rows = [_row(arm, pair.levels) for arm in (pair.reference, *pair.arms)]
    difference = pair.difference()
    if difference is not None:
        means = by_level(difference)
        cells = tuple(Cell(f"{means[level].psnr:+.3f}", f"{means[level].ssim:+.4f}") for level in pair.levels)
        rows.append(TableRow("difference", cells, _cost_difference(*pair.arms)))
    return PairTable(pair.record["title"], tuple(pair.levels), tuple(rows), tuple(_notes(pair)))


def _row(arm: ArmOutcome, levels: list[str]) -> TableRow:
    if arm.evaluated:
        means = arm.means()
        cells = tuple(Cell(f"{means[level].psnr:.2f}", f"{means[level].ssim:.4f}") for level in levels)
    else:
        step, steps = arm.status.get("step", 0), arm.status.get("steps")
        state = f"step {step} of {steps}" if steps and step < steps else "not evaluated" if steps else "not run"
        cells = (Cell(state, ""), *(Cell("", "") for _ in levels[1:]))
    cost = arm.metrics.get("cost")
    seconds = arm.seconds_per_step
    return TableRow(
        arm.label,
        cells,
        (
            f"{cost['parameters'] / 1e6:.3f}" if cost else "",
            f"{cost['macs'] / 1e9:.1f}" if cost else "",
            f"{cost['macs_thop'] / 1e9:.1f}" if cost else "",
            f"{seconds:.3f}" if seconds is not None else "",
        ),
    )


def _cost_difference(one: ArmOutcome, other: ArmOutcome) -> tuple[str, ...]:
    a, b = one.metrics["cost"], other.metrics["cost"]
    return (
        f"{(b['parameters'] - a['parameters']) / 1e6:+.3f}",
        f"{(b['macs'] - a['macs']) / 1e9:+.1f}",
        f"{(b['macs_thop'] - a['macs_thop']) / 1e9:+.1f}",
        "",  # the arms were not timed side by side: see harness cost
    )


def _notes(pair: PairOutcome) -> list[str]:
    data = pair.record
    counts = ", ".join(f"{level} {len(ids)}" for level, ids in data["triplets"].items())
    notes = [
        f"PSNR (dB) / SSIM, protocol {data['protocol']}, test triplets: {counts}"
        + (f"; masks: {data['masks']}" if data["masks"] else ""),
        "MACs of one 1280x720 pair; thop: transposed convolutions counted over their output, as in the paper",
    ]
    if pair.bit_equal:
        notes.append("Both arms ended with the same baseline weights, bit for bit.")
    if len(pair.arms) == 2:
        notes.append("Single seed: no interval, so no claim about the sign of any difference.")
    evaluated = [arm for arm in pair.arms if arm.evaluated]
    if evaluated and pair.reference.evaluated:
        mean = pair.reference.means()
        losing = [a.label for a in evaluated if all(a.means()[level].psnr <= mean[level].psnr for level in pair.levels)]
        if losing:
            after = f"After {data['steps']} steps " if "steps" in data else ""
            verb = "beats" if len(losing) == 1 else "beat"
            told = " yet, and the difference says nothing about the plug-ins" if len(pair.arms) == 2 else ""
            notes.append(
                f"{after}{' and '.join(losing)} nowhere {verb} the mean of the two frames: no motion is learnt{told}."
            )
    return notes


def draw(table: PairTable, console: Console) -> None:
    """On a terminal: one table where it is wide enough, else PSNR over SSIM, and the costs in a table below."""
    wide = console.width >= WIDE
    console.print(escape(table.title), style="bold", highlight=False)
    console.print(_drawn(table, scores=True, costs=wide, separator="/" if wide else "\n"))
    if not wide:
        console.print(_drawn(table, scores=False, costs=True, separator=""))
    for note in table.notes:
        console.print(escape(note), style="italic", highlight=False)


def _drawn(table: PairTable, scores: bool, costs: bool, separator: str) -> Table:
    drawn = Table("", *(table.levels if scores else ()), *(COSTS if costs else ()))
    drawn.columns[0].overflow = "fold"
    for column in drawn.columns[1:]:
        column.justify = "right"
    for row in table.rows:
        cells = [cell.text(separator) for cell in row.cells] if scores else []
        if row.label == "difference":
            drawn.add_section()
        drawn.add_row(escape(row.label), *cells, *(row.costs if costs else ()))
    return drawn


def as_markdown(table: PairTable) -> str:
    lines = [[row.label, *(cell.text("/") for cell in row.cells), *row.costs] for row in table.rows]
    body = tabulate(lines, ["", *table.levels, *COSTS], tablefmt="github", disable_numparse=True)
    return "\n".join([f"**{table.title}**", "", body, "", *(f"- {note}" for note in table.notes)]) + "\n"


def as_csv(table: PairTable) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    metrics = [f"{level} {metric}" for level in table.levels for metric in ("psnr", "ssim")]
    writer.writerow(["row", *metrics, *COSTS])
    for row in table.rows:
        writer.writerow([row.label, *(value for cell in row.cells for value in (cell.psnr, cell.ssim)), *row.costs])
    return out.getvalue()


def as_svg(table: PairTable) -> str:
    """The table as it looks on a terminal, as a picture."""
    console = Console(record=True, width=WIDE, file=io.StringIO())
    draw(table, console)
    return console.export_svg(title="harness table")
