"""Start weights: both arms begin from the same trained baseline, whatever names it, and nothing else passes for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pluggy
import pytest
import safetensors.torch
import torch
from torch import Tensor

from harness.arm import Arm
from harness.errors import HarnessError
from harness.outcome.pairs import read_pair
from harness.outcome.refusals import refusals
from harness.pair import run as pair_run
from harness.pair.comparison import comparison_of
from harness.pair.initial import initial_weights
from harness.pair.plan import Plan, settle
from harness.pair.start import Start, Trained, find_start, find_trained, seen_by, state_hash
from harness.registry import hookspecs
from harness.registry.catalog import Catalog, catalog
from harness.registry.hookspecs import hookimpl
from harness.registry.options import parse_choice, parse_choices
from harness.registry.plugins import Origin, Plugins
from harness.registry.specs import WeightsSpec
from harness.report.curves import curves_of
from harness.report.exhibit import exhibits
from harness.report.gallery import picks
from harness.report.gallery_page import _note
from harness.results import envelope
from harness.results.comparison import StartRecord
from harness.results.records import Asked, PairRecord, Status
from harness.results.store import Store
from harness.suites.found import means
from harness.suites.plan import jobs_of
from harness.suites.suite import Suite
from harness.train import checkpoint
from harness.train.recipe import load_recipe
from tests.stores import comparison, fingerprint, pair_record, put_run
from tests.test_bad_input import (  # noqa: F401 - fixtures
    TINY,
    Harness,
    Outcome,
    _toyvfi,
    harness,
    refusal,
    tiny,
    videos,
)

CPU = torch.device("cpu")


def arm(plugins: str = "", baseline: str = "toy") -> Arm:
    return Arm.of(catalog(), parse_choice(baseline), parse_choices(plugins))


def weights(baseline: str = "toy", by: float = 0.25) -> dict[str, Tensor]:
    """Of a network that nobody draws; of a half's precision."""
    state = arm(baseline=baseline).build(7).baseline.state_dict()
    return {name: (value + by).half().float() for name, value in state.items()}


