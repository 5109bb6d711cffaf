"""Looking after runs: what refers to them, what may go, and that nothing goes which is in use or was not agreed to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock
from torch import nn

from harness.cli.main import cli
from harness.errors import HarnessError
from harness.pair.start import find_trained
from harness.registry.catalog import catalog
from harness.results.comparison import StartRecord
from harness.results.envelope import write
from harness.results.lines import write as write_lines
from harness.results.names import find_run
from harness.results.records import Asked, Status
from harness.results.rows import prepare, write_rows
from harness.results.store import RunFolder, Store
from harness.results.trail import Given
from harness.results.upkeep import orphans, sized
from harness.train import checkpoint, thin
from tests.stores import fingerprint, put, suite, written

ASKED = Asked(baseline="ifrnet-s", plugins="hce")
PLAIN, PLUGGED = "ifrnet-s.s0.00000000", "ifrnet-s+hce.s0.11111111"


def save(run: RunFolder, *steps: int) -> None:
    """Checkpoints as training leaves them, of a network of one layer."""
    torch.manual_seed(0)
    model: Any = nn.Linear(100, 100)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 100)).sum().backward()
    optimizer.step()
    for step in steps:
        checkpoint.save(run.checkpoints, step, model, optimizer, [])


def finished(root: Path, asked: Asked = ASKED) -> Store:
    """A pair, each run with checkpoints of step 4 and 9, of 9."""
    store = Store(root)
    name = put(root, asked, (30.0, 30.5))
    for run in map(store.run, store.pair(name).runs):
        save(run, 4, 9)
    return store


def harness(store: Store, *words: str, answer: str = "") -> Any:
    return CliRunner().invoke(cli, ["runs", *words, "--results", str(store.root)], input=answer)


def everything(store: Store) -> dict[str, bytes]:
    """All files but those that a lock leaves."""
    files = (path for path in store.root.rglob("*") if path.is_file() and path.name not in (".lock", ".holder"))
    return {str(path.relative_to(store.root)): path.read_bytes() for path in files}


# --- list and show


def test_a_list_says_how_large_runs_are_and_what_refers_to_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(tmp_path, suite("table1").pairs()[0], (25.0, 25.1))
    finished(tmp_path)
    finished(tmp_path, Asked(baseline="ifrnet-s", plugins="hir"))
    lines = {line.split()[0]: line for line in harness(store, "list").output.splitlines()[1:]}
    assert "table1" in lines["rife.s0.00000000"]
    size = sum(path.stat().st_size for path in store.run(PLAIN).path.rglob("*") if path.is_file())
    assert sized(size) in lines[PLAIN]
    assert lines[PLAIN].split()[-1] == "2"
    assert lines[PLUGGED].split()[-1] == "1"
    assert lines["5"].startswith("5 runs, ")


def test_sizes_are_read_by_people() -> None:
    assert [sized(size) for size in (0, 999, 1000, 81_300_000, 4_700_000_000)] == [
        *("0 B", "999 B", "1.0 kB", "81.3 MB", "4.7 GB")
    ]


def test_show_says_what_keeps_a_run(tmp_path: Path) -> None:
    store = finished(tmp_path)
    (name,) = store.pairs()
    record = store.pair(name)
    start = record.comparison.model_copy(update={"start": StartRecord(name=PLAIN, content="0" * 64)})
    store.write_pair("other", record.model_copy(update={"comparison": start, "runs": (PLUGGED, PLUGGED)}))
    put(tmp_path, suite("table1").pairs()[0], (25.0, 25.1))
    shown = harness(store, "show", PLAIN).output
    assert f"  pair            {name}: harness run --baseline ifrnet-s --with hce\n" in shown
    assert "  starts          other: " in shown
    assert "evaluated, step 9 of 9" in shown
    assert "step-00000004" in shown
    assert "(in table1)" in harness(store, "show", "rife.s0").output


def test_a_run_is_found_by_how_its_name_begins(tmp_path: Path) -> None:
    store = finished(tmp_path)
    put(tmp_path, Asked(baseline="ifrnet-s", plugins="hce", seed=1), (30.0, 30.5))
    assert find_run(store, PLAIN).name == PLAIN
    assert find_run(store, "ifrnet-s.s0").name == PLAIN
    assert find_run(store, "ifrnet-s+hce.s1").name == "ifrnet-s+hce.s1.11111111"
    with pytest.raises(HarnessError, match=r"'ifrnet-s' is the beginning of 2 runs: ifrnet-s\.s0.*give more of it"):
        find_run(store, "ifrnet-s")
    with pytest.raises(HarnessError, match=r"no run 'ifrnet-s\.s0\.00000001'.*did you mean 'ifrnet-s\.s0\.00000000'"):
        find_run(store, "ifrnet-s.s0.00000001")
    for nothing in ("", "../pairs", "x"):
        with pytest.raises(HarnessError, match="no run '"):
            find_run(store, nothing)


@pytest.mark.parametrize("command", [["list"], ["show", "x"], ["rm", "x"], ["prune"]])
def test_where_nothing_was_run_that_is_said(command: list[str], tmp_path: Path) -> None:
    assert "yet: harness run makes one" in str(harness(Store(tmp_path), *command).exception)


# --- rm


def test_a_run_is_removed_with_its_pairs_once_that_is_agreed(tmp_path: Path) -> None:
    store = finished(tmp_path)
    (name,) = store.pairs()
    finished(tmp_path, Asked(baseline="ifrnet-s", plugins="hir"))
    (store.root / "figures" / name).mkdir(parents=True)
    (store.root / "figures" / name / "table.md").write_text("")
    before = everything(store)
    unanswered = harness(store, "rm", "ifrnet-s+hce")
    assert "nobody answered, and nothing is changed: give --yes" in str(unanswered.exception)
    assert f"is an arm of the pair {name}, which is removed with its figures" in unanswered.output
    assert "nothing is changed" in harness(store, "rm", "ifrnet-s+hce", answer="n\n").output
    assert everything(store) == before
    assert harness(store, "rm", "ifrnet-s+hce", answer="y\n").exit_code == 0
    assert everything(store) == {
        path: content for path, content in before.items() if PLUGGED not in path and name not in path
    }
    assert harness(store, "rm", PLAIN, "ifrnet-s+hir", "--yes").exit_code == 0
    assert everything(store) == {}


def test_what_started_from_a_run_stays_and_is_named(tmp_path: Path) -> None:
    store = finished(tmp_path)
    name = put(tmp_path, Asked(baseline="rife", plugins="hir", start=PLAIN), (30.0, 30.5))
    done = harness(store, "rm", PLAIN, "--yes")
    assert f"the pair {name} started from it, and stays: it cannot be made again" in done.output
    assert store.pairs() == [name]


@pytest.mark.parametrize("held", [PLAIN, PLUGGED])
def test_a_run_in_use_and_those_of_its_pairs_are_never_removed(held: str, tmp_path: Path) -> None:
    store = finished(tmp_path)
    before = everything(store)
    with store.run(held).locked():
        refused = harness(store, "rm", PLAIN, "--yes")
    assert str(refused.exception).startswith(f"run {held} is in use by process ")
    assert everything(store) == before


# --- prune


def test_what_is_pruned_is_what_nothing_needs(tmp_path: Path) -> None:
    store = finished(tmp_path)
    before, run = everything(store), store.run(PLAIN)
    table = CliRunner().invoke(cli, ["table", "--results", str(tmp_path)]).output
    unanswered = harness(store, "prune")
    assert "nobody answered" in str(unanswered.exception)
    assert "nothing is changed" in harness(store, "prune", answer="n\n").output
    assert everything(store) == before
    done = harness(store, "prune", answer="y\n")
    assert done.exit_code == 0, done.exception
    after = everything(store)
    freed = sum(map(len, before.values())) - sum(map(len, after.values()))
    assert f"freed {sized(freed)}" in done.output
    gone = {path for path in before if "step-00000004" in path}
    changed = {path for path in after if after[path] != before[path]}
    assert before.keys() - after.keys() == gone
    assert {path.rpartition("/")[2] for path in changed} == {"state.pt", "manifest.json"}
    assert find_trained(PLAIN, catalog(), store).file == run.checkpoints / "step-00000009/model.safetensors"
    assert CliRunner().invoke(cli, ["table", "--results", str(tmp_path)]).output == table
    assert harness(store, "prune").output == "nothing to free\n"


def test_an_unfinished_run_and_one_whose_last_checkpoint_is_damaged_are_left_alone(tmp_path: Path) -> None:
    store = finished(tmp_path)
    unfinished, damaged = store.run(PLAIN), store.run(PLUGGED)
    unfinished.set_status(Status(state="paused", step=9, steps=9))
    weights = damaged.checkpoints / "step-00000009/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    before = everything(store)
    done = harness(store, "prune", "--yes")
    assert f"left alone: {PLAIN} is not finished: it goes on from its checkpoints" in done.output
    assert (
        f"left alone: {PLUGGED}: its last checkpoint, step-00000009, is model.safetensors does not match" in done.output
    )
    assert everything(store) == before
    damaged.set_status(Status(state="evaluated", step=12, steps=12))
    save(damaged, 9)
    assert "is of an earlier step" in harness(store, "prune", "--yes").output
    assert "is not finished" in str(harness(store, "prune", PLAIN, "--yes").exception)


def test_a_run_that_is_trained_now_is_left_alone(tmp_path: Path) -> None:
    store = finished(tmp_path)
    before = everything(store)
    with store.run(PLAIN).locked():
        done = harness(store, "prune", "--yes")
        named = harness(store, "prune", PLAIN, "--yes")
        with pytest.raises(HarnessError, match="in use by"):  # it began after the question
            thin.thin(store.run(PLAIN))
    assert f"left alone: run {PLAIN} is in use by process " in done.output
    assert str(named.exception).startswith(f"run {PLAIN} is in use by process ")
    after = everything(store)
    assert {path for path in before if PLAIN in path and after.get(path) != before[path]} == set()
    assert after != before  # the other is thinned


def test_a_prune_that_is_killed_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the state and the manifest, when the checkpoint looks damaged."""
    run = finished(tmp_path).run(PLAIN)
    weights = (run.checkpoints / "step-00000009/model.safetensors").read_bytes()
    writes: list[Path] = []

    def killed(path: Path, content: bytes) -> None:
        writes.append(path)
        if path.name == checkpoint.MANIFEST:
            raise KeyboardInterrupt
        path.write_bytes(content)

    with monkeypatch.context() as at_once:
        at_once.setattr(thin, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            thin.thin(run)
    assert [path.name for path in writes] == ["state.pt", "manifest.json"]
    thin.thin(run)
    last = checkpoint.latest(run.checkpoints)
    assert last is not None
    assert (last.step, last.weights.read_bytes()) == (9, weights)


def test_initial_weights_go_when_no_run_began_with_them(tmp_path: Path) -> None:
    store = finished(tmp_path)
    (store.root / "init").mkdir()
    for name in ("used", "unused", "new"):
        (store.root / f"init/{name}.safetensors").write_text(name)
        (store.root / f"init/{name}.sha256").write_text(f"{name}\n")
        if name != "new":  # which a run is about to begin with
            os.utime(store.root / f"init/{name}.sha256", (0, 0))
    run = store.run(PLAIN)
    write(run.config, run.record().model_copy(update={"fingerprint": fingerprint(initial_weights="used")}))
    assert [path.name for path in orphans(store)] == ["unused.safetensors", "unused.sha256"]
    assert harness(store, "prune", PLAIN, "--yes").exit_code == 0
    assert (store.root / "init/unused.sha256").exists()  # asked for one run, it takes nothing else
    assert harness(store, "prune", "--yes").exit_code == 0
    left = sorted(path.name for path in (store.root / "init").iterdir())
    assert left == ["new.safetensors", "new.sha256", "used.safetensors", "used.sha256"]
    os.utime(store.root / "init/new.sha256", (0, 0))
    store.reference.parent.mkdir(exist_ok=True)
    with FileLock(store.reference.with_suffix(".lock")):  # who waits for the mean of the two frames has no record
        assert orphans(store) == []
    assert orphans(store) != []
    run.config.write_text("{")
    assert orphans(store) == []  # nobody knows what it began with


# --- compare

UNMATCHED = "harness: warning: A and B are no matched pair: more than the plug-ins differs, and no difference is given"


def compared(store: Store, *more: str) -> str:
    done = harness(store, "compare", PLAIN, PLUGGED, *more)
    assert done.exit_code == 0, done.exception
    return str(done.output)


def test_what_two_runs_differ_in_is_told_by_kind(tmp_path: Path) -> None:
    store = finished(tmp_path)
    plain, plugged = map(store.run, (PLAIN, PLUGGED))
    assert "made alike: network, start, recipe, seed, data, masks, code and machine are the same" in compared(store)
    facts: dict[str, Any] = {"baseline": {"name": "ifrnet-s"}, "initial_weights": "a" * 64, "recipe": {"batch": 4}}
    facts |= {"data": {"name": "clips", "digest": "1"}, "code": {"harness.arm": "1"}, "environment": {"torch": "2.6"}}
    others = {"baseline": {"name": "rife"}, "initial_weights": "b" * 64, "recipe": {"batch": 8}, "seed": 1}
    sets = [{"name": "clips", "digest": "2"}, {"name": "layers", "digest": "3", "weight": 1.0}]
    others |= {"data": {"sets": sets}, "code": {"harness.arm": "2"}, "environment": {"torch": "2.7"}}
    others |= {"arm": [{"name": "hir", "options": {"stages": "L"}, "code": "x"}], "masks": {"name": "supervoxel"}}
    for run, made in ((plain, facts), (plugged, others)):
        write(run.config, run.record().model_copy(update={"fingerprint": fingerprint(**made)}))
    for run, version in ((plain, "1.0"), (plugged, "2.0")):
        (run.path / "env.json").write_text(f'{{"python": "3.11", "packages": {{"numpy": "{version}"}}}}')
    assert compared(store).splitlines()[2:13] == [
        "network:  baseline.name: ifrnet-s -> rife",
        "network:  arm.hir: None -> hir(stages=L)",
        "start:    initial_weights: aaaaaaaa... -> bbbbbbbb...",
        "recipe:   recipe.batch: 4 -> 8",
        "seed:     seed: 0 -> 1",
        "data:     data.clips.digest: 1 -> 2",
        "data:     data.layers: None -> layers",
        "masks:    masks: None -> supervoxel",
        "code:     code.harness.arm: 1 -> 2",
        "machine:  environment.torch: 2.6 -> 2.7",
        "packages: numpy: 1.0 -> 2.0",
    ]
    (plain.path / "env.json").write_text("[]")
    assert "env.json: damaged" in str(harness(store, "compare", PLAIN, PLUGGED).exception)


def test_rows_stand_side_by_side_and_a_difference_only_of_matched_runs(tmp_path: Path) -> None:
    store = finished(tmp_path)
    plugged = store.run(PLUGGED)
    lines = [line.split() for line in compared(store).splitlines()]
    assert ["snu-film", "easy", "2", "29.8333", "30.3333", "+0.5000"] in lines
    assert len([line for line in lines if line[0] in ("snu-film", "vimeo90k")]) == 5
    each = [line.split() for line in compared(store, "--triplets", "--metric", "ssim").splitlines()]
    assert ["snu-film", "easy", "b", "0.9300", "0.9305", "+0.0005"] in each
    assert UNMATCHED not in compared(store)
    rows = plugged.read_rows()
    changed = [row.model_copy(update={"frames": "other"}) if row.triplet == "b" else row for row in rows]
    write_rows(plugged.rows, prepare(plugged.rows, []), changed)
    lines = [line.split() for line in compared(store).splitlines()]
    assert ["snu-film", "easy", "2", "29.8333", "30.3333", "other", "frames", "at", "1", "of", "2"] in lines
    write_rows(plugged.rows, prepare(plugged.rows, []), rows)
    other = plugged.record().model_copy(update={"fingerprint": fingerprint(recipe={"batch": 1})})
    write(plugged.config, other)
    lines = [line.split() for line in compared(store).splitlines()]
    assert ["snu-film", "easy", "2", "29.8333", "30.3333"] in lines
    assert UNMATCHED in compared(store)
    assert "did you mean 'psnr'?" in str(harness(store, "compare", PLAIN, PLUGGED, "--metric", "pnsr").exception)
    write_rows(plugged.rows, prepare(plugged.rows, []), [row.model_copy(update={"protocol": "x"}) for row in rows])
    assert "no triplet was measured of both under one protocol" in compared(store)


def test_runs_that_were_given_other_batches_have_no_difference(tmp_path: Path) -> None:
    """Their fingerprints are equal, and a table refuses them."""
    store = finished(tmp_path)
    plugged = store.run(PLUGGED)
    trail = [given._replace(batch="other") if given.step else given for given in plugged.trail()]
    write_lines(plugged.audit, Given._fields, map(written, trail))
    lines = [line.split() for line in compared(store).splitlines()]
    assert ["snu-film", "easy", "2", "29.8333", "30.3333"] in lines
    assert UNMATCHED in compared(store)


def test_rows_of_other_masks_weights_or_regions_are_not_taken_together(tmp_path: Path) -> None:
    store = finished(tmp_path)
    plain, plugged = map(store.run, (PLAIN, PLUGGED))
    before = [line.split() for line in compared(store).splitlines()]
    rows = plain.read_rows()
    given = [row.model_copy(update={"masks": "good"}) for row in plugged.read_rows()]

    def again(row: Any, less: float, **changes: str) -> Any:
        values = {name: value - less for name, value in row.values.items()}
        return row.model_copy(update={**changes, "values": values})

    write_rows(plain.rows, prepare(plain.rows, []), [*rows, *(again(row, 9, weights="old") for row in rows)])
    assert [line.split() for line in compared(store).splitlines()] == before
    write_rows(plain.rows, prepare(plain.rows, []), rows)
    write_rows(plugged.rows, prepare(plugged.rows, []), [*given, *(again(row, 9, masks="worse") for row in given)])
    lines = [line.split() for line in compared(store).splitlines()]
    easy = ["snu-film", "easy", "2", "29.8333"]
    assert [*easy, "30.3333", "+0.5000", "B", "given", "masks", "good"] in lines
    assert [*easy, "21.3333", "-8.5000", "B", "given", "masks", "worse"] in lines
    write_rows(plain.rows, prepare(plain.rows, []), [again(row, 0, masks="worse") for row in rows])
    lines = [line.split() for line in compared(store).splitlines()]
    assert [line[4:] for line in lines if line[:4] == easy] == [["21.3333", "-8.5000"]]  # of masks that both were given
    for run, of in ((plain, rows), (plugged, given)):
        write_rows(run.rows, prepare(run.rows, []), [*of, *(again(row, 0, regions="truth") for row in of)])
    lines = [line.split() for line in compared(store).splitlines()]
    assert [*easy, "30.3333", "+0.5000", "regions", "by", "masks", "truth"] in lines
