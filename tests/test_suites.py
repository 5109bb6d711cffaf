"""Suites: which pairs they ask for, their tables on stores made by hand, and the running of jobs."""

from __future__ import annotations

import csv
import errno
import os
import random
import re
import signal
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.cli.main import main
from harness.errors import HarnessError
from harness.launch.local import run_jobs
from harness.outcome.difference import difference
from harness.outcome.pairs import read_pair
from harness.pair.plan import settle
from harness.registry.catalog import catalog
from harness.registry.launching import Job, Launched
from harness.report.forecast_table import duration
from harness.report.formats import FORMATS
from harness.report.sheet import Sheet
from harness.report.suite_table import suite_sheet
from harness.results.comparison import StartRecord
from harness.results.records import Asked
from harness.results.store import Store
from harness.suites.forecast import forecast
from harness.suites.plan import jobs_of
from harness.suites.suite import Expected, Suite, load_suite
from tests.stores import numbers, put, suite, table1

SNAPSHOTS = Path(__file__).parent / "snapshots"


# pairs


def test_table1_asks_for_four_pairs_of_eight_arms() -> None:
    pairs = suite("table1").pairs()
    assert [pair.baseline for pair in pairs] == ["rife", "ifrnet", "amt", "ema"]
    assert {pair.plugins for pair in pairs} == {"hce,hir"}
    assert pairs[0].command() == (
        "harness run --baseline rife --with hce,hir --recipe paper --data vimeo90k --test vimeo90k,snu-film"
    )


def test_the_ablations_ask_for_what_their_rows_say() -> None:
    assert [pair.plugins for pair in suite("table2a").pairs()] == [
        "hir",
        "hce:temporal=false,hir",
        "hce:spatial=false,hir",
        "hce,hir",
    ]
    assert [pair.plugins for pair in suite("table2b").pairs()] == [
        "hce,hir:stages=L",
        "hce,hir:stages=S",
        "hce,hir:stages=SL",
        "hce,hir",
    ]
    assert [pair.test_masks for pair in suite("table3").pairs()] == ["global", ""]


def test_seeds_and_rows_can_be_chosen() -> None:
    chosen = suite("table1")
    pairs = chosen.pairs((3, 5), [chosen.row("ifrnet"), chosen.row("IFRNet + HCE, HIR")])
    assert [(pair.baseline, pair.seed) for pair in pairs] == [("ifrnet", 3), ("ifrnet", 5)]
    with pytest.raises(HarnessError, match=r"no row 'IFRnets'.*did you mean 'IFRNet'"):
        chosen.row("IFRnets")


@pytest.mark.parametrize("name", ["clips1", "smoke1"])
def test_every_pair_of_what_can_run_here_is_valid(name: str) -> None:
    for asked in suite(name).pairs():
        settle(asked, catalog(), torch.device("cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("against: RIFF", r"own\.yaml:1: against: there is no row 'RIFF'; did you mean 'RIFE'"),
        ("agianst: RIFE", r"own\.yaml:6: unknown key 'rows\.1\.agianst'"),
        (
            "start: a/w.pth}, {label: C, baseline: rife, with: hir, start: ./b/w.pth",
            r"own\.yaml:1: start: tables cannot tell a/w\.pth from b/w\.pth: give one of the files another name",
        ),
    ],
)
def test_a_wrong_suite_is_named_with_its_line(change: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "title: t\nsummary: s\nrecipe: smoke\ndata: clips\ncolumns: [{test: clips, level: easy, label: easy}]\n"
        f"rows: [{{label: RIFE, baseline: rife}}, {{label: B, baseline: rife, with: hce, {change}}}]\n"
    )
    with pytest.raises(HarnessError, match=message):
        load_suite(path)


@pytest.mark.parametrize(("seeds", "message"), [("[]", "seeds: .* at least 1 item"), ("[0, 1, 0]", "two seeds .* '0'")])
def test_a_suite_has_seeds_and_each_once(seeds: str, message: str, tmp_path: Path) -> None:
    """Without any it ended in a traceback; one that it had twice was run twice."""
    path = tmp_path / "own.yaml"
    path.write_text(f"seeds: {seeds}\n{SMALL.format(test='clips', column='test: clips, level: easy')}")
    with pytest.raises(HarnessError, match=rf"own\.yaml:1: {message}"):
        load_suite(path)


