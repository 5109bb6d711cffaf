"""Results that travel: what arrives is what left, what conflicts is named, and an archive of anybody harms nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from filelock import FileLock

from harness.cli.main import cli
from harness.errors import HarnessError
from harness.outcome.pairs import find_pair
from harness.results import archive, envelope, lines, merge
from harness.results.archive import MANIFEST, Manifest, Packed
from harness.results.comparison import Data
from harness.results.envelope import content_of, write
from harness.results.merge import take_in
from harness.results.records import Asked, Status
from harness.results.rows import Row, merged, prepare, write_rows
from harness.results.store import Store
from harness.results.trail import Given
from tests.stores import fingerprint, put, put_evaluation

ASKED = Asked(baseline="ifrnet-s", plugins="hce")
PLAIN, PLUGGED = "ifrnet-s.s0.00000000", "ifrnet-s+hce.s0.11111111"
LANDED = Path(__file__).parent / "landed"


def finished(root: Path, asked: Asked = ASKED) -> Store:
    """A pair with reference rows, and things beside it that are no results."""
    store = Store(root)
    for run in map(store.run, store.pair(put(root, asked, (30.0, 30.5))).runs):
        step = run.checkpoints / "step-00000009"
        step.mkdir(parents=True, exist_ok=True)
        for name in ("model.safetensors", "state.pt", "manifest.json"):
            (step / name).write_text(f"{run.name} {name}")
        (run.path / "env.json").write_text("{}")
        (run.path / "tensorboard").mkdir(exist_ok=True)
        (run.path / "tensorboard/events").write_text("of an observer")
    rows = [row.model_copy(update={"weights": "none"}) for row in store.run(PLAIN).read_rows()]
    write_rows(store.reference, prepare(store.reference, rows[0].values), rows)
    return store


def harness(store: Store, *words: str) -> Any:
    return CliRunner().invoke(cli, ["runs", *words, "--results", str(store.root)])


def exported(store: Store, file: Path, *names: str) -> Path:
    done = harness(store, "export", *names, "--output", str(file))
    assert done.exit_code == 0, done.exception
    return file


def everything(root: Path) -> dict[str, bytes]:
    """All files but those that a lock leaves."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name not in (".lock", ".holder", "rows.lock"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def said(root: Path, pair: str = "ifrnet-s+hce") -> str:
    """The table and the audit."""
    done = [CliRunner().invoke(cli, [*words, pair, "--results", str(root)]) for words in (["table"], ["audit"])]
    assert not any(each.exception for each in done), done
    return "".join(each.output for each in done)


# --- there and back


def test_what_is_imported_elsewhere_is_what_was_exported(tmp_path: Path) -> None:
    store = finished(tmp_path / "here")
    file = exported(store, tmp_path / "a.zip")
    assert "2 runs, 1 pair, 10 further rows" in harness(Store(tmp_path / "there"), "import", str(file)).output
    wanted = {name: content for name, content in everything(store.root).items() if "tensorboard" not in name}
    assert everything(tmp_path / "there") == wanted
    assert said(tmp_path / "there") == said(store.root)
    again = exported(Store(tmp_path / "there"), tmp_path / "b.zip")
    assert again.read_bytes() == file.read_bytes()
    before = everything(tmp_path / "there")
    assert "0 runs, 0 pairs, 0 further rows" in harness(Store(tmp_path / "there"), "import", str(file)).output
    assert everything(tmp_path / "there") == before


def test_the_pair_last_run_is_the_one_last_run_elsewhere(tmp_path: Path) -> None:
    store = Store(tmp_path / "here")
    for at, plugins in enumerate(("hir", "hce", "widen")):
        finished(store.root, Asked(baseline="ifrnet-s", plugins=plugins))
        os.utime(store.pair_file(f"ifrnet-s+{plugins}.s0.11111111-abcdef"), ns=(at * 10**9, at * 10**9))
    assert harness(Store(tmp_path / "there"), "import", str(exported(store, tmp_path / "a.zip"))).exit_code == 0
    assert Store(tmp_path / "there").pairs() == store.pairs()
    assert [name.partition(".")[0] for name in store.pairs()] == ["ifrnet-s+hir", "ifrnet-s+hce", "ifrnet-s+widen"]