def official(path: Path, baseline: str = "toy", by: float = 0.25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({f"module.{name}": value for name, value in weights(baseline, by).items()}, path)
    return path


Train = Callable[..., Outcome]


@pytest.fixture
def train(harness: Harness, videos: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Train:  # noqa: F811
    """`harness run --baseline toy`, tiny, without pictures."""
    monkeypatch.setattr("harness.report.figures.draw_figures", lambda pair, plan, store, note: Path("none"))

    def call(results: Path, *arguments: object, recipe: Path = tiny) -> Outcome:
        base = ("--baseline", "toy", "--recipe", recipe, "--data", f"clips:root={videos}", "--masks", "toy-halves")
        return harness("run", *base, "--device", "cpu", "--results", results, *arguments)

    return call


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, videos: Path, tiny: Path) -> Store:  # noqa: F811
    """With one pair of the toy that started as drawn: a plain run and one of an arm with a plug-in."""
    from harness.distributed import World
    from harness.pair.session import Session

    made = Store(tmp_path_factory.mktemp("trained"))
    world = World(0, 1, CPU)
    asked = Asked(baseline="toy", plugins="toy-mean:across=true", recipe=str(tiny), masks="toy-halves:level=9")
    asked = asked.model_copy(update={"data": f"clips:root={videos}"})
    session = Session(made, lambda hook, **facts: None, lambda text: None, lambda: False, world)
    pair_run.run_pair(settle(asked, catalog(), CPU), session)
    return made


def run_of(store: Store, slug: str) -> str:
    (name,) = (run.name for run in store.runs() if run.name.startswith(f"{slug}.s"))
    return name


def network(store: Store, name: str) -> dict[str, Tensor]:
    """The baseline that a run ended with."""
    last = checkpoint.latest(store.run(name).checkpoints)
    assert last
    state = safetensors.torch.load_file(last.weights)
    return {key.removeprefix("baseline."): value for key, value in state.items() if key.startswith("baseline.")}


def pair_of(results: Path, slug: str) -> tuple[str, PairRecord]:
    store = Store(results)
    return next((name, record) for name, record in store.pair_records().items() if name.startswith(f"{slug}.s"))


# -- what both arms begin with ----------------------------------------------------------------------------------------


def test_both_arms_start_bit_equal_to_the_file(tmp_path: Path, train: Train) -> None:
    results, file = tmp_path / "results", official(tmp_path / "Toy_Official.pth")
    outcome = train(results, "--with", "toy-mean", "--start", file)
    assert outcome.code == 0, outcome
    name, record = pair_of(results, "toy+toy-mean")
    for run in record.runs:  # in training as the trail saw it, before the first step
        expected = checkpoint_hash(weights())
        assert Store(results).run(run).trail()[0].weights == expected
    (initial,) = (results / "init").glob("*.safetensors")
    assert initial.name == f"toy.start.{state_hash(weights())[:16]}.safetensors"
    found = safetensors.torch.load_file(initial)
    assert all(torch.equal(found[f"baseline.{key}"], value) for key, value in weights().items())
    prints = [Store(results).run(run).record().fingerprint for run in record.runs]
    assert {print_.initial_weights for print_ in prints} == {sha256(initial.read_bytes()).hexdigest()}
    assert record.comparison.start == StartRecord(name="Toy_Official.pth", content=state_hash(weights()))
    assert "from Toy_Official.pth, seed 0" in " ".join(outcome.out.split())
    assert f"--start {file}" in record.command
    assert not refusals(read_pair(Store(results), name))


def checkpoint_hash(state: Mapping[str, Tensor]) -> str:
    """As a trail has it."""
    from harness.distributed import hashes
    from harness.train import trail

    return trail.batch_hash(hashes(state).values())


def test_one_arm_that_starts_elsewhere_is_refused(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, file = pair_run._train, official(tmp_path / "a.pth")

    def wrong(of: Arm, plan: Plan, shared: pair_run.Shared, *rest: Any) -> Any:
        if of.plugins:
            elsewhere = tmp_path / "elsewhere.safetensors"
            state = {f"baseline.{name}": value for name, value in weights(by=0.5).items()}
            safetensors.torch.save_file(state, elsewhere)
            object.__setattr__(shared, "weights", elsewhere)
        return right(of, plan, shared, *rest)

    monkeypatch.setattr(pair_run, "_train", wrong)
    line = refusal(train(tmp_path / "results", "--with", "toy-mean", "--start", file))
    assert "no difference between unmatched runs: before the first step in weights" in line


LAYOUTS = ("plain", "prefixed", "nested", "half", "bfloat16", "own", "safetensors")


@pytest.mark.parametrize(("layout", "baseline"), [*((layout, "toy") for layout in LAYOUTS), ("plain", "rife")])
def test_every_layout_is_the_same_start(layout: str, baseline: str, tmp_path: Path) -> None:
    state, of = weights(baseline), arm(baseline=baseline)
    # RIFE's file is in BGR, and so differs from what is loaded; its own file does not
    official_ = of.build(0).baseline.translate({name: value.clone() for name, value in state.items()})
    content: Any = state
    if layout == "own":
        content = {f"baseline.{name}": value for name, value in official_.items()}
    elif layout in ("half", "bfloat16"):
        content = {
            name: value.to(getattr(torch, {"half": "float16"}.get(layout, layout))) for name, value in state.items()
        }
    elif layout != "plain":
        content = {f"module.{name}": value for name, value in state.items()}
    file = tmp_path / ("w.safetensors" if layout in ("own", "safetensors") else "w.pkl")
    if file.suffix == ".safetensors":
        safetensors.torch.save_file({name: value.contiguous() for name, value in content.items()}, file)
    else:
        torch.save({"epoch": 3, "state_dict": content} if layout == "nested" else content, file)
    store = Store(tmp_path)
    start = find_start(str(file), of, catalog(), store)
    initial, _ = initial_weights(of, 3, store, start)
    found = safetensors.torch.load_file(initial)
    expected = {f"baseline.{name}": value for name, value in official_.items()}
    assert found.keys() == expected.keys()
    assert {value.dtype for value in found.values()} == {torch.float32}
    if layout != "bfloat16":  # which has fewer digits
        assert all(torch.equal(found[name], value) for name, value in expected.items())
        assert start.record.content == state_hash(official_)


def test_content_names_it_and_not_its_path(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    files = [official(tmp_path / name / f"{name}.pth") for name in ("one", "two")]
    other = official(tmp_path / "other.pth", by=0.5)
    one, two, three = (find_start(str(file), arm(), catalog(), store) for file in (*files, other))
    made = [initial_weights(arm("null"), seed, store, start) for start in (one, two, three) for seed in (0, 1)]
    assert made[0] == made[1] == made[2] == made[3]
    assert made[4] == made[5] != made[0]
    assert made[0] != initial_weights(arm(), 0, store)


def test_a_damaged_initial_file_is_made_again_and_a_changed_start_is_refused(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "results"), official(tmp_path / "a.pth")
    start = find_start(str(file), arm(), catalog(), store)
    path, sum_ = initial_weights(arm(), 0, store, start)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert initial_weights(arm(), 0, store, start) == (path, sum_)
    assert path.read_bytes() == whole
    path.unlink()
    official(file, by=0.5)
    with pytest.raises(HarnessError, match="was changed since this command began"):
        initial_weights(arm(), 0, store, start)


def test_a_run_a_name_and_a_file_of_the_same_are_the_same_start(store: Store, tmp_path: Path) -> None:
    run = run_of(store, "toy")
    file = shutil.copy(find_trained(run, catalog(), store).file, tmp_path / "copy.safetensors")
    starts = [find_start(word, arm(), catalog(), store) for word in (run, "toy", run[:-2], str(file))]
    assert {start.record.content for start in starts} == {state_hash(network(store, run))}
    assert [start.record.name for start in starts] == [run, run, run, "copy.safetensors"]
    assert [start.word for start in starts] == [run, run, run, str(file)]


def test_what_a_run_has_seen_is_known_through_all_that_it_started_from(
    store: Store,
    tmp_path: Path,
    videos: Path,  # noqa: F811
) -> None:
    """A start from a run that was trained on what is tested was not warned of."""
    first, own = run_of(store, "toy"), f"clips:root={videos}:train"
    assert find_start(first, arm(), catalog(), store).trained_on == (own,)
    later = Store(tmp_path)
    starts = {"a.s0.1": "ifrnet-s-own", "b.s0.2": "a.s0.1", "c.s0.3": "nowhere.pth", "d.s0.4": ""}
    for at, (run, start) in enumerate(starts.items()):
        put_run(later.run(run), "net", fingerprint())
        asked = Asked(baseline="net", data=f"clips:gaps={at + 1}", start=start)
        later.write_pair(f"{run}-tests", pair_record(asked, [later.run(run)], labels=("net",), network_masks=("none",)))
    entry = catalog().find(WeightsSpec, "ifrnet-s-own").spec.trained_on
    seen = {run: seen_by(Trained(run, tmp_path, later.run(run)), catalog(), later) for run in (*starts, "none.s0.5")}
    assert seen["a.s0.1"] == ("clips:gaps=1:train", *entry)
    assert seen["b.s0.2"] == ("clips:gaps=2:train", "clips:gaps=1:train", *entry)
    assert [seen["c.s0.3"], seen["d.s0.4"]] == [("clips:gaps=3:train",), ("clips:gaps=4:train",)]
    assert seen["none.s0.5"] == ()


def test_the_same_short_name_finds_the_same_run_again(store: Store, tmp_path: Path, train: Train) -> None:
    """Though the run that starts from it is called alike; and a chain of starts is told apart by full names."""
    results = tmp_path / "results"
    shutil.copytree(store.root, results)
    drawn = run_of(store, "toy")
    for _ in range(2):
        outcome = train(results, "--start", "toy.s0", "--seeds", "0")
        assert outcome.code == 0, outcome
    assert len([run for run in Store(results).runs() if run.name.startswith("toy.s0.")]) == 2
    (started,) = (run.name for run in Store(results).runs() if run.name.startswith("toy.s0.") and run.name != drawn)
    record = next(each for each in Store(results).pair_records().values() if each.runs == (started,))
    assert record.asked.start == drawn
    assert find_trained(started, catalog(), Store(results)).name == started
    assert find_trained(started[:-1], catalog(), Store(results)).name == started


def two_sets(path: Path) -> Path:
    """As a trainer leaves it, with its average."""
    raw = {f"module.{name}": value for name, value in weights().items()}
    torch.save({"params": raw, "params_ema": weights(by=0.5), "epoch": 3}, path)
    return path


def test_one_of_several_sets_is_a_start(tmp_path: Path) -> None:
    """By its content: the same weights alone in a file are the same start."""
    store, file = Store(tmp_path / "results"), two_sets(tmp_path / "S.pth")
    with pytest.raises(HarnessError, match=r"S\.pth: holds 2 sets of weights of toy: params, params_ema; say which"):
        find_start(str(file), arm(), catalog(), store)
    raw, average = (find_start(f"{file}:{key}", arm(), catalog(), store) for key in ("params", "params_ema"))
    assert raw == Start(
        f"{file}:params", file, StartRecord(name="S.pth:params", content=state_hash(weights())), "params"
    )
    assert average.record == StartRecord(name="S.pth:params_ema", content=state_hash(weights(by=0.5)))
    assert average.record.is_meant_by(average.word)
    alone = find_start(str(official(tmp_path / "ema.pth", by=0.5)), arm(), catalog(), store)
    assert initial_weights(arm(), 0, store, average) == initial_weights(arm(), 0, store, alone)
    assert initial_weights(arm(), 0, store, average) != initial_weights(arm(), 0, store, raw)


# -- what is compared ------------------------------------------------------------------------------------------------


def planned(**asked: Any) -> Plan:
    return settle(Asked(baseline="toy", plugins="null", recipe="smoke", **asked), catalog(), CPU)


def test_seeds_of_one_start_are_one_comparison_and_other_starts_are_not(tmp_path: Path) -> None:
    files = [official(tmp_path / name) for name in ("a.pth", "b.pth")]
    other = official(tmp_path / "other" / "a.pth", by=0.5)
    first, seed, path, elsewhere, drawn = (
        comparison_of(planned(**asked))
        for asked in ({"start": str(files[0])}, {"start": str(files[0]), "seed": 1}, {"start": str(files[1])},
                      {"start": str(other)}, {})
    )  # fmt: skip
    assert first.is_same(seed)
    assert first.is_same(path)
    [line] = first.differences(elsewhere)
    contents = [state_hash(weights(by=by))[:8] for by in (0.25, 0.5)]
    assert line == f"start: a.pth ({contents[0]}) -> a.pth ({contents[1]})"
    assert first.is_called_the_same(elsewhere)
    assert drawn.differences(first) == ["start: None -> a.pth"]
    assert first.differences(drawn) == ["start: a.pth -> None"]
    assert not first.is_called_the_same(drawn)


def test_records_without_the_field_are_read_as_they_are(tmp_path: Path) -> None:
    store = Store(tmp_path)
    asked = Asked(baseline="ifrnet-s", plugins="hce")
    runs = [store.run(name) for name in ("ifrnet-s.s0.00000000", "ifrnet-s+hce.s0.00000000")]
    record = pair_record(asked, runs)
    whole = json.loads(envelope.content_of(record))
    del whole["record"]["comparison"]["start"], whole["record"]["asked"]["start"]
    whole["sha256"] = envelope.BLANK
    data = json.dumps(whole, indent=2).encode() + b"\n"
    store.pair_file("p").parent.mkdir(parents=True)
    store.pair_file("p").write_bytes(data.replace(envelope.BLANK.encode(), sha256(data).hexdigest().encode(), 1))
    assert store.pair("p") == record
    assert (record.comparison.start, record.asked.start, record.origin) == (None, "", "")


# -- suites, jobs ----------------------------------------------------------------------------------------------------


def suite(**rows: Mapping[str, str]) -> Suite:
    facts = {"title": "t", "summary": "s", "recipe": "smoke", "data": "clips", "start": "S.pth"}
    columns = [{"test": "clips", "level": "easy", "label": "easy"}]
    listed = [{"label": label, "baseline": "toy", **row} for label, row in rows.items()]
    return Suite.model_validate(facts | {"columns": columns, "rows": listed})


def test_a_suite_starts_its_rows_where_it_says_or_they_say() -> None:
    chosen = suite(plain={}, own={"with": "null"}, drawn={"with": "null", "start": ""}, other={"start": "R.pth"})
    assert [(pair.plugins, pair.start) for pair in chosen.pairs()] == [("null", "S.pth"), ("null", ""), ("", "R.pth")]
    assert [pair.start for pair in chosen.asked_for(chosen.row("plain"))] == ["S.pth"]


@pytest.mark.parametrize(
    ("word", "name", "meant"),
    [
        ("folder/S.pth", "S.pth", True),
        ("S.pth", "S.pth", True),
        ("toy.s0", "toy.s0.1234abcd", True),
        ("to", "toy.s0.1234abcd", True),
        ("toy.s0.12", "toy.s0.1234abcd", True),
        ("toy.s1", "toy.s10.1234abcd", False),
        ("toy", "toy-own", False),
        ("S.pth", "S.pth:ema", False),
        ("R.pth", "S.pth", False),
        ("", "S.pth", False),
        ("S.pth", None, False),
        ("", None, True),
    ],
)
def test_a_suite_finds_the_pairs_of_its_start(word: str, name: str | None, meant: bool) -> None:
    asked = Asked(baseline="ifrnet-s", plugins="null", start=word)
    start = StartRecord(name=name, content="0" * 64) if name else None
    assert means(asked, comparison(asked, start=start), load_recipe("smoke").sets("")) == meant


def test_jobs_travel_with_their_start(tmp_path: Path) -> None:
    starts = [str(official(tmp_path / place / "S.pth", by=by)) for place, by in (("a", 0.25), ("b", 0.5))]
    plans = [planned(start=start) for start in (*starts, "")]
    jobs = jobs_of(plans, tmp_path / "results", ())
    assert [("--start" in job.command, job.command[-3]) for job in jobs][:2] == [(True, start) for start in starts]
    assert "--start" not in jobs[2].command
    assert len({job.log for job in jobs}) == 3
    assert not jobs[0].holds & jobs[1].holds
    assert jobs[0].name == "toy+null, seed 0, from S.pth"


# -- entries of harness weights --------------------------------------------------------------------------------------


class Entries:
    @hookimpl
    def harness_weights(self) -> list[WeightsSpec]:
        rest = {"summary": "a toy", "source": "the moon", "licence": "MIT"}
        right = sha256(Path(self.file).read_bytes()).hexdigest()
        return [
            WeightsSpec("toy-published", file="toy.pth", sha256=right, **rest),
            WeightsSpec("toy-other", file="toy.pth", sha256="0" * 64, **rest),
            WeightsSpec("toy-unknown", file="toy.pth", **rest),
            WeightsSpec("toy-folder", file="folder", **rest),
            WeightsSpec("toy-far", file="far.pth", **rest),
        ]

    def __init__(self, file: Path) -> None:
        self.file = file


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    (tmp_path / "weights" / "folder").mkdir(parents=True)
    entries = Entries(official(tmp_path / "weights" / "toy.pth"))
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(entries)
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path / "weights"))
    return Catalog(Plugins(manager, {entries: Origin("ours", "1", "ours.py")}))


def test_an_entry_of_harness_weights_is_a_start(listed: Catalog, tmp_path: Path) -> None:
    for name in ("toy-published", "toy-unknown"):
        start = find_start(name, arm(), listed, Store(tmp_path))
        record = StartRecord(name=name, content=state_hash(weights()))
        assert start == Start(name, tmp_path / "weights" / "toy.pth", record)


def test_an_entry_too_may_hold_several_sets(listed: Catalog, tmp_path: Path) -> None:
    two_sets(tmp_path / "weights" / "toy.pth")
    start = find_start("toy-unknown:params_ema", arm(), listed, Store(tmp_path))
    assert start.record == StartRecord(name="toy-unknown:params_ema", content=state_hash(weights(by=0.5)))
    assert find_start(start.word, arm(), listed, Store(tmp_path)) == start


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("toy-other", r"toy\.pth: not the published file of 'toy-other': see harness weights verify toy-other"),
        ("toy-folder", "the weights 'toy-folder' are a folder, .*, and not those of one network"),
        ("toy-far", "the weights 'toy-far' .* are not here; get them from the moon"),
        (
            "toy-publish",
            "'toy-publish' is no file, no run in .* no entry of harness weights; did you mean 'toy-published'",
        ),
    ],
)
def test_entries_that_are_no_start(name: str, line: str, listed: Catalog, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=line):
        find_start(name, arm(), listed, Store(tmp_path))