# tables


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two of Table 1's pairs."""
    rife, ifrnet, *_ = suite("table1").pairs()
    put(tmp_path, rife, (25.0123456789012345, 25.1123456789012345))
    put(tmp_path, ifrnet, (26.0, 25.9))
    return tmp_path


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "json", "html"])
def test_snapshot(form: str, store: Path) -> None:
    """A file in `snapshots` is what a person has looked at: after a change on purpose, look at it again."""
    assert FORMATS[form]([table1(store)]) == (SNAPSHOTS / f"table1.{form}").read_text("utf-8")


def test_published_measured_and_difference(store: Path) -> None:
    found = numbers(table1(store))
    at = ("SNU extreme", "psnr")
    assert found["RIFE, published", *at] == 24.81
    assert found["RIFE, measured", *at] == pytest.approx(25.0123456789012345 - 1 / 6, abs=1e-12)
    assert found["RIFE, difference", *at] == pytest.approx(25.0123456789012345 - 1 / 6 - 24.81, abs=1e-12)
    assert found["RIFE + HCE, HIR minus RIFE, published", *at] == 0.21
    assert found["RIFE + HCE, HIR minus RIFE, measured", *at] == pytest.approx(0.1, abs=1e-12)
    assert found["RIFE, measured", "cost (T)", "cost"] == pytest.approx(0.164123456789)
    assert ("AMT, measured", *at) not in found
    (amt,) = (line for line in table1(store).lines if line.label == "AMT, measured")
    assert amt.cells[0].text == "not measured"


def test_the_same_bytes_whatever_the_order_of_files(tmp_path: Path) -> None:
    pairs = [pair.model_copy(update={"seed": seed}) for pair in suite("table1").pairs() for seed in (0, 1)]
    texts = set()
    for order in range(3):
        random.Random(order).shuffle(pairs)
        root = tmp_path / str(order)
        root.mkdir()
        for pair in pairs:
            put(root, pair, (25 + pair.seed / 7, 25.5))
        sheet = table1(root)
        texts.add("".join(draw([sheet]) for draw in FORMATS.values()))
    assert len(texts) == 1


def test_an_empty_store_shows_what_is_published_and_says_so(tmp_path: Path) -> None:
    sheet = table1(tmp_path)
    assert [line.label for line in sheet.lines][:3] == [
        "RIFE, published",
        "RIFE + HCE, HIR, published",
        "RIFE + HCE, HIR minus RIFE, published",
    ]
    assert "Nothing of this table is measured in this store: harness suite table1 runs what it needs." in sheet.notes
    assert numbers(sheet)["EMA + HCE, HIR, published", "Vimeo90K", "psnr"] == 35.96


def test_seeds_are_averaged_and_counted(store: Path) -> None:
    assert any(note.startswith("Measured: single seed (0)") for note in table1(store).notes)
    (plugged,) = (line for line in table1(store).lines if line.label == "RIFE + HCE, HIR, measured")
    assert plugged.cells[0].text == "24.95/0.9251"
    rife, ifrnet, *_ = suite("table1").pairs((1,))
    put(store, rife, (26.0123456789012345, 26.3123456789012345))
    put(store, ifrnet, (26.0, 25.9))
    sheet = table1(store)
    found = numbers(sheet)
    assert found["RIFE, measured", "SNU extreme", "psnr"] == pytest.approx(25.5123456789 - 1 / 6)
    assert found["RIFE + HCE, HIR minus RIFE, measured", "SNU extreme", "psnr"] == pytest.approx(0.2)
    assert "Measured: mean over 2 seeds (0, 1)." in sheet.notes


def test_the_best_is_bold_as_in_the_paper(tmp_path: Path) -> None:
    """Each of PSNR and SSIM on its own, within a pair: the plain 35.40 but the plug-ins' 0.9779."""
    published = {line.label: line.cells[0].pieces for line in table1(tmp_path).lines}
    assert published["RIFE, published"] == [("35.40", True), ("0.9777", False)]
    assert published["RIFE + HCE, HIR, published"] == [("35.37", False), ("0.9779", True)]