def test_what_comes_in_was_not_run_last_here(tmp_path: Path) -> None:
    """A name means the pair that it meant before, and what comes in keeps its order."""
    store, here = Store(tmp_path / "there"), Store(tmp_path / "here")
    for protocol in ("unified-v2-cccccc", "unified-v2-bbbbbb"):
        put(store.root, ASKED, (30.0, 30.5), protocol)
    mine = put(here.root, ASKED, (30.0, 30.5))
    os.utime(here.pair_file(mine), ns=(10**18, 10**18))  # long before the others
    assert harness(here, "import", str(exported(store, tmp_path / "a.zip"))).exit_code == 0
    assert here.pairs() == [*store.pairs(), mine]
    assert find_pair(here, "ifrnet-s+hce") == mine


def test_landed_results_travel_too(tmp_path: Path) -> None:
    shutil.copytree(LANDED, tmp_path / "here")
    (tmp_path / "here/table.csv").unlink()
    file = exported(Store(tmp_path / "here"), tmp_path / "a.zip")
    for _ in range(2):  # the second time it is the same
        assert harness(Store(tmp_path / "there"), "import", str(file)).exit_code == 0
    assert everything(tmp_path / "there") == everything(tmp_path / "here")


def test_what_was_evaluated_travels_where_nothing_was_trained(tmp_path: Path) -> None:
    """With the mean of the two frames, which stands beside it."""
    trained, store, there = finished(tmp_path / "trained"), Store(tmp_path / "here"), Store(tmp_path / "there")
    name = put_evaluation(store, trained, trained.pairs()[0])
    shutil.copytree(trained.reference.parent, store.reference.parent)
    assert harness(there, "import", str(exported(store, tmp_path / "a.zip"))).exit_code == 0
    assert there.evaluations() == [name]
    assert everything(there.root) == everything(store.root)


def test_a_part_is_what_was_named(tmp_path: Path) -> None:
    store = finished(tmp_path / "here")
    finished(store.root, Asked(baseline="ifrnet-s", plugins="hir"))
    (store.root / "init").mkdir()
    (store.root / "init/a.sha256").write_text("")
    names = set(zipfile.ZipFile(exported(store, tmp_path / "a.zip", "ifrnet-s+hir")).namelist())
    assert {name.split("/")[1] for name in names if name.startswith("runs/")} == {PLAIN, "ifrnet-s+hir.s0.11111111"}
    assert len([name for name in names if name.startswith("pairs/")]) == 1
    assert not any(name.startswith("init/") for name in names)
    names = set(zipfile.ZipFile(exported(store, tmp_path / "b.zip", PLUGGED)).namelist())
    assert {name.split("/")[1] for name in names if "/" in name} == {PLUGGED}
    names = set(zipfile.ZipFile(exported(store, tmp_path / "c.zip", PLUGGED, "--no-checkpoints")).namelist())
    assert names
    assert not any("checkpoints" in name for name in names)


def test_a_folder_that_is_moved_or_copied_says_the_same(tmp_path: Path) -> None:
    """No record knows where it lies."""
    store = finished(tmp_path / "here")
    assert not [name for name, content in everything(store.root).items() if str(tmp_path).encode() in content]
    before = said(store.root)
    shutil.copytree(store.root, tmp_path / "copy")
    assert said(tmp_path / "copy") == before
    (tmp_path / "deep/in").mkdir(parents=True)
    store.root.rename(tmp_path / "deep/in/moved")
    assert said(tmp_path / "deep/in/moved") == before


# --- merging


def test_rows_of_one_run_from_two_machines_are_put_together(tmp_path: Path) -> None:
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    run, other = here.run(PLAIN), there.run(PLAIN)
    rows = run.read_rows()
    write_rows(run.rows, prepare(run.rows, []), rows[:-2])
    more = [row.model_copy(update={"values": {**row.values, "lpips": 0.25}}) for row in rows[1:]]
    other.rows.unlink()
    write_rows(other.rows, prepare(other.rows, more[0].values), more)
    shutil.rmtree(run.checkpoints)
    file = exported(there, tmp_path / "a.zip")
    done = harness(here, "import", str(file))
    assert "0 runs, 0 pairs, 9 further rows" in done.output, done.exception
    found = {row.key: row for row in run.read_rows()}
    assert len(found) == len(rows)
    assert found[rows[0].key] == rows[0]
    assert [found[row.key] for row in rows[1:]] == more
    assert everything(run.checkpoints) == everything(other.checkpoints)
    assert harness(here, "import", str(file)).output.count("0 further rows") == 1