# -- what is refused -------------------------------------------------------------------------------------------------


def bad(kind: str, folder: Path) -> str:
    """The word for a start of that kind."""
    state, file = weights(), folder / "w.pth"
    if kind == "another variant":
        return str(official(file, "toy:channels=8"))
    if kind == "missing":
        del state["encoder.0.0.weight"], state["encoder.1.0.weight"]
    elif kind == "nan":
        next(iter(state.values())).view(-1)[0] = torch.nan
    elif kind == "infinite":
        next(iter(state.values())).view(-1)[0] = -torch.inf
    elif kind == "of a plug-in arm":
        model = arm("toy-mean").build(0)
        state = dict(model.state_dict())
    torch.save(state, file)
    if kind == "empty":
        file.write_bytes(b"")
    return str(folder if kind == "folder" else file)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("another variant", "w.pth: not weights of toy: encoder."),
        ("missing", "w.pth: not weights of toy: encoder.0.0.weight (missing), encoder.1.0.weight (missing)"),
        ("nan", "holds values that are no number or infinite in float32"),
        ("infinite", "holds values that are no number or infinite in float32"),
        ("of a plug-in arm", "not weights of toy: plugin.toy-mean.share (unexpected)"),
        ("empty", "w.pth: not a checkpoint that can be loaded safely"),
        ("folder", ": is no file; give a file of weights, or a run by its name"),
    ],
)
def test_files_that_are_no_start(kind: str, line: str, train: Train, tmp_path: Path) -> None:
    said = refusal(train(tmp_path / "results", "--start", bad(kind, tmp_path)))
    assert line in said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("word", ["nothing", "no/such.pth", "x" * 5000, "a\nb", "~nobody-at-all/w.pth"])