def test_two_protocols_are_refused_and_said(store: Path) -> None:
    amt = suite("table1").pairs()[2]
    put(store, amt.model_copy(update={"protocol": "official-amt"}), (26.0, 26.1), protocol="official-amt-v1-999999")
    with pytest.raises(HarnessError, match=r"table1: two protocols.*unified-v2-abcdef.*official-amt-v1-999999"):
        table1(store)
    sheet = table1(store, mix_protocols=True)
    assert "MIXED PROTOCOLS: unified-v2-abcdef, official-amt-v1-999999" in sheet.title
    assert "AMT; AMT + HCE, HIR: Measured under protocol official-amt-v1-999999." in sheet.notes


def test_a_suite_that_is_run_again_under_later_code_is_one_table_until_all_of_it_has_been(store: Path) -> None:
    """It was refused from the first row that was run again."""
    first, second = suite("table1").pairs()[:2]
    old = next((store / "pairs").glob("rife*")).stem
    new = put(store, first, (25.5, 25.6), protocol="unified-v3-000000", later="22222222")
    os.utime(store / "pairs" / f"{new}.json", (4e9, 4e9))
    sheet = table1(store)
    assert "Measured under protocol unified-v2-abcdef." in sheet.notes
    assert f"RIFE + HCE, HIR, seed 0: {old} is shown, not {new} (under unified-v3-000000)." in sheet.notes
    put(store, second, (26.0, 26.1), protocol="unified-v3-000000", later="22222222")
    sheet = table1(store)
    assert "Measured under protocol unified-v3-000000." in sheet.notes
    assert numbers(sheet)["RIFE, measured", "SNU extreme", "psnr"] == pytest.approx(25.5 - 1 / 6)


def trained_by(root: Path, pair: str, code: str, at: int) -> str:
    """The pair as trained by other code, and last run at that time; its name."""
    store = Store(root)
    record = store.pair(pair)
    compared = record.comparison.model_copy(update={"code": {"train": code}})
    store.write_pair(pair, record.model_copy(update={"comparison": compared}))
    os.utime(store.pair_file(pair), (at, at))
    return pair


def shown(sheet: Sheet) -> float:
    return numbers(sheet)["RIFE, measured", "Vimeo90K", "psnr"] + 1 / 6