def changed_row(change: Callable[[Row], Row]) -> Callable[[Store], None]:
    def apply(store: Store) -> None:
        run = store.run(PLUGGED)
        rows = run.read_rows()
        write_rows(run.rows, prepare(run.rows, []), [*rows[:3], change(rows[3]), *rows[4:]])

    return apply


def _recipe(store: Store) -> None:
    run = store.run(PLUGGED)
    write(run.config, run.record().model_copy(update={"fingerprint": fingerprint(recipe={"batch": 1})}))


def _weights(store: Store) -> None:
    run = store.run(PLUGGED)
    measured = run.measured()
    assert measured
    run.set_measured(measured.model_copy(update={"weights": "another"}))


def _trail(store: Store) -> None:
    run = store.run(PLUGGED)
    given = [each._replace(batch="dd") if each.step == 9 else each for each in run.trail()]
    lines.write(run.audit, Given._fields, [{**each._asdict(), "step": str(each.step)} for each in given])


def _pair(store: Store) -> None:
    name = next(name for name in store.pairs() if name.startswith(PLUGGED))
    store.write_pair(name, store.pair(name).model_copy(update={"steps": 10}))


def _reference(store: Store) -> None:
    rows = store.read_reference()
    write_rows(store.reference, prepare(store.reference, []), [*rows[:-1], rows[-1].model_copy(update={"maps": "x"})])


CONFLICTS: dict[str, tuple[Callable[[Store], None], str]] = {
    "recipe": (_recipe, f"the run {PLUGGED}: recipe.batch: 24 -> 1"),
    "weights": (_weights, f"the run {PLUGGED}: weights: ifrnet-s+hce -> another"),
    "trail": (_trail, f"the run {PLUGGED}: its audit trail differs at step 9"),
    "value": (
        changed_row(lambda row: row.model_copy(update={"values": {**row.values, "psnr": 1.0}})),
        f"the run {PLUGGED}, snu-film-12345678 medium b: psnr 30.166666666666668 -> 1.0",
    ),
    "frames": (
        changed_row(lambda row: row.model_copy(update={"frames": "x"})),
        f"the run {PLUGGED}, snu-film-12345678 medium b: it was measured on other frames or maps",
    ),
    "pair": (_pair, "steps: 9 -> 10"),
    "reference": (_reference, "the mean of the two frames, vimeo90k-12345678 test b: it was measured on other frames"),
}


@pytest.mark.parametrize("what", CONFLICTS)
def test_what_is_another_there_is_named_and_nothing_is_taken_over(what: str, tmp_path: Path) -> None:
    """Nor what is new and conflicts with nothing."""
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    put(there.root, Asked(baseline="rife", plugins="hir"), (30.0, 30.5))
    change, line = CONFLICTS[what]
    change(there)
    before = everything(here.root)
    failed = harness(here, "import", str(exported(there, tmp_path / "a.zip")))
    assert isinstance(failed.exception, HarnessError)
    assert "nothing is taken over, for it is another here: " in str(failed.exception)
    assert line in str(failed.exception)
    assert "\n" not in str(failed.exception)
    assert everything(here.root) == before


def _tested_by(store: Store, *metrics: str) -> None:
    """As a command with these `--metrics` leaves the pair, and an evaluation of the same."""
    (name,) = store.pairs()
    record = store.pair(name)
    for run in map(store.run, record.runs):
        rows = [
            row.model_copy(update={"values": {**row.values, **dict.fromkeys(metrics, 0.5)}}) for row in run.read_rows()
        ]
        write_rows(run.rows, prepare(run.rows, metrics), rows)
    asked = record.asked.model_copy(update={"metrics": ",".join(("psnr", "ssim", *metrics))})
    compared = record.comparison.model_copy(update={"metrics": dict(zip(metrics, metrics, strict=True))})
    changed = {
        "asked": asked,
        "comparison": compared,
        "command": asked.command(),
        "metrics": ("psnr", "ssim", *metrics),
    }
    store.write_pair(name, record.model_copy(update=changed))
    put_evaluation(store, store, name)


