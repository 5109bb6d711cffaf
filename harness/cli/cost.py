"""harness cost: parameters, multiply-accumulates, latency and memory of every baseline."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import find_device, output, results_option, warn_broken

if TYPE_CHECKING:
    from harness.arm import Arm
    from harness.registry.catalog import Catalog
    from harness.results.store import Store


def _size(context: click.Context, option: click.Parameter, value: str) -> tuple[int, int]:
    """`1280x720` -> (720, 1280)."""
    width, _, height = value.partition("x")
    if not re.fullmatch("[0-9]{1,5}x[0-9]{1,5}", value) or min(int(width), int(height)) < 2:
        raise click.BadParameter(f"'{value}' is not a size such as 1280x720", context, option)
    return int(height), int(width)


@click.command()
@click.argument("baselines", nargs=-1)
@click.option(
    "--with",
    "plugins",
    multiple=True,
    metavar="NAMES",
    help="Also each baseline with these plug-ins; given again, or with {L,S}, with others.",
)
@click.option("--size", callback=_size, default="1280x720", show_default=True, metavar="WxH", help="Of the frames.")
@click.option("--runs", type=click.IntRange(0, 1000), default=3, show_default=True, help="Timed passes; 0 for none.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--format", "form", type=click.Choice(["terminal", "markdown", "csv", "json"]), default="terminal")
@results_option
def cost(
    baselines: tuple[str, ...],
    plugins: tuple[str, ...],
    size: tuple[int, int],
    runs: int,
    device: str | None,
    form: str,
    results: Path,
) -> None:
    """Count and measure BASELINES, by default all of them, for one pair of frames. Each may be a run, too, or the name
    of an arm, as ifrnet-s+hce+hir."""
    from harness.registry.catalog import catalog
    from harness.registry.options import variants
    from harness.registry.specs import BaselineSpec
    from harness.results.store import Store

    known = catalog()
    warn_broken(known)
    names = baselines or [entry.spec.name for entry in known.entries(BaselineSpec)]
    arms: dict[str, Arm] = {}
    for name, words in product(names, [each for word in plugins for each in variants(word)] or [""]):
        arm = _arm(name, words, known, Store(results))
        arms |= {each.label: each for each in ((arm.plain, arm) if arm.plugins else (arm,))}
    chosen = find_device(device)
    records = [_record(arm, size, runs, chosen) for arm in arms.values()]
    if form == "json":
        click.echo(json.dumps(records, indent=2))
    elif form == "markdown":
        click.echo(_markdown(records), nl=False)
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(record | {"unseen": " ".join(record["unseen"])} for record in records)
    else:
        _draw(records)


def _arm(name: str, plugins: str, known: Catalog, store: Store) -> Arm:
    """A baseline with its options, names joined by `+`, or the arm of a run."""
    from harness.arm import Arm
    from harness.registry.options import parse_choice, parse_choices
    from harness.registry.specs import BaselineSpec, PluginSpec
    from harness.results.names import called, find_run

    first, *others = name.split("+")
    if known.claims(BaselineSpec, first) and all(known.claims(PluginSpec, other) for other in others):
        return Arm.of(known, parse_choice(first), [*map(parse_choice, others), *parse_choices(plugins)])
    if called(name, [run.name for run in store.runs()]):
        from harness.pair.given import arm_of
        from harness.pair.start import Trained

        run = find_run(store, name)
        return arm_of(Trained(run.name, run.checkpoints, run), "", plugins, known)
    return Arm.of(known, parse_choice(name), parse_choices(plugins))


def _record(arm: Arm, size: tuple[int, int], runs: int, device: Any) -> dict[str, Any]:
    from harness.measure.cost import SIZE, cost
    from harness.measure.speed import device_name, measure
    from harness.report.published import published

    model = arm.build(seed=0).to(device)
    speed = asdict(measure(model, size, runs)) if runs else {}
    return {
        "arm": arm.label,
        **cost(model, size).model_dump(mode="json"),
        "published_tera": published()["cost"].get(arm.label) if size == SIZE else None,
        "latency_ms": speed.get("latency_ms"),
        "latency_spread_ms": speed.get("spread_ms"),
        "peak_memory_bytes": speed.get("peak_memory_bytes"),
        "device": device_name(device),
        "size": f"{size[1]}x{size[0]}",
    }


COLUMNS = ("", "params (M)", "plug-ins (M)", "MACs (G)", "thop (G)", "paper (T)", "warps (G)", "ms", "MiB")


def _row(record: dict[str, Any]) -> list[str]:
    """One line of the table, by COLUMNS."""
    latency, memory, paper = record["latency_ms"], record["peak_memory_bytes"], record["published_tera"]
    return [
        record["arm"],
        f"{record['parameters'] / 1e6:.3f}",
        f"{record['parameters_plugins'] / 1e6:.3f}" if record["parameters_plugins"] else "",
        _billions(record["macs"], 1),
        _billions(record["macs_thop"], 1),
        f"{paper:.2f}" if paper else "",
        _billions(record["macs_warp"], 2),
        f"{latency:.0f} ±{record['latency_spread_ms'] / 2:.0f}" if latency else "",
        f"{memory / 2**20:.0f}" if memory else "",
    ]


def _billions(macs: int | None, digits: int) -> str:
    return "not counted" if macs is None else f"{macs / 1e9:.{digits}f}"


def _uncounted(record: dict[str, Any]) -> str:
    """What is not known of the multiply-accumulates of an arm; "" where all is."""
    if record["not_counted"]:
        return f" {record['arm']} is not counted: {record['not_counted'].rstrip('.')}."
    if record["unseen"]:
        return f" MACs of {record['arm']} leave out {', '.join(record['unseen'])}, of which there is no formula."
    return ""


def _note(records: list[dict[str, Any]]) -> str:
    counted = (
        f"One pair of {records[0]['size']}. thop: transposed convolutions counted over their output and attention left "
        "out, the convention that the costs printed in the paper follow."
    ) + "".join(map(_uncounted, records))
    if records[0]["latency_ms"] is None:
        return counted
    return (
        f"{counted} Time on {records[0]['device']}: median and half the interquartile range; "
        "memory: most that tensors held at once."
    )


def _draw(records: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(*COLUMNS)
    for column in table.columns[1:]:
        column.justify = "right"
    for record in records:
        table.add_row(*_row(record))
    console = output()
    console.print(table)
    console.print(_note(records), style="italic", highlight=False)


def _markdown(records: list[dict[str, Any]]) -> str:
    from tabulate import tabulate

    rows = [_row(record) for record in records]
    return tabulate(rows, COLUMNS, tablefmt="github", disable_numparse=True) + f"\n\n{_note(records)}\n"