def test_words_that_name_nothing(word: str, train: Train, tmp_path: Path) -> None:
    said = refusal(train(tmp_path / "results", "--start", word))
    assert " is no file, no run in " in said or "there is no such home folder" in said
    assert not (tmp_path / "results").exists()


@pytest.fixture
def copied(store: Store, tmp_path: Path) -> Path:
    results = tmp_path / "results"
    shutil.copytree(store.root, results)
    return results


def test_runs_that_are_no_start(copied: Path, train: Train, tmp_path: Path) -> None:
    store = Store(copied)
    plain, plugged = run_of(store, "toy"), run_of(store, "toy+toy-mean")
    before = sorted(run.name for run in store.runs())

    def said(word: str, *more: str) -> str:
        line = refusal(train(copied, "--start", word, *more))
        assert sorted(run.name for run in Store(copied).runs()) == before
        return line

    assert said(plugged).startswith(f"{plugged} is a run of toy+toy-mean(across=true): start from one of its plain")
    assert said("toy+toy-mean").endswith("its plain baseline, toy")
    assert said(plain, "--baseline", "toy-plain") == f"{plain} is a run of toy: toy-plain cannot start from it"
    assert said("toi.s0").endswith("harness list shows runs, and harness weights list the others")
    assert said(f"{plain[:-1]}!").endswith(f"; did you mean '{plain}'?")
    assert said(str(copied / "runs" / plain)).endswith(
        f"is no file; give a file of weights, or a run by its name: {plain}"
    )
    assert "'to' is the beginning of 2 runs: " in said("to")
    store.run(plain).set_status(Status(state="training", step=2, steps=5))
    assert said(plain) == (
        f"the run {plain} is not finished: its last checkpoint is of step 2 of 5; the command that began it goes on "
        "from there"
    )
    shutil.rmtree(store.run(plain).checkpoints)
    assert said(plain).startswith(f"the run {plain} has no checkpoint here: export it anew where it was trained")