@pytest.mark.parametrize(
    ("mine", "others", "kept"),
    [((), ("ie",), ("ie",)), (("ie",), (), ("ie",)), (("ie",), ("lpips",), ("ie",)), (("ie",), ("ie",), ("ie",))],
)
def test_a_pair_that_was_tested_by_other_metrics_is_no_other(
    mine: tuple[str, ...], others: tuple[str, ...], kept: tuple[str, ...], tmp_path: Path
) -> None:
    """Rows have all of them; the record that says more stays, and a name means the pair that it meant."""
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    _tested_by(here, *mine)
    _tested_by(there, *others)
    (name,), (evaluation,) = here.pairs(), here.evaluations()
    os.utime(here.pair_file(name), ns=(10**18, 10**18))
    done = harness(here, "import", str(exported(there, tmp_path / "a.zip")))
    assert done.exception is None
    assert "0 runs, 0 pairs" in done.output
    assert here.pair(name).metrics == here.read_evaluation(evaluation).metrics == ("psnr", "ssim", *kept)
    assert here.pair(name).asked.metrics == ",".join(("psnr", "ssim", *kept))
    assert here.pair_file(name).stat().st_mtime_ns == 10**18
    for rows in (here.run(PLAIN).read_rows(), here.evaluation_rows(evaluation)):
        assert rows
        assert {*mine, *others} <= {value for row in merged(rows).values() for value in row.values}


def test_a_pair_whose_data_lay_elsewhere_is_no_other(tmp_path: Path) -> None:
    """What it compares is the same, and the words stay those of here."""
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    (name,) = here.pairs()
    for store, root in ((here, "/here"), (there, "/there")):
        record = store.pair(name)
        data = Data(name="clips", options={"root": root}, given={"root": root}, content="the same")
        asked = record.asked.model_copy(update={"data": f"clips:root={root}"})
        words = {"asked": asked, "command": asked.command(), "title": f"by hand on clips(root={root})"}
        compared = record.comparison.model_copy(update={"data": (data,)})
        store.write_pair(name, record.model_copy(update={"comparison": compared, **words}))
    before = everything(here.root)
    assert harness(here, "import", str(exported(there, tmp_path / "a.zip"))).exception is None
    assert everything(here.root) == before
    compared = record.comparison.model_copy(update={"data": (data.model_copy(update={"content": "another"}),)})
    there.write_pair(name, record.model_copy(update={"comparison": compared}))
    failed = harness(here, "import", str(exported(there, tmp_path / "b.zip")))
    assert f"the pair {name}: data.clips.content: the same -> another" in str(failed.exception)


def test_an_evaluation_of_something_else_is_named(tmp_path: Path) -> None:
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    for store, regions in ((here, "one"), (there, "another")):
        name = put_evaluation(store, store, store.pairs()[0])
        write(store.evaluation(name), store.read_evaluation(name).model_copy(update={"regions": regions}))
    failed = harness(here, "import", str(exported(there, tmp_path / "a.zip")))
    assert f"the evaluation {name}: regions: one -> another" in str(failed.exception)


@pytest.mark.parametrize(("part", "taken"), [(1e-15, True), (1e-8, False)])
def test_the_last_bits_of_another_processor_are_no_other_value(part: float, taken: bool, tmp_path: Path) -> None:
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    rows = [
        row.model_copy(update={"values": {name: value * (1 + part) for name, value in row.values.items()}})
        for row in there.read_reference()
    ]
    write_rows(there.reference, prepare(there.reference, []), rows)
    assert rows != here.read_reference()
    before = everything(here.root)
    assert (harness(here, "import", str(exported(there, tmp_path / "a.zip"))).exception is None) is taken
    assert everything(here.root) == before


def test_what_is_here_keeps_its_last_bits_where_a_row_gets_a_further_value(tmp_path: Path) -> None:
    """A control is held to them."""
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    run = there.run(PLAIN)
    changed = [
        row.model_copy(
            update={"values": {name: value * (1 + 1e-15) for name, value in row.values.items()} | {"ie": 1.5}}
        )
        for row in run.read_rows()
    ]
    write_rows(run.rows, prepare(run.rows, ["ie"]), changed)
    before = here.run(PLAIN).read_rows()
    assert harness(here, "import", str(exported(there, tmp_path / "a.zip"))).exception is None
    after = here.run(PLAIN).read_rows()
    assert [row.values for row in after] == [{**row.values, "ie": 1.5} for row in before]