def test_seeds_that_are_left_out_are_those_of_other_code_than_most(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They were held against the lowest seed, whatever that was made by."""
    rife = suite("table1").pairs()[0]
    pairs = [put(tmp_path, rife.model_copy(update={"seed": seed}), (20.0 + seed, 21.0 + seed)) for seed in range(3)]
    for at, (pair, code) in enumerate(zip(pairs, ("old", "new", "new"), strict=True)):
        trained_by(tmp_path, pair, code, at)
    sheet = table1(tmp_path)
    assert "Measured: mean over 2 seeds (1, 2)." in sheet.notes
    assert shown(sheet) == pytest.approx(21.5)
    assert f"{pairs[0]} is left out: made under other settings: code.train: new -> old" in caplog.text
    trained_by(tmp_path, pairs[1], "old", 4)
    assert "Measured: mean over 2 seeds (0, 1)." in table1(tmp_path).notes
    (tmp_path / "pairs" / f"{pairs[0]}.json").unlink()
    assert shown(table1(tmp_path)) == pytest.approx(21.0)  # of one and one the pair last run


def test_a_suite_that_is_trained_again_by_later_code_is_one_table_until_most_of_it_has_been(tmp_path: Path) -> None:
    """Its protocol may be the same all the while."""
    rife, ifrnet, *_ = suite("table1").pairs()
    for at, asked in enumerate((rife, rife.model_copy(update={"seed": 1}), ifrnet)):
        trained_by(tmp_path, put(tmp_path, asked, (20.0, 21.0)), "old", at)
    new = trained_by(tmp_path, put(tmp_path, rife, (30.0, 31.0), later="22222222"), "new", 9)
    sheet = table1(tmp_path)
    assert "RIFE: mean over 2 seeds (0, 1)." in sheet.notes
    assert shown(sheet) == pytest.approx(20.0)
    assert f"RIFE, seed 0: rife+hce+hir.s0.11111111-abcdef is shown, not {new}." in sheet.notes
    assert not any("CODE" in note for note in sheet.notes)
    for at, old in enumerate(sorted((tmp_path / "pairs").glob("rife*1111*"))):
        old.rename(tmp_path / f"{at}")
    assert (
        "NOT ALL TRAINED BY ONE CODE: RIFE; RIFE + HCE, HIR | IFRNet; IFRNet + HCE, HIR. harness suite table1 trains "
        "anew what is of older code."
    ) in table1(tmp_path).notes


def test_a_start_is_that_of_the_suites_own_words(tmp_path: Path) -> None:
    """Of files in two folders that have one name tables showed the pair last run."""
    store, names = Store(tmp_path), list[str]()
    for at, (folder, later) in enumerate((("a", ""), ("b", "22222222"))):
        asked = suite("table1").pairs()[0].model_copy(update={"start": f"{folder}/w.pth"})
        names.append(put(tmp_path, asked, (20.0 + at, 21.0 + at), later=later))
        record = store.pair(names[-1])
        start = StartRecord(name="w.pth", content=folder * 64)
        compared = record.comparison.model_copy(update={"start": start})
        store.write_pair(names[-1], record.model_copy(update={"comparison": compared}))
        os.utime(store.pair_file(names[-1]), (at, at))

    def sheet() -> Sheet:
        return suite_sheet("own", suite("table1").model_copy(update={"start": "a/w.pth"}), store)

    assert shown(sheet()) == pytest.approx(20.0)
    assert "Both arms start from w.pth." in sheet().notes
    store.pair_file(names[0]).unlink()  # the file may have been moved since: that is said
    assert shown(sheet()) == pytest.approx(21.0)
    assert "Both arms start from w.pth, given as b/w.pth where the suite says a/w.pth." in sheet().notes


def test_a_partial_dataset_is_marked(tmp_path: Path) -> None:
    put(tmp_path, suite("table1").pairs()[0], (25.0, 25.1), partial="309 of 310 hard")
    assert any(note.startswith("snu-film-12345678 is PARTIAL: 309 of 310 hard") for note in table1(tmp_path).notes)


def test_rows_that_start_from_trained_weights_are_named(tmp_path: Path) -> None:
    chosen = suite("table1")
    rows = [row.model_copy(update={"start": "w.pth" if row.baseline == "ifrnet" else None}) for row in chosen.rows]
    chosen = chosen.model_copy(update={"rows": tuple(rows)})
    rife, ifrnet, *_ = chosen.pairs()
    put(tmp_path, ifrnet, (26.0, 25.9))
    notes = suite_sheet("table1", chosen, Store(tmp_path)).notes
    assert "Both arms start from w.pth." in notes
    put(tmp_path, rife, (25.0, 25.1))
    notes = suite_sheet("table1", chosen, Store(tmp_path)).notes
    assert [note for note in notes if "start from" in note] == [
        "IFRNet; IFRNet + HCE, HIR: Both arms start from w.pth.",
    ]
    assert all(note.rpartition(": ")[2] for note in notes)


def test_an_unmatched_gain_is_refused_with_its_keys(tmp_path: Path) -> None:
    put(tmp_path, suite("table1").pairs()[0], (25.0, 25.1), batch=8)
    sheet = table1(tmp_path)
    gain = "RIFE + HCE, HIR minus RIFE"
    assert f"{gain}, seed 0: refused, the arms are not matched: recipe.batch: 24 -> 8." in sheet.notes
    assert f"{gain}, measured" not in [line.label for line in sheet.lines]
    sheet = table1(tmp_path, show_unmatched=True)
    assert f"{gain}, seed 0: shown though the arms are NOT MATCHED: recipe.batch: 24 -> 8." in sheet.notes
    assert numbers(sheet)[f"{gain}, measured", "Vimeo90K", "psnr"] == pytest.approx(0.1)


def test_a_gain_over_a_row_with_plugins_is_over_that_row(tmp_path: Path) -> None:
    alone, spatial, *_ = suite("table2a").pairs()
    put(tmp_path, alone, (24.0, 24.5))
    put(tmp_path, spatial, (24.0, 24.7))
    found = numbers(suite_sheet("table2a", suite("table2a"), Store(tmp_path)))
    assert found["HCE-S minus HIR alone, measured", "SNU extreme", "psnr"] == pytest.approx(0.2)
    assert found["HCE-S minus HIR alone, published", "SNU extreme", "psnr"] == 0.05


def test_a_gain_over_a_plain_row_of_another_network_or_start_is_over_that_row(tmp_path: Path) -> None:
    """And not over the plain arm that was trained beside it, which is another row's."""
    rife, ifrnet, *_ = suite("table1").pairs()
    put(tmp_path, rife, (25.0, 25.5))
    put(tmp_path, ifrnet, (26.0, 26.7))
    rows = [
        {"label": "RIFE", "baseline": "rife"},
        {"label": "RIFE+", "baseline": "rife", "with": "hce,hir", "against": "IFRNet"},
        {"label": "IFRNet", "baseline": "ifrnet", "against": "RIFE"},
        {"label": "IFRNet+", "baseline": "ifrnet", "with": "hce,hir", "against": "IFRNet"},
    ]
    asked = suite("table1").model_dump(by_alias=True) | {"rows": rows, "published": ""}
    found = numbers(suite_sheet("own", Suite.model_validate(asked), Store(tmp_path)))
    assert found["RIFE+ minus IFRNet", "SNU easy", "psnr"] == pytest.approx(-0.5)
    assert found["IFRNet minus RIFE", "SNU easy", "psnr"] == pytest.approx(1.0)
    assert found["IFRNet+ minus IFRNet", "SNU easy", "psnr"] == pytest.approx(0.7)


def test_triplets_are_held_together_by_their_names(tmp_path: Path) -> None:
    """Two pairs' records may have them in another order."""
    alone, spatial, *_ = suite("table2a").pairs()
    store = Store(tmp_path)
    names = [put(tmp_path, alone, (24.0, 24.5), clips=3), put(tmp_path, spatial, (24.0, 24.7), clips=3)]
    record = store.pair(names[1])
    turned = [
        tests.model_copy(update={"levels": {level: ids[::-1] for level, ids in reversed(tests.levels.items())}})
        for tests in record.tests
    ]
    store.write_pair(names[1], record.model_copy(update={"tests": tuple(turned)}))
    one, other = (read_pair(store, name) for name in names)
    gained = difference(replace(one, arms=(one.arms[1], other.arms[1])))
    assert gained is not None
    assert len(gained) == 15
    assert gained["psnr"].tolist() == pytest.approx([0.2] * 15)


def test_rows_without_a_seed_in_common_have_no_difference_and_say_so(tmp_path: Path) -> None:
    alone, spatial, *_ = suite("table2a").pairs()
    put(tmp_path, alone, (24.0, 24.5))
    put(tmp_path, spatial.model_copy(update={"seed": 1}), (24.0, 24.7))
    sheet = suite_sheet("table2a", suite("table2a"), Store(tmp_path))
    assert "HCE-S minus HIR alone, measured" not in [line.label for line in sheet.lines]
    assert "HCE-S minus HIR alone: not given, the two have no seed in common." in sheet.notes


def test_of_two_pairs_of_a_row_the_one_shown_is_named(store: Path) -> None:
    rife = suite("table1").pairs()[0]
    other = put(store, rife, (25.0123456789012345, 25.2123456789012345), protocol="unified-v2-000000")
    kept = next(path for path in (store / "pairs").glob("rife*") if path.stem != other)
    (store / "pairs" / next((store / "pairs").glob("ifrnet*"))).unlink()
    os.utime(kept, (1, 1))
    sheet = table1(store)
    assert f"RIFE + HCE, HIR, seed 0: {other} is shown, not {kept.stem} (under unified-v2-abcdef)." in sheet.notes
    assert "Measured under protocol unified-v2-000000." in sheet.notes


# running


def job(folder: Path, name: str, script: str, *holds: str) -> Job:
    return Job(name, (sys.executable, "-c", textwrap.dedent(script)), folder / f"{name}.log", frozenset(holds))


def never() -> int:
    return 0


def test_a_failing_job_stops_no_other(tmp_path: Path) -> None:
    said: list[str] = []
    jobs = [
        job(tmp_path, "bad", "import sys; sys.exit('harness: error: no such clip')"),
        job(tmp_path, "good", f"open({str(tmp_path / 'done')!r}, 'w')"),
    ]
    (failure,) = run_jobs(jobs, 1, [], said.append, never)
    assert str(failure) == f"bad failed (exit code 1): no such clip; see {tmp_path / 'bad.log'}"
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, "signal 40")])
def test_a_job_that_is_killed_by_any_signal_stops_no_other(number: int, name: str, tmp_path: Path) -> None:
    """One without a name ended the suite, and with it what ran beside."""
    jobs = [job(tmp_path, "bad", f"import os; os.kill(os.getpid(), {number})"), job(tmp_path, "good", "print('done')")]
    (failure,) = run_jobs(jobs, 1, [], lambda text: None, never)
    assert str(failure).startswith(f"bad failed (killed by {name}): ")
    assert (tmp_path / "good.log").read_text() == "done\n"