def test_a_damaged_last_checkpoint_is_not_started_from(copied: Path, train: Train) -> None:
    run = Store(copied).run(run_of(Store(copied), "toy"))
    (run.checkpoints / "step-00000002" / "model.safetensors").write_bytes(b"")
    assert "is not finished: its last checkpoint is of step 1 of 2" in refusal(train(copied, "--start", run.name))


def test_a_freeze_that_leaves_nothing_is_refused_first(train: Train, tmp_path: Path) -> None:
    recipe = tmp_path / "frozen.yaml"
    recipe.write_text(f"{TINY}freeze: baseline\n")
    for more in ((), ("--with", "null")):
        said = refusal(train(tmp_path / "results", *more, recipe=recipe))
        assert said.startswith("freeze: baseline leaves nothing to train of toy")
    assert not (tmp_path / "results" / "runs").exists()


def test_a_frozen_pair_keeps_its_start(train: Train, tmp_path: Path) -> None:
    recipe, file = tmp_path / "frozen.yaml", official(tmp_path / "a.pth")
    recipe.write_text(f"{TINY}freeze: baseline\n")
    outcome = train(tmp_path / "results", "--with", "toy-mean", "--start", file, recipe=recipe)
    assert outcome.code == 0, outcome
    _, record = pair_of(tmp_path / "results", "toy+toy-mean")
    for run in record.runs:
        end = network(Store(tmp_path / "results"), run)
        assert all(torch.equal(end[name], value) for name, value in weights().items())