def test_what_a_killed_import_left_goes_with_the_next(tmp_path: Path) -> None:
    here, there = Store(tmp_path / "here"), finished(tmp_path / "there")
    file = exported(there, tmp_path / "a.zip")
    killed, goes_on, young = (here.root / f".import-{name}" for name in ("killed", "goes-on", "young"))
    for folder in (killed, goes_on, young):
        (folder / "runs").mkdir(parents=True)
        os.utime(folder, (1, 1))
    os.utime(young)
    with FileLock(goes_on / ".lock"):
        os.utime(goes_on, (1, 1))
        assert harness(here, "import", str(file)).exception is None
    assert sorted(here.root.glob(".import-*")) == [goes_on, young]


def _without_records(store: Store) -> None:
    """Both runs were killed before they had one."""
    for run in map(store.run, (PLAIN, PLUGGED)):
        run.path.mkdir(parents=True)


def _untested(store: Store) -> None:
    """Both runs were trained here, and nothing else is left of it."""
    finished(store.root)
    for run in map(store.run, (PLAIN, PLUGGED)):
        for path in (run.path / "measured.json", run.rows, run.path / "env.json"):
            path.unlink()
        shutil.rmtree(run.checkpoints)
        shutil.rmtree(run.path / "tensorboard")
        run.set_status(Status(state="trained", step=9, steps=9))
    shutil.rmtree(store.root / "pairs")
    shutil.rmtree(store.reference.parent)


@pytest.mark.parametrize("before", [lambda store: None, _without_records, _untested], ids=["new", "begun", "untested"])
def test_an_import_goes_on_wherever_it_was_killed(before: Callable[[Store], None], tmp_path: Path) -> None:
    """The same again gives the same, the order of the pairs too."""
    there = finished(tmp_path / "there")
    for at, protocol in enumerate(("unified-v2-cccccc", "unified-v2-bbbbbb")):
        os.utime(there.pair_file(put(there.root, ASKED, (30.0, 30.5), protocol)), (at, at))
    file = exported(there, tmp_path / "a.zip")
    whole = Store(tmp_path / "whole")
    before(whole)
    take_in(file, whole)
    assert whole.pairs() == there.pairs()
    rename, steps = Path.rename, 0

    class KilledError(BaseException):
        pass

    for last in range(99):
        here, steps = Store(tmp_path / f"here{last}"), 0

        def step(call: Callable[..., object], *words: object) -> object:
            nonlocal steps
            steps += 1
            if steps > last:  # noqa: B023 - it is called in this round
                raise KilledError
            return call(*words)

        with pytest.MonkeyPatch.context() as patch:
            before(here)
            patch.setattr(Path, "rename", lambda path, to: step(rename, path, to))
            patch.setattr(merge, "write_rows", lambda *words: step(write_rows, *words))
            try:
                take_in(file, here)
            except KilledError:
                pass
            else:
                break
        take_in(file, here)
        assert (everything(here.root), here.pairs()) == (everything(whole.root), whole.pairs()), f"after step {last}"
    assert 5 < steps < 99


def test_an_unfinished_run_here_is_not_replaced_nor_one_there_taken(tmp_path: Path) -> None:
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    here.run(PLAIN).set_status(Status(state="training", step=4, steps=9))
    before = everything(here.root)
    file = exported(there, tmp_path / "a.zip")
    failed = harness(here, "import", str(file))
    assert f"the run {PLAIN} is not finished here: harness runs rm {PLAIN}, then import" in str(failed.exception)
    assert everything(here.root) == before
    (here.run(PLAIN).checkpoints / "step-00000009").rename(here.run(PLAIN).checkpoints / "step-00000004")
    file = exported(here, tmp_path / "b.zip")
    before = everything(there.root)
    assert harness(there, "import", str(file)).exit_code == 0
    assert everything(there.root) == before


@pytest.mark.parametrize(("rows", "remedy"), [("run", "harness run --baseline"), ("reference", "harness run, given")])
def test_rows_that_are_damaged_here_are_named_with_what_makes_them_anew(rows: str, remedy: str, tmp_path: Path) -> None:
    here = finished(tmp_path / "here")
    file = exported(here, tmp_path / "a.zip")
    path = here.reference if rows == "reference" else here.run(PLAIN).rows
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    before = everything(here.root)
    failed = harness(here, "import", str(file))
    assert f"{path}: damaged (line 2 is not as it was written); move it away; {remedy}" in str(failed.exception)
    assert everything(here.root) == before