def test_a_job_that_cannot_be_started_is_not_one_that_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no process left, it raises what a lock raises that somebody holds."""

    def no_process(*words: object, **more: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("harness.launch.local.subprocess.Popen", no_process)
    (failure,) = run_jobs([job(tmp_path, "a", "")], 1, [], lambda text: None, never)
    assert "cannot be started: Resource temporarily unavailable" in str(failure)


def test_a_log_that_is_taken_away_ends_nothing(tmp_path: Path) -> None:
    tidy = f"import os, sys; os.unlink({str(tmp_path / 'a.log')!r}); sys.exit(3)"
    (failure,) = run_jobs([job(tmp_path, "a", tidy)], 1, [], lambda text: None, never)
    assert str(failure).startswith("a failed (exit code 3): it said nothing; see ")


MEETS = """
    import os, pathlib, time
    def wait(path, until=time.monotonic() + 60):
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
    here = pathlib.Path(HERE)
"""


def test_jobs_that_share_a_run_take_turns_and_others_do_not(tmp_path: Path) -> None:
    """`a` ends only once `c` has begun; `b`, which shares a run with `a`, fails where `a` has not ended."""
    meets = MEETS.replace("HERE", repr(str(tmp_path)))
    jobs = [
        job(tmp_path, "a", f"{meets}    wait(here / 'c')\n    (here / 'a').touch()", "x"),
        job(tmp_path, "b", f"{meets}    assert (here / 'a').exists()", "x"),
        job(tmp_path, "c", f"{meets}    (here / 'c').touch()", "y"),
    ]
    assert run_jobs(jobs, 3, [], lambda text: None, never) == []
    assert (tmp_path / "c").exists()


def test_each_job_has_a_gpu_of_its_own(tmp_path: Path) -> None:
    """Both run at the same time: neither ends before the other has begun."""
    meets = MEETS.replace("HERE", repr(str(tmp_path)))
    meets += "    print(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    jobs = [
        job(tmp_path, one, f"{meets}    (here / '{one}').touch()\n    wait(here / '{other}')")
        for one, other in ("ab", "ba")
    ]
    assert run_jobs(jobs, 2, ["3", "5"], lambda text: None, never) == []
    assert {(tmp_path / f"{name}.log").read_text().strip() for name in "ab"} == {"3", "5"}


GOES_ON = """
    import pathlib, signal, sys
    state = pathlib.Path(STATE)
    signal.signal(signal.SIGTERM, lambda *_: (state.write_text("3"), sys.exit(143)))
    if not state.exists():
        print("step 3", flush=True)
        signal.alarm(30)
        signal.pause()
    state.write_text(state.read_text() + " to 60")