# -- pictures --------------------------------------------------------------------------------------------------------


def test_curves_and_gallery_say_from_what(train: Train, tmp_path: Path) -> None:
    file = official(tmp_path / "S.pth")
    assert train(tmp_path / "results", "--with", "toy-mean", "--start", file).code == 0
    store = Store(tmp_path / "results")
    name, record = pair_of(store.root, "toy+toy-mean")
    assert record.title.endswith(", from S.pth")
    pair = read_pair(store, name)
    assert ", from S.pth, seed 0" in curves_of(pair, store).title
    file.unlink()  # which a gallery does not need
    plan = settle(record.asked.model_copy(update={"start": ""}), catalog(), CPU)
    assert "toy+toy-mean minus toy, from S.pth: " in _note(exhibits(pair, plan, picks(pair)[:1]))


# -- harness eval ----------------------------------------------------------------------------------------------------


@pytest.fixture
def evaluate(harness: Harness, videos: Path) -> Train:  # noqa: F811
    def call(results: Path, *arguments: object) -> Outcome:
        tested = ("--data", f"clips:root={videos}", "--triplets", 1, "--device", "cpu", "--results", results)
        return harness("eval", *tested, *arguments)

    return call


def test_a_run_is_evaluated_as_it_was_trained(copied: Path, evaluate: Train) -> None:
    """The arm, its options and its masks are known; and its rows are those that it had."""
    run = run_of(Store(copied), "toy+toy-mean")
    outcome = evaluate(copied, "--weights", "toy+toy-mean")
    assert outcome.code == 0, outcome
    printed = " ".join(outcome.out.split())
    assert f"toy+toy-mean(across=true) with {run} on clips-" in printed
    assert "masks: toy-halves(level=9)" in printed
    (file,) = (copied / "evaluations").glob("*.json")
    name = file.stem
    store = Store(copied)
    expected = {row.triplet: repr(row.values) for row in store.run(run).read_rows() if row.level == "easy"}
    found = {row.triplet: repr(row.values) for row in store.evaluation_rows(name) if row.level == "easy"}
    assert found == {triplet: expected[triplet] for triplet in found}
    assert found
    same = evaluate(copied, "--weights", run, "--baseline", "toy", "--with", "toy-mean:across=true")
    assert same.out == outcome.out
    assert len(list((copied / "evaluations").glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--with", "toy-mean"),
            "is a run of toy+toy-mean(across=true), not of toy+toy-mean: leave --baseline and --with",
        ),
        (("--with", "null"), "not of toy+null: leave"),
        (("--baseline", "toy-plain"), "not of toy-plain"),
    ],
)
def test_a_run_that_is_said_to_be_another(
    arguments: tuple[str, ...], line: str, store: Store, evaluate: Train, tmp_path: Path
) -> None:
    shutil.copytree(store.root, tmp_path / "results")
    assert line in refusal(evaluate(tmp_path / "results", "--weights", "toy+toy-mean", *arguments))
    assert not (tmp_path / "results" / "evaluations").exists()