def test_a_run_that_was_killed_before_it_had_a_record_is_taken(tmp_path: Path) -> None:
    here, there = Store(tmp_path / "here"), finished(tmp_path / "there")
    with here.run(PLAIN).locked():
        (here.run(PLAIN).path / "env.json").write_text("of a run that never began")
    assert harness(here, "import", str(exported(there, tmp_path / "a.zip"))).output.partition(": ")[2][:6] == "2 runs"
    kept = {name: content for name, content in everything(there.root).items() if "tensorboard" not in name}
    assert everything(here.root) == kept


def test_a_run_in_use_is_neither_exported_nor_merged(tmp_path: Path) -> None:
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    file = exported(there, tmp_path / "a.zip")
    before = everything(here.root)
    with here.run(PLAIN).locked():
        for words in (["import", str(file)], ["export", "--output", str(tmp_path / "b.zip")]):
            assert str(harness(here, *words).exception).startswith(f"run {PLAIN} is in use by process ")
    assert everything(here.root) == before
    assert not (tmp_path / "b.zip").exists()


def test_what_somebody_measures_is_not_waited_for(tmp_path: Path) -> None:
    """An evaluation, and the mean of the two frames, may take hours."""
    here, there = finished(tmp_path / "here"), finished(tmp_path / "there")
    file = exported(there, tmp_path / "a.zip")
    with FileLock(here.reference.with_suffix(".lock")):
        refused = harness(here, "import", str(file))
    assert str(refused.exception).endswith("rows.csv is being written by another process; wait for it or stop it")
    assert harness(here, "import", str(file)).exit_code == 0


def test_what_grows_while_it_is_packed_is_packed_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite that runs adds rows of the mean of the two frames, and a table keeps what it read of audit trails."""
    store = finished(tmp_path / "here")
    name = put_evaluation(store, store, store.pairs()[0])
    grown = [store.reference, store.evaluation_file(name), store.pair_file(store.pairs()[0])]
    before, copying = [path.read_bytes() for path in grown], archive.replacing

    def growing(file: Path) -> Any:
        for path in grown:  # all is hashed, and nothing is copied yet
            path.write_bytes(path.read_bytes() + b"more")
        return copying(file)

    monkeypatch.setattr(archive, "replacing", growing)
    file = exported(store, tmp_path / "a.zip")
    assert harness(Store(tmp_path / "there"), "import", str(file)).exit_code == 0
    there = [tmp_path / "there" / path.relative_to(store.root) for path in grown]
    assert [path.read_bytes() for path in there] == before


def test_what_is_damaged_is_not_packed(tmp_path: Path) -> None:
    """Else it would be refused where it is to be taken in, and maybe be gone here."""
    store = finished(tmp_path / "here")
    content = store.run(PLAIN).rows.read_bytes()
    store.run(PLAIN).rows.write_bytes(content.replace(b"0.9", b"0.8", 1))
    done = harness(store, "export", "--output", str(tmp_path / "a.zip"))
    assert f"{PLAIN}/rows.csv: damaged (line 2 is not as it was written)" in str(done.exception)
    assert not (tmp_path / "a.zip").exists()
    exported(store, tmp_path / "b.zip", PLUGGED)  # which is sound


# --- what is exported


def test_an_archive_is_never_written_over_and_a_link_never_followed(tmp_path: Path) -> None:
    store = finished(tmp_path / "here")
    file = exported(store, tmp_path / "a.zip")
    before = file.read_bytes()
    assert "a.zip is there already" in str(harness(store, "export", "--output", str(file)).exception)
    assert file.read_bytes() == before
    (tmp_path / "secret").write_text("of somebody")
    weights = store.run(PLAIN).checkpoints / "step-00000009/model.safetensors"
    weights.unlink()
    weights.symlink_to(tmp_path / "secret")
    refused = harness(store, "export", "--output", str(tmp_path / "b.zip"))
    assert "model.safetensors: is a link, and what it leads to is no result" in str(refused.exception)
    assert not (tmp_path / "b.zip").exists()


# --- what is imported may be anybody's


Member = tuple[zipfile.ZipInfo | str, bytes]


def forged(file: Path, members: list[Member], named: dict[str, bytes] | None = None, pack: int = 0) -> Path:
    """An archive with a manifest that fits, of these members or of other `named` ones."""
    of = {name if isinstance(name, str) else name.filename: content for name, content in members}
    files = {
        name: Packed(size=len(content), sha256=sha256(content).hexdigest())
        for name, content in (of if named is None else named).items()
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(MANIFEST, content_of(Manifest(files=files)))
        for name, content in members:
            archive.writestr(name, content, compress_type=pack)
    return file


def of_kind(kind: int, name: str = f"runs/{PLAIN}/run.json") -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


NAMES = (
    *("../evil", "/etc/evil", "runs/../../evil", f"runs/{PLAIN}/../../../evil", f"runs/{PLAIN}//run.json", "evil"),
    *(f"runs/{PLAIN}/.lock", f"runs/{PLAIN}/evil.py", "runs/../run.json", "pairs/.json", "pairs/a/b.json"),
    *(
        "init/a.safetensors",
        "C:\\evil",
        f"runs\\{PLAIN}\\run.json",
        "pairs/a\nb.json",
        "pairs/\x1b[31m.json",
        "pairs/..json",
    ),
    *(
        f"runs/{'a' * 300}/run.json",
        "figures/a/table.svg",
        f"runs/{PLAIN}/checkpoints/step-x/state.pt",
        f"runs/{PLAIN}/",
    ),
)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound folder of results."""
    return finished(tmp_path_factory.mktemp("honest") / "results").root


