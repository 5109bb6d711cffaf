"""A suite: the rows and columns of a table, and so the pairs that have to be run for it. A YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from posixpath import basename, normpath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import HarnessError, suggestion
from harness.registry.options import parse_choices
from harness.registry.plugins import Plugins
from harness.results.records import METRICS, Asked
from harness.yamlfile import load_yaml

FOLDER = Path(__file__).parent

Seed = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SuiteColumn(_Record):
    """A column of the table.

    test    the benchmark
    level   of that benchmark
    label   what the table calls it
    metric  what it shows, of which `epe@inside` is a part; empty for PSNR and SSIM
    """

    test: str
    level: str
    label: str
    metric: str = ""

    @property
    def key(self) -> str:
        """As published numbers are filed: these are PSNR and SSIM."""
        return f"{self.test} {self.level} {self.metric}".strip()

    @property
    def leading(self) -> str:
        """What differences, intervals and claims are of."""
        return self.metric or "psnr"

    def filled_by(self, metrics: Mapping[str, str]) -> str:
        """The column of rows that it shows; `metrics` are those of a comparison, which tell options and version."""
        name, at, part = self.leading.partition("@")
        return f"{metrics.get(name, name)}{at}{part}"


class SuiteRow(_Record):
    """An arm, in the words of the command line.

    label       what the table calls it
    baseline    the network, with its options
    with        plug-ins, with their options; empty for the plain baseline
    test_masks  what the network is given when it is tested; empty for the masks of training
    start       what both arms start from; that of the suite where none is given, empty for drawn weights
    published   the row of the published table; empty where there is none
    against     label of the row that this one is compared with: their difference is shown, and how sure it is
    """

    label: str
    baseline: str
    plugins: str = Field("", alias="with")
    test_masks: str = ""
    start: str | None = None
    published: str = ""
    against: str = ""


class Expected(_Record):
    """Of a set, for a plan that is made where the data is not.

    triplets  how many
    size      width and height of the frames
    """

    triplets: Count
    size: tuple[Count, Count]


class Suite(_Record):
    """A table: what all of its pairs share, its columns and its rows.

    title      the table's heading
    summary    what it is for
    recipe     as `--recipe` of `harness run`, whatever a baseline names
    data       to train on, as `--data`; empty for the recipe's
    test       benchmarks, as `--test`; empty for those of `data`
    protocol   as `--protocol`
    masks      as `--masks`; empty for the best source that is installed
    metrics    as `--metrics`
    start      as `--start`, for all rows that have none of their own; empty for drawn weights
    seeds      each pair is trained once with each
    published  a table of published numbers that stand beside the measured ones; empty where there is none
    columns    from left to right
    rows       from top to bottom
    expected   how large the sets are, by benchmark, that of training under "train"
    """

    title: str
    summary: str
    recipe: Annotated[str, Field(min_length=1)]
    data: str = ""
    test: str = ""
    protocol: str = "unified"
    masks: str = ""
    metrics: str = METRICS
    start: str = ""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    published: str = ""
    columns: Annotated[tuple[SuiteColumn, ...], Field(min_length=1)]
    rows: Annotated[tuple[SuiteRow, ...], Field(min_length=1)]
    expected: Mapping[str, Expected] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Suite:
        labels = [row.label for row in self.rows]
        heads = [column.label for column in self.columns]
        for what, names in (("rows", labels), ("columns", heads), ("seeds", [*map(str, self.seeds)])):
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"two {what} are called '{twice}'")
        for row in self.rows:
            if row.against and row.against not in labels:
                raise ValueError(f"against: there is no row '{row.against}'{suggestion(row.against, labels)}")
        self._check_starts()
        self._check_metrics()
        return self

    def _check_starts(self) -> None:
        """Raises ValueError for two files of one name, by which a pair is known: it would be in the rows of both."""
        known: dict[tuple[str, str], str] = {}
        for row in self.rows:
            start = normpath(self._asked(row).start.replace("\\", "/"))
            first = known.setdefault((row.baseline, basename(start)), start)
            if first != start:
                raise ValueError(f"start: tables cannot tell {first} from {start}: give one of the files another name")

    def _check_metrics(self) -> None:
        """Raises ValueError for a column of what is not measured, or measured with several options."""
        try:
            choices = parse_choices(self.metrics)
        except HarnessError as error:
            raise ValueError(f"metrics: {error}") from error
        named = [choice.name for choice in choices]
        measured = list(dict.fromkeys([*METRICS.split(","), *named]))
        for column in self.columns:
            name = column.leading.partition("@")[0]
            if name not in measured:
                hint = suggestion(name, measured)
                raise ValueError(
                    f"metric: '{name}' of column '{column.label}' is not among metrics: {self.metrics}{hint}"
                )
            if named.count(name) > 1:
                raise ValueError(
                    f"metric: '{name}' of column '{column.label}' is measured with several options: {self.metrics}; "
                    "a suite that shows it measures it with one"
                )

    def row(self, label: str) -> SuiteRow:
        """The row of that label, in upper or lower case. Raises HarnessError with the nearest."""
        found = [row for row in self.rows if row.label.lower() == label.lower()]
        if not found:
            labels = [row.label for row in self.rows]
            hint = suggestion(label, labels) or f"; there are: {'; '.join(labels)}"
            raise HarnessError(f"no row '{label}' in this suite{hint}")
        return found[0]

    def asked_for(self, row: SuiteRow) -> list[Asked]:
        """Pairs that have the row's arm: its own, or, for a plain baseline, every pair of that baseline with the same
        start. Seed 0."""
        own = self._asked(row)
        if row.plugins:
            return [own]
        pairs = [self._asked(other) for other in self.rows if other.plugins and other.baseline == row.baseline]
        return [pair for pair in pairs if pair.start == own.start] or [own]

    def pairs(self, seeds: Sequence[int] | None = None, rows: Sequence[SuiteRow] | None = None) -> list[Asked]:
        """What has to be run, each pair once, seed by seed; for `rows` alone where they are given."""
        wanted = rows or self.rows
        every = [self.asked_for(row)[0] for row in wanted]
        return [
            asked.model_copy(update={"seed": seed}) for seed in seeds or self.seeds for asked in dict.fromkeys(every)
        ]

    def _asked(self, row: SuiteRow) -> Asked:
        return Asked(
            baseline=row.baseline,
            plugins=row.plugins,
            recipe=self.recipe,
            data=self.data,
            test=self.test,
            masks=self.masks,
            test_masks=row.test_masks,
            protocol=self.protocol,
            metrics=self.metrics,
            start=self.start if row.start is None else row.start,
        )


def suite_files(plugins: Plugins) -> dict[str, Path]:
    """The suites that are installed, by name: those of the harness, and those that `harness_tables` brings.

    A hook that fails is named and left out. Raises HarnessError for a name that two files claim.
    """
    return {name: path for name, (_, path) in suites_brought(plugins).items()}


def suites_brought(plugins: Plugins) -> dict[str, tuple[str, Path]]:
    """The same, with the distribution that brings each."""
    found = {path.stem: ("vfi-harness", path) for path in sorted(FOLDER.glob("*.yaml"))}
    for origin, paths in plugins.brought("harness_tables", lambda paths: [Path(path) for path in paths]):
        for path in paths:
            _, first = found.setdefault(path.stem, (origin.distribution, path))
            if first.resolve() != path.resolve():
                raise HarnessError(f"the suite '{path.stem}' is claimed by {first} and by {path}")
    return found


def load_suite(path: Path) -> Suite:
    """Raises HarnessError with file, line and key."""
    return load_yaml(path, Suite)


def find_suite(plugins: Plugins, name: str) -> tuple[str, Suite] | None:
    """Name and suite, of one that is installed or of a YAML file; None where nothing is called so."""
    files = suite_files(plugins)
    path = Path(name) if name.endswith((".yaml", ".yml")) else files.get(name)
    return (path.stem, load_suite(path)) if path else None