def test_each_set_of_a_file_has_its_own_evaluation(evaluate: Train, tmp_path: Path) -> None:
    """Of what was read: a copy of it elsewhere has the same."""
    file, results = two_sets(tmp_path / "S.pth"), tmp_path / "results"
    alone = official(tmp_path / "alone.pth", by=0.5)

    def names(weights: object) -> set[str]:
        outcome = evaluate(results, "--baseline", "toy", "--weights", weights)
        assert outcome.code == 0, outcome
        return {path.stem for path in (results / "evaluations").glob("*.csv")}

    assert "S.pth: holds 2 sets of weights of toy: " in refusal(
        evaluate(results, "--baseline", "toy", "--weights", file)
    )
    first = names(f"{file}:params")
    second = names(f"{file}:params_ema")
    assert (len(first), len(second)) == (1, 2)
    assert names(alone) == second


def test_what_cannot_be_evaluated(evaluate: Train, tmp_path: Path) -> None:
    file, results = official(tmp_path / "S.pth"), tmp_path / "results"
    assert refusal(evaluate(results, "--weights", file)) == "S.pth: of which network? Name it with --baseline"
    assert "'nothing' is no file, no run in " in refusal(evaluate(results, "--baseline", "toy", "--weights", "nothing"))
    store = Store(results)
    put_run(store.run("gone.s0.00000000"), "gone", fingerprint(baseline={"name": "gone", "options": {}}))
    assert "has no checkpoint here" in refusal(evaluate(results, "--weights", "gone"))