@pytest.fixture(scope="module")
def whole(honest: Path) -> list[Member]:
    """The members of its archive."""
    file = exported(Store(honest), honest.parent / "honest.zip")
    with zipfile.ZipFile(file) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()[1:]]


def refused(file: Path, root: Path) -> str:
    """The line that it ends in; nothing is written, neither in a new folder nor in one that is there."""
    with pytest.raises(HarnessError) as error:
        take_in(file, Store(root))
    assert not root.exists()
    root.mkdir()
    (root / "mine").write_text("")
    before = everything(root.parent)
    with pytest.raises(HarnessError):
        take_in(file, Store(root))
    assert everything(root.parent) == before
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)
    assert str(error.value).startswith(str(file))
    return str(error.value)


def test_what_is_forged_here_is_otherwise_sound(whole: list[Member], honest: Path, tmp_path: Path) -> None:
    """So that the tests below are refused for what they say."""
    take_in(forged(tmp_path / "a.zip", whole), Store(tmp_path / "there"))
    assert said(tmp_path / "there") == said(honest)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_of_results_is_refused(name: str, whole: list[Member], tmp_path: Path) -> None:
    refused(forged(tmp_path / "a.zip", [*whole, (name, b"{}")]), tmp_path / "there")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFSOCK])
def test_links_folders_and_devices_are_refused(kind: int, whole: list[Member], tmp_path: Path) -> None:
    name = f"runs/{PLAIN}/run.json"
    members = [(of_kind(kind, name) if each == name else each, content) for each, content in whole]
    assert "is a link, a folder or a device" in refused(forged(tmp_path / "a.zip", members), tmp_path / "there")