"""


def test_a_stopped_suite_saves_and_goes_on(tmp_path: Path) -> None:
    """The signal reaches what runs, nothing new starts, and the same jobs given again go on."""
    jobs = [job(tmp_path, n, GOES_ON.replace("STATE", repr(str(tmp_path / f"{n}.state")))) for n in ("a", "b")]

    def stop() -> int:
        log = tmp_path / "a.log"
        return signal.SIGTERM if log.exists() and "step 3" in log.read_text() else 0

    assert run_jobs(jobs, 1, [], lambda text: None, stop) == []
    assert (tmp_path / "a.state").read_text() == "3"
    assert not (tmp_path / "b.log").exists()
    (tmp_path / "b.state").write_text("0")
    assert run_jobs(jobs, 1, [], lambda text: None, never) == []
    assert [(tmp_path / f"{name}.state").read_text() for name in "ab"] == ["3 to 60", "0 to 60"]


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    class GoneError(Exception):
        pass

    def stop() -> int:
        if (tmp_path / "a.log").exists() and (tmp_path / "a.log").read_text():
            raise GoneError
        return 0

    script = "import os, signal; print(os.getpid(), flush=True); signal.alarm(30); signal.pause()"
    with pytest.raises(GoneError):
        run_jobs([job(tmp_path, "a", script)], 1, [], lambda text: None, stop)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "a.log").read_text()), 0)


def test_every_pair_has_a_log_of_its_own(tmp_path: Path) -> None:
    """And those that share a run share one with all that do, which tests/test_schedule.py goes by."""
    for name in ("table1", "table2a", "table2b", "table3"):
        plans = [settle(asked, catalog(), torch.device("cpu")) for asked in suite(name).pairs((0, 1))]
        jobs = jobs_of(plans, tmp_path, [])
        assert len({each.log for each in jobs}) == len(jobs)
        for one in jobs:
            assert frozenset.intersection(*(each.holds for each in jobs if each.holds & one.holds))
    assert jobs[0].command[-2:] == ("--results", str(tmp_path))


def test_a_pair_that_two_rows_ask_for_in_other_words_is_one_job(tmp_path: Path) -> None:
    """It was run, or submitted, twice, and the second log was written over the first."""
    asks = [Asked(baseline="rife", plugins=words, recipe="smoke") for words in ("hce,hir", "hir,hce", "hce")]
    plans = [settle(each, catalog(), torch.device("cpu")) for each in asks]
    jobs = jobs_of(plans, tmp_path, [])
    assert [job.name for job in jobs] == ["rife+hce+hir, seed 0", "rife+hce, seed 0"]
    assert "hce,hir" in jobs[0].command


def test_the_same_arms_in_two_suites_have_a_log_for_each(tmp_path: Path) -> None:
    """Whatever of the comparison is another; however long the words are, it is the name of a file."""
    asked = Asked(baseline="rife", plugins="hce", recipe="smoke", data="layers:size=32")
    others = ({"test": "clips"}, {"metrics": "psnr,ie"}, {"data": "layers:size=64"}, {"protocol": "official-rife"})
    (tmp_path / ("a" * 240)).mkdir()
    long = {"test_masks": f"precomputed:root={tmp_path}/{'a' * 240}"}
    asks = [asked, *(asked.model_copy(update=other) for other in (*others, long))]
    asks += [Asked(baseline="rife", recipe="smoke", masks=masks) for masks in ("", "global", "supervoxel")]
    jobs = jobs_of([settle(each, catalog(), torch.device("cpu")) for each in asks], tmp_path, [])
    assert len({each.log for each in jobs}) == len(asks)
    for each in jobs:
        each.log.parent.mkdir(exist_ok=True)
        each.log.touch()


# the plan


def test_a_forecast_of_what_is_new(tmp_path: Path) -> None:
    chosen = suite("smoke1")
    pairs = chosen.pairs(rows=[chosen.row("IFRNet-S")])
    seen = forecast(chosen, pairs, catalog(), Store(tmp_path), torch.device("cpu"), lambda text: None)
    runs = seen.runs
    assert [(run.label, run.state, run.steps, run.triplets) for run in runs] == [
        ("ifrnet-s, seed 0", "new", 4, 4),
        ("ifrnet-s+hce+hir, seed 0", "new", 4, 4),
    ]
    # two checkpoints of weights and two moments, each float32
    assert runs[0].disk == 2 * 3 * 4 * 2_803_610
    assert 0 < runs[0].seconds_per_step * 4 < runs[0].seconds
    (one,) = seen.jobs
    assert (one.name, one.seconds) == (runs[1].label, runs[0].seconds + runs[1].seconds)
    assert seen.remarks[-1].startswith("Reading: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.4, "5 s"), (360, "6 min"), (7500, "2 h 05 min"), (270_000, "3 d 3 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_forecast_without_the_data_says_so(tmp_path: Path) -> None:
    chosen = suite("smoke1").model_copy(
        update={
            "data": f"clips:root={tmp_path / 'nowhere'}",
            "expected": {"train": expected(50), "clips": expected(7)},
            "recipe": "quick",
        }
    )
    pairs = chosen.pairs(rows=[chosen.row("IFRNet-S")])
    seen = forecast(chosen, pairs, catalog(), Store(tmp_path), torch.device("cpu"), lambda text: None)
    runs, remarks = seen.runs, seen.remarks
    assert (runs[0].steps, runs[0].triplets) == (200, 7)
    assert any("Not all data is here" in remark for remark in remarks)
    assert not any("Reading: " in remark for remark in remarks)


def expected(triplets: int) -> Expected:
    return Expected(triplets=triplets, size=(64, 64))


# end to end


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path / "results"))
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return call


def test_a_table_with_nothing_measured(harness: Callable[..., Any], tmp_path: Path) -> None:
    code, out, _ = harness("table", "table1", "--format", "csv")
    assert code == 0
    assert '"RIFE, published",Vimeo90K,psnr,35.4' in out
    code, out, _ = harness("table", "ifrnet-paper", "--output", str(tmp_path / "own.tex"), "--format", "latex")
    assert (code, out) == (0, "")
    text = (tmp_path / "own.tex").read_text()
    assert "& RIFE & IFRNet small & IFRNet & IFRNet large" in text
    assert "& 35.62 & 35.59 & 35.80 & 36.20" in text
    code, _, err = harness("table", "tabel1")
    assert code == 2
    assert "did you mean 'table1'" in err
    code, _, err = harness("suite", "smoke2")
    assert code == 2
    assert "did you mean 'smoke1'" in err


def test_the_smoke_suite(harness: Callable[..., Any], tmp_path: Path) -> None:
    """One of its two pairs, in a process of its own; how jobs run beside each other is shown above."""
    chosen = ("suite", "smoke1", "--only", "IFRNet-S + HCE, HIR", "--device", "cpu")
    code, out, err = harness(*chosen, "--jobs", "2")
    assert code == 0, err
    assert "IFRNet-S + HCE, HIR minus IFRNet-S" in out
    (log,) = (tmp_path / "results" / "logs").iterdir()
    assert re.fullmatch(r"ifrnet-s\+hce\+hir\.smoke\.s0\.[0-9a-f]{8}\.log", log.name)
    code, table, _ = harness("table", "smoke1", "--format", "csv")
    assert code == 0
    measured = {row["row"] for row in csv.DictReader(table.splitlines())}
    arms = {"IFRNet-S", "IFRNet-S + HCE, HIR", "IFRNet-S + HCE, HIR minus IFRNet-S"}
    assert measured == arms | {"mean of the two frames"}
    code, table, _ = harness("table", "smoke1")
    assert table == out
    code, out, _ = harness(*chosen, "--dry-run")
    assert code == 0
    assert out.count(" done ") == 2
    assert "On several devices" not in out


SMALL = (
    "title: mine\nsummary: none\nrecipe: smoke\ndata: 'layers:size=32'\ntest: '{test}'\n"
    "columns:\n  - {{{column}, label: a}}\n"
    "rows:\n  - {{label: RIFE, baseline: rife}}\n"
)


def test_a_stopped_suite_says_what_failed_before(
    harness: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -q, too, which leaves out how far it is."""

    def launch(*given: object) -> Launched:
        os.kill(os.getpid(), signal.SIGINT)
        return Launched(failures=("one pair failed",), pending=("another",))

    monkeypatch.setattr("harness.launch.launchers.launch", launch)
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL.format(test="layers:size=32", column="test: layers, level: test"))
    code, out, err = harness("suite", "-q", str(file), "--device", "cpu")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "harness: error: one pair failed"


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("test", "column", "line"),
    [
        (
            "layers:size=32",
            "test: layers, level: tset",
            "column 'a' is of no level of layers(size=32): 'tset'; did you mean",
        ),
        ("clips", "test: layers, level: test", "column 'a' is of no test set: 'layers'; it is tested on clips"),
        ("clip", "test: clip, level: hard", "unknown benchmark 'clip'; did you mean 'clips'?"),
        ("layers,ucf101", "test: layers, level: test", "ucf101: no folder of it in HARNESS_DATA (not set)"),
    ],
)
def test_an_unknown_test_set_is_said_before_anything_is_trained(
    test: str,
    column: str,
    line: str,
    dry: tuple[str, ...],
    harness: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL.format(test=test, column=column))
    code, _, err = harness("suite", str(file), "--device", "cpu", *dry)
    assert code == 2
    assert line in err
    assert not (tmp_path / "results").exists()
