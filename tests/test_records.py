"""Records: written whole with a checksum, read or named in one line, those of the landed schema too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.table import table
from harness.errors import HarnessError
from harness.outcome.control import judged
from harness.outcome.difference import difference
from harness.outcome.pairs import Column, means_of, read_pair
from harness.outcome.refusals import refusals
from harness.outcome.verdict import judge
from harness.report.suite_table import suite_sheet
from harness.report.tables import pair_sheets
from harness.results import lines
from harness.results.comparison import Comparison, Data, Part
from harness.results.envelope import SCHEMA, content_of, read, write
from harness.results.records import Asked, PairRecord, SetRecord, Status, remedy_of
from harness.results.rows import Row, prepare, write_rows
from harness.results.store import RunFolder, Store
from harness.results.trail import Given
from harness.suites.suite import Suite
from tests.stores import comparison, fingerprint, numbers, pair_record, put_run
from tests.torture import flips

LANDED = Path(__file__).parent / "landed"
BITS = 70 if os.environ.get("TORTURE") else 5  # flipped in each record

KEYS = {"data": "clips-1", "level": "easy", "protocol": "unified-v2-abcdef", "masks": "none", "regions": "none"}
ASKED = Asked(baseline="ifrnet-s", plugins="hce")


def row(arm: str, triplet: str, psnr: float, **more: object) -> Row:
    facts = {**KEYS, "triplet": triplet, "clip": triplet, "weights": arm, "frames": "f", "maps": "none", "groups": "g"}
    return Row.model_validate({**facts, "values": {"psnr": psnr, "ssim": psnr / 100}, **more})


def put(root: Path, rows: dict[str, list[Row]], asked: Asked = ASKED, tier: str = "CPU, bit-exact") -> Store:
    """A finished pair, with these rows of `ifrnet-s`, of its other arm `plugged`, and of no network, `none`."""
    store = Store(root)
    runs = [store.run("ifrnet-s.s0.00000000"), store.run(f"ifrnet-s+{asked.plugins}.s0.11111111")]
    trail = [Given(0, "aa", "", "", "bb", ""), Given(9, "", "cc", "0.1", "bb", "0.5")]
    for run, arm in zip(runs, ("ifrnet-s", "plugged"), strict=True):
        done = Status(state="evaluated", step=9, steps=9)
        put_run(run, arm, fingerprint(), rows[arm], arm, [0.5, 0.4], trail, done)
    reference = rows.get("none", [])
    write_rows(store.reference, prepare(store.reference, ["psnr", "ssim"]), reference)
    tests = (SetRecord(data="clips-1", levels={"easy": tuple(each.triplet for each in rows["ifrnet-s"])}),)
    labels = ("ifrnet-s", "plugged")
    record = pair_record(asked, runs, tests=tests, labels=labels, tier=tier, protocol=KEYS["protocol"])
    store.write_pair(f"{runs[1].name}-tested", record)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    arms = {"ifrnet-s": 30.0, "plugged": 30.5, "none": 25.0}
    return put(
        tmp_path, {arm: [row(arm, each, psnr + at) for at, each in enumerate("abc")] for arm, psnr in arms.items()}
    )


NAME = "ifrnet-s+hce.s0.11111111-tested"


# --- flips


def test_a_flipped_bit_in_any_record_is_found_and_named(store: Store, record_property: pytest.RecordProperty) -> None:
    found = flips.verdicts(store.root, BITS, seed=0)
    assert found.keys() <= {"named", "no effect"}, found
    # what a record says of nobody's number may change: it is found where it is needed
    assert found["no effect"] == 0
    record_property("flips", sum(found.values()))


@given(st.data())
def test_a_flipped_bit_of_a_record_is_never_another_record(data: st.DataObject) -> None:
    whole = content_of(Status(state="trained", step=3, steps=9))
    at = data.draw(st.integers(0, 8 * len(whole) - 1))
    changed = bytearray(whole)
    changed[at // 8] ^= 1 << at % 8
    path = Path(data.draw(st.just("/dev/shm" if Path("/dev/shm").is_dir() else "."))) / f"status-{os.getpid()}.json"
    path.write_bytes(changed)
    try:
        with pytest.raises(HarnessError, match=r"status-\d+\.json: damaged .*; again$"):
            read(path, Status, "again")
    finally:
        path.unlink()


def test_a_flipped_bit_of_a_line_is_never_another_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines.write(path, ["a", "b"], [{"a": "1", "b": "x,y"}, {"a": "2", "b": ""}])
    whole = path.read_bytes()
    honest = lines.read(path, "again")
    for at in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        path.write_bytes(changed)
        with pytest.raises(HarnessError, match=r"t\.csv: damaged"):
            lines.read(path, "again")
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert lines.read(path, "again").lines == honest.lines[: len(lines.read(path, "again").lines)]


# --- what is read


def test_a_table_reads_no_trail_where_the_verdict_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, plugged = store.runs()[::-1]
    record = store.pair(NAME)
    store.write_pair(NAME, record.model_copy(update={"verdict": judge(plain, plugged)}))
    read: list[str] = []
    trail = RunFolder.trail
    monkeypatch.setattr(RunFolder, "trail", lambda run: read.append(run.name) or trail(run))
    assert any("difference" in line.label for line in pair_sheets([read_pair(store, NAME)])[0].lines)
    assert read == []
    lines.write(plain.audit, Given._fields, [given._asdict() | {"step": str(given.step)} for given in trail(plain)[:1]])
    assert "the trail of ifrnet-s.s0.00000000 ends at step 0 of 9" in refusals(read_pair(store, NAME))
    assert sorted(read) == sorted([plain.name, plugged.name])


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["table", "table1", "--results", "NONE"], {"torch", "numpy", "pandas", "scipy"}),
        (["table", "--results", str(LANDED)], {"torch"}),
        (["audit", "ifrnet-s+hce+hir", "--results", str(LANDED)], {"torch"}),
        (["list", "--results", str(LANDED)], {"torch"}),
    ],
)
def test_reading_imports_no_torch(words: list[str], unwanted: set[str], tmp_path: Path) -> None:
    words = [word.replace("NONE", str(tmp_path)) for word in words]
    script = f"import sys; sys.argv = {['harness', *words]!r}\nfrom harness.cli.main import main\ntry:\n    main()\n"
    script += "finally:\n    print('imported', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not unwanted & set(done.stdout.partition("imported ")[2].split())


# --- what is no record of ours


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ('{"schema": 2}', "its checksum is another"),
        ("[" * 100_000, "damaged"),
        (json.dumps({"schema": 99, "kind": "pair", "record": {}}), r"of schema 99; this version reads up to 2: update"),
        (json.dumps({"title": "mine"}), "damaged"),
        (content_of(Status(state="trained")).decode(), "holds the record of a status, not of a pair"),
        ('{"runs": ["../../etc"]}', "damaged"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin1"), "damaged"),
    ],
)
def test_what_is_no_record_of_a_pair_is_one_line(store: Store, text: str, line: str) -> None:
    store.pair_file(NAME).write_text(text, "latin1")
    with pytest.raises(HarnessError, match=line) as error:
        store.pair(NAME)
    assert str(store.pair_file(NAME)) in str(error.value)
    assert "\n" not in str(error.value)
    assert "schema" in line or "harness run --baseline ifrnet-s --with hce --seeds 0" in str(error.value)


def test_a_newer_schema_that_is_whole_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = store.pair(NAME)
    with monkeypatch.context() as newer:
        newer.setattr("harness.results.envelope.SCHEMA", SCHEMA + 1)
        store.write_pair(NAME, record)
    with pytest.raises(HarnessError, match=r"of schema 3; this version reads up to 2: update vfi-harness$"):
        store.pair(NAME)


@pytest.mark.parametrize("make", ["fifo", "folder", "loop"])
def test_what_is_no_file_is_one_line(store: Store, make: str) -> None:
    path = store.pair_file(NAME)
    path.unlink()
    if make == "fifo":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    with pytest.raises(HarnessError, match=NAME.replace("+", r"\+")):
        store.pair(NAME)


@pytest.mark.parametrize("name", ["../../../x", "a/b", "", "..", ".hidden", "a\nb", "a" * 300, "\x1b[31m"])
def test_a_name_is_no_way_out_of_the_store(store: Store, name: str) -> None:
    with pytest.raises(HarnessError, match="is no name of a run or pair"):
        store.run(name)
    with pytest.raises(HarnessError):
        store.pair(name)
    record = store.pair(NAME)
    with pytest.raises(ValueError, match="runs"):
        PairRecord.model_validate({**record.model_dump(), "runs": (name,)})


def test_a_file_with_a_name_that_is_none_is_left_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    whole = store.pair_file(NAME).read_bytes()
    for name in ("...json", "a b.json", "\x1b[31m.json"):
        (store.root / "pairs" / name).write_bytes(whole)
    assert store.pairs() == [NAME]
    assert "is no name of a pair: left out" in caplog.text
    assert "\x1b" not in caplog.text


def test_one_damaged_record_stops_no_other_pair(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(store.pair_file(NAME), store.pair_file("another"))
    store.pair_file("another").write_text("{")
    assert list(store.pair_records()) == [NAME]
    assert "another.json: damaged" in caplog.text
    assert pair_sheets([read_pair(store, NAME)])


def test_a_remedy_is_the_command() -> None:
    assert "harness run --baseline rife --seeds 3," in remedy_of("rife.s3.0a1b2c3d")
    assert "harness run --baseline rife --with hce,hir --seeds 0," in remedy_of("rife+hce+hir.s0.0a1b2c3d")
    assert "the command that made it" in remedy_of("whatever")


# --- the landed schema


def test_a_store_of_the_landed_schema_gives_the_same_table(tmp_path: Path) -> None:
    """tests/landed is what that version left of the demo, without weights; table.csv is what it printed of it, but for
    the time of a step of the arm with masks: in its one epoch they were made, and so it is no longer given."""
    root = shutil.copytree(LANDED, tmp_path / "results")
    done = CliRunner().invoke(table, ["--results", str(root), "--format", "csv"])
    assert done.exit_code == 0, done.exception
    assert done.output == (LANDED / "table.csv").read_text()
    (name,) = Store(root).pairs()
    pair = read_pair(Store(root), name)
    assert refusals(pair) == ()
    assert [part.name for part in pair.record.comparison.plugins] == ["hce", "hir"]
    assert pair.record.comparison.recipe["learning_rate"] == 0.0001


def test_a_suite_shows_a_metric_of_the_landed_schema(tmp_path: Path) -> None:
    """Its column had no name in what was compared, and so the suite said that it was not asked for."""
    root = Path(shutil.copytree(LANDED, tmp_path / "results"))
    (file,) = (root / "pairs").iterdir()
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"metrics": ["psnr", "ssim", "ie"]}))
    for rows in root.glob("runs/*/samples.csv"):
        head, *lines_ = rows.read_text().splitlines()
        rows.write_text("\n".join([f"{head},ie", *(f"{line},2.5" for line in lines_), ""]))
    own = {"title": "t", "summary": "s", "recipe": "quick", "data": "clips", "metrics": "psnr,ssim,ie"}
    column = {"test": "clips", "level": "easy", "label": "easy", "metric": "ie"}
    asked = own | {"columns": [column], "rows": [{"label": "HIR", "baseline": "ifrnet-s", "with": "hce,hir"}]}
    sheet = suite_sheet("own", Suite.model_validate(asked), Store(root))
    assert 2.5 in numbers(sheet).values()
    assert not any("not asked for" in note for note in sheet.notes)


def test_a_landed_record_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    root = shutil.copytree(LANDED, tmp_path / "results")
    store = Store(root)
    (name,) = store.pairs()
    config = store.run(store.pair(name).runs[1]).path / "config.yaml"
    config.write_text("fingerprint: &a [*a]")
    with pytest.raises(HarnessError, match="harness run --baseline ifrnet-s --with hce,hir --seeds 0"):
        store.pair(name)


# --- comparison


PLAIN = Asked(baseline="net", plugins="hce")


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"protocol": "other-v1-000000"}, "protocol: unified-v2-abcdef -> other-v1-000000"),
        ({"recipe": {"steps": 9}}, "recipe.steps: "),
        ({"code": {"core": "new"}}, "code.core: None -> new"),
        ({"masks": None}, "masks: supervoxel -> None"),
        ({"plugins": ()}, "plugins: hce -> none"),
        ({"baseline": Part(name="net", options={"width": 3})}, "baseline.net.width: None -> 3"),
        ({"data": (Data(name="clips", content="b"),)}, "data.clips.content: a -> b"),
        ({"tests": (Data(name="vimeo90k"),)}, "tests: clips -> vimeo90k"),
    ],
)
def test_what_differs_is_named(changed: dict[str, object], differing: str) -> None:
    one = comparison(PLAIN, data=Data(name="clips", content="a"))
    other = one.model_copy(update=changed)
    assert one.is_same(one)
    assert not one.is_same(other)
    assert any(line.startswith(differing) for line in one.differences(other)), one.differences(other)


def test_what_is_not_known_differs_in_nothing() -> None:
    here, there = (comparison(PLAIN, data=Data(name="clips", content=content)) for content in ("a", None))
    assert here.is_same(there)
    assert there.is_same(here)


def test_data_is_compared_by_content_and_not_by_where_it_lay() -> None:
    def of(root: str, content: str | None) -> Comparison:
        return comparison(PLAIN, data=Data(name="clips", options={"root": root}, content=content))

    assert of("/a", "x").is_same(of("/b", "x"))
    assert not of("/a", "x").is_same(of("/a", "y"))
    assert not of("/a", None).is_same(of("/b", "x"))


def test_only_metrics_of_both_are_compared() -> None:
    one = comparison(PLAIN, metrics={"psnr": "psnr", "ssim": "ssim"})
    assert one.is_same(comparison(PLAIN, metrics={"psnr": "psnr", "lpips": "lpips"}))
    assert not one.is_same(comparison(PLAIN, metrics={"ssim": "ssim v2"}))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, False),
        ({"stages": "L"}, True),
        ({"stages": "L", "radius": "3"}, True),
        ({"stages": "L", "deep": "yes"}, True),
        ({"stages": "L", "radius": "4"}, False),
        ({"stages": "LS"}, False),
        ({"stages": "L", "other": "1"}, False),
    ],
)
def test_words_mean_a_part_with_its_defaults_spelled_out_or_not(given: dict[str, str], meant: bool) -> None:
    part = Part(name="hir", options={"stages": "L", "radius": 3, "deep": True}, given={"stages": "L"})
    assert part.is_meant_by("hir", given) is meant
    assert not part.is_meant_by("hce", given)


# --- what a difference needs


def test_other_frames_refuse_a_difference(store: Store) -> None:
    run = store.run("ifrnet-s+hce.s0.11111111")
    rows = run.read_rows()
    for changed, told in (({"frames": "other"}, "plugged"), ({"groups": "other"}, "plugged")):
        write_rows(run.rows, prepare(run.rows, []), [rows[0], rows[1].model_copy(update=changed), rows[2]])
        pair = read_pair(store, NAME)
        (line, *_) = refusals(pair)
        assert told in line
        assert "other frames at 1 of 3 triplets, the first clips easy b" in line
        with pytest.raises(HarnessError, match="other frames at 1 of 3 triplets"):
            difference(pair)
    write_rows(run.rows, prepare(run.rows, []), rows)
    reference = store.read_reference()
    write_rows(store.reference, prepare(store.reference, []), [row("none", "a", 25.0, frames="other"), *reference[1:]])
    assert len(refusals(read_pair(store, NAME))) == 2


def test_a_mean_over_fewer_triplets_is_not_printed(tmp_path: Path) -> None:
    """Nor one of what is not finite; the missing value is filled by the next run (test_evaluation)."""
    plugged = [row("plugged", each, 30.0) for each in "abc"]
    plugged[1] = plugged[1].model_copy(update={"values": {"psnr": 30.0}})
    plugged[2] = plugged[2].model_copy(update={"values": {"psnr": float("inf"), "ssim": 0.5}})
    store = put(tmp_path, {"ifrnet-s": [row("ifrnet-s", each, 30.0) for each in "abc"], "plugged": plugged})
    pair = read_pair(store, NAME)
    at = Column("clips", "easy")
    assert pair.arms[0].means[at] == {"psnr": 30.0, "ssim": pytest.approx(0.3)}
    assert pair.arms[1].means[at] == {}
    gained = difference(pair)
    assert gained is not None
    assert means_of(gained)[at] == {}
    (sheet, *_) = pair_sheets([pair])
    (line,) = (line for line in sheet.lines if line.label == "plugged")
    assert line.cells[0].text == "2 of 3/2 of 3"
    (line,) = (line for line in sheet.lines if line.label == "difference")
    assert line.cells[0].text == ""
    assert any("ssim is known for 2 of 3 triplets: no mean, and no difference" in note for note in sheet.notes)


def test_static_triplets_are_counted_named_and_left_out_beside_the_mean(tmp_path: Path) -> None:
    arms = {"ifrnet-s": (15.1, 15.1), "plugged": (100.0, 15.2), "none": (100.0, 14.0)}
    store = put(
        tmp_path,
        {arm: [row(arm, each, psnr) for each, psnr in zip("ab", values, strict=True)] for arm, values in arms.items()},
    )
    (sheet, *_) = pair_sheets([read_pair(store, NAME)])
    shown = {line.label: line.cells[0].text.partition("/")[0] for line in sheet.lines}
    assert shown["plugged"] == "57.60"
    assert shown["plugged, without static triplets"] == "15.20"
    assert shown["difference, without static triplets"] == "+0.100"
    assert "ifrnet-s, without static triplets" not in shown
    assert any(
        "plugged, easy: 1 of 2 frames are equal to the truth, which counts as 100 dB: a." in n for n in sheet.notes
    )


# --- the control


def control(root: Path, psnr: float, **more: str) -> Store:
    asked = Asked(baseline="ifrnet-s", plugins="null")
    rows = {"ifrnet-s": [row("ifrnet-s", "a", 30.0), row("ifrnet-s", "b", 31.0)]}
    return put(root, {**rows, "plugged": [row("plugged", "a", 30.0), row("plugged", "b", psnr)]}, asked, **more)


def test_a_control_that_reproduces_all_passes(tmp_path: Path) -> None:
    store = control(tmp_path, 31.0)
    for run in store.runs():  # the stores of these tests tell arms apart by it
        measured = run.measured()
        assert measured
        run.set_measured(measured.model_copy(update={"baseline_sha256": "same"}))
    assert judged(read_pair(store, store.pairs()[0])).startswith("PASS")


def test_a_control_that_does_not_fails_with_what_differs_first(tmp_path: Path) -> None:
    store = control(tmp_path, 31.000000000000004)
    (name,) = store.pairs()
    assert judged(read_pair(store, name)) == "FAIL: the weights differ after the last step"
    run = store.run("ifrnet-s+null.s0.11111111")
    measured = run.measured()
    assert measured
    run.set_measured(measured.model_copy(update={"baseline_sha256": "ifrnet-s"}))
    assert judged(read_pair(store, name)) == "FAIL: clips easy b: psnr 31.0 -> 31.000000000000004"
    lines.write(
        run.audit,
        Given._fields,
        [given._asdict() | {"step": "9", "gradient_norm": "0.25"} for given in run.trail()[1:]],
    )
    assert judged(read_pair(store, name)).startswith("FAIL: the arms are not matched")


def test_where_equal_trainings_differ_a_control_is_not_judged(tmp_path: Path) -> None:
    store = control(tmp_path, 32.0, tier="CUDA, fast")
    assert judged(read_pair(store, store.pairs()[0])) == ""


def test_writing_is_whole_or_not_at_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.pair_file(NAME)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write(path, store.pair(NAME).model_copy(update={"title": "new"}))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