def test_what_is_packed_is_refused_before_it_is_unpacked(whole: list[Member], tmp_path: Path) -> None:
    bomb = (f"runs/{PLAIN}/checkpoints/step-00000099/state.pt", bytes(10_000_000))
    file = forged(tmp_path / "a.zip", [*whole, bomb], pack=zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 100_000
    assert "is packed or encrypted" in refused(file, tmp_path / "there")


def test_one_content_under_many_names_is_no_bomb(whole: list[Member], tmp_path: Path) -> None:
    """Entries of the directory that all lead to the same bytes."""
    names = [f"runs/{PLAIN}/checkpoints/step-{step:08d}/state.pt" for step in range(1000)]
    content = bytes(1_000_000)
    file = tmp_path / "a.zip"
    made = Manifest(files=dict.fromkeys(names, Packed(size=len(content), sha256=sha256(content).hexdigest())))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(MANIFEST, content_of(made))
        archive.writestr(names[0], content)
        first = archive.infolist()[1]
        for name in names[1:]:
            entry = of_kind(stat.S_IFREG, name)
            entry.header_offset, entry.CRC = first.header_offset, first.CRC
            entry.file_size = entry.compress_size = first.file_size
            archive.filelist.append(entry)
    assert "its files are said to be larger than it is" in refused(file, tmp_path / "there")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", ["changed", "gone", "added", "twice"])
def test_what_is_not_as_its_manifest_says_is_refused(what: str, whole: list[Member], tmp_path: Path) -> None:
    named = {str(name): content for name, content in whole}
    members = list(whole)
    at = next(at for at, (name, _) in enumerate(members) if str(name).endswith("state.pt"))
    if what == "changed":
        members[at] = (members[at][0], members[at][1].upper())
    elif what == "gone":
        del members[at]
    else:
        members.append((f"pairs/{what}.json", b"{}") if what == "added" else members[at])
    line = refused(forged(tmp_path / "a.zip", members, named), tmp_path / "there")
    told = {"changed": "is damaged: not what its sha256 was of", "twice": "is in it twice"}
    assert told.get(what, "is not both in it and in its manifest") in line


def test_a_flipped_byte_anywhere_is_found(whole: list[Member], honest: Path, tmp_path: Path) -> None:
    """Or changes nothing of what is taken over, as in the date of a member."""
    file = forged(tmp_path / "a.zip", whole)
    sound, wanted = file.read_bytes(), everything(honest)
    wanted = {name: content for name, content in wanted.items() if "tensorboard" not in name}
    found = 0
    for at in range(7, len(sound), len(sound) // 60):
        changed = bytearray(sound)
        changed[at] ^= 0x10
        file.write_bytes(changed)
        root = tmp_path / "there"
        try:
            take_in(file, Store(root))
        except HarnessError:
            assert not root.exists()
            found += 1
        else:
            assert everything(root) == wanted, at
            shutil.rmtree(root)
    assert found > 30


def test_records_that_are_newer_or_damaged_are_a_line_each(
    whole: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("harness.results.envelope.SCHEMA", envelope.SCHEMA + 1)
        file = forged(tmp_path / "a.zip", whole)
        record = content_of(Status(state="evaluated", step=9, steps=9))
    line = refused(file, tmp_path / "there")
    assert f"{MANIFEST}: of schema {envelope.SCHEMA + 1}; this version reads up to {envelope.SCHEMA}: update" in line
    name = f"runs/{PLAIN}/status.json"
    for content, told in ((record, "of schema 3;"), (b"{}", "damaged ("), (b"[" * 99_999, "damaged (")):
        members = [(each, content if each == name else of) for each, of in whole]
        shutil.rmtree(tmp_path / "there")
        line = refused(forged(tmp_path / "a.zip", members), tmp_path / "there")
        assert line.startswith(f"{tmp_path}/a.zip: {name}: {told}")
        assert line.endswith("; nothing is taken over")


def test_a_run_without_a_record_and_a_pair_without_its_runs_are_refused(whole: list[Member], tmp_path: Path) -> None:
    members = [(name, content) for name, content in whole if name != f"runs/{PLAIN}/run.json"]
    assert f"run {PLAIN} has no record" in refused(forged(tmp_path / "a.zip", members), tmp_path / "there")
    shutil.rmtree(tmp_path / "there")
    members = [(name, content) for name, content in whole if f"runs/{PLAIN}" not in str(name)]
    with pytest.raises(HarnessError, match="which is neither here nor in the archive"):
        take_in(forged(tmp_path / "a.zip", members), Store(tmp_path / "there"))
    assert not (tmp_path / "there").exists()


def _tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("../evil")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _zip(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


OTHERS = {
    "nothing": b"",
    "text": b"hello",
    "a tar": _tar(b"{}"),
    "an empty zip": _zip(),
    "another zip": _zip(("../evil", b"x")),
    "a manifest that is none": _zip((MANIFEST, b"{}")),
    "a manifest nested deeply": _zip((MANIFEST, b"[" * 100_000)),
    "a manifest of another kind": _zip((MANIFEST, content_of(Status(state="trained")))),
    "a manifest of negative sizes": _zip((MANIFEST, json.dumps({"files": {"a": {"size": -1}}}).encode())),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_archive_is_a_line(what: str, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(OTHERS[what])
    refused(file, tmp_path / "there")


def test_what_is_no_file_is_a_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.zip", Path("/dev/null")):
        assert "there is no such archive" in refused(path, tmp_path / "there")
        shutil.rmtree(tmp_path / "there")


def test_a_full_disk_is_said_before_anything_is_unpacked(
    whole: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10, 5, 5))  # type: ignore[attr-defined]
    with pytest.raises(HarnessError, match=r"bytes are needed and 5 are free; free some space"):
        take_in(forged(tmp_path / "a.zip", whole), Store(tmp_path / "there"))
    assert not (tmp_path / "there").exists()
