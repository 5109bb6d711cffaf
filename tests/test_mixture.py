"""Several training sets mixed by weights: what is drawn, a pure function of the position, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data import Benchmark, Triplet
from harness.data.augment import Augment
from harness.data.loader import Samples, batches
from harness.data.mixture import Mixture
from harness.distributed import World
from harness.errors import HarnessError
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan, settle
from harness.pair.run import Shared, _try_data
from harness.registry.catalog import catalog
from harness.registry.options import Choice
from harness.results.comparison import Comparison
from harness.results.records import Asked
from harness.results.store import RunFolder, Store
from harness.suites.found import means
from harness.train import diverged
from harness.train.recipe import Recipe, load_recipe
from tests.test_matching import seen

CPU = torch.device("cpu")
MIXED = Mixture((5, 1), (3.0, 1.0), 4, 0)


class Ramp(Benchmark):
    """Every pixel of a frame is another; so is every triplet."""

    levels = ()
    test = ()

    def __init__(self, count: int, start: int) -> None:
        self.start = start
        self.train = tuple(Triplet(f"r{i}", clip="r", level="train", frames=(i, i + 1, i + 2)) for i in range(count))

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return np.random.default_rng(self.start + triplet.frames[0]).integers(0, 256, (3, 40, 40, 3), np.uint8)

    def digest(self, split: str) -> str:
        return "ramp"


def mixed(order: Mixture = MIXED) -> Samples:
    return Samples({"many": Ramp(5, 0), "one": Ramp(1, 100)}, order, Augment(crop=16), None)


def drawn(first: int = 0, workers: int = 0, rank: int = 0, size: int = 1, order: Mixture = MIXED) -> list[bytes]:
    """Sample by sample."""
    found = batches(mixed(order), first, 6, workers, rank, size)
    return [
        frames.tobytes() + t.tobytes() for b in found for frames, t in zip(b.frames.numpy(), b.t.numpy(), strict=True)
    ]


# -- what is drawn


@pytest.mark.parametrize("weights", [(3.0, 1.0), (0.3, 0.1), (1.0, 1.0), (1.0, 4.0)])
def test_sets_come_as_often_as_their_weights_say_and_triplets_alike(weights: tuple[float, float]) -> None:
    count = 6000
    order = Mixture((5, 3), weights, 4, 7)
    found = [order.at(position) for position in range(count)]
    share = weights[0] / sum(weights)
    assert Counter(each.set for each in found)[0] / count == pytest.approx(share, abs=0.02)
    for number, size in enumerate(order.sizes):
        of_set = Counter(each.index for each in found if each.set == number)
        assert set(of_set) == set(range(size))
        assert min(of_set.values()) > 0.8 * max(of_set.values())


@given(st.integers(0, 2**63), st.integers(0, 2**31), st.lists(st.integers(1, 10**6), min_size=2, max_size=4))
def test_what_stands_at_a_position_depends_on_nothing_else(position: int, seed: int, sizes: list[int]) -> None:
    def order() -> Mixture:
        return Mixture(tuple(sizes), tuple(map(float, sizes)), 4, seed)

    at = order().at(position)
    again = order()
    again.at(position + 1)
    assert again.at(position) == at
    assert 0 <= at.index < sizes[at.set]
    assert (at.epoch, at.stream) == (0, position)


def test_seeds_differ_and_neighbours_do_not_follow_each_other() -> None:
    one, other = ([Mixture((50, 50), (1, 1), 4, seed).at(i) for i in range(40)] for seed in (0, 1))
    assert [(each.set, each.index) for each in one] != [(each.set, each.index) for each in other]
    assert len({(each.set, each.index) for each in one}) > 20


def test_one_triplet_is_augmented_anew_at_every_position() -> None:
    order = Mixture((1, 1), (1.0, 1e-9), 4, 0)
    assert {(order.at(position).set, order.at(position).index) for position in range(24)} == {(0, 0)}
    assert len(set(drawn(order=order))) == 24


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    assert drawn(workers=workers) == drawn()


def test_batches_are_the_same_after_a_restart_and_for_any_number_of_ranks() -> None:
    assert drawn(first=2) == drawn()[8:]
    ranks = [drawn(rank=rank, size=2) for rank in range(2)]
    assert [sample for step in range(6) for rank in ranks for sample in rank[2 * step : 2 * step + 2]] == drawn()


def test_a_single_set_is_drawn_as_it_always_was() -> None:
    digest = sha256()
    for frames, t in seen(seed=3):
        digest.update(frames + repr(t).encode())
    assert digest.hexdigest() == "4af5cd913afef6eb91135bd9e3f482afc30227ec15632615f00c651878cd17d0"


def test_samples_of_a_loss_that_is_not_finite_are_named_with_their_sets(tmp_path: Path) -> None:
    path = diverged.record(RunFolder(tmp_path), 2, mixed(), [0.5, float("nan")], 1e-4)
    record = json.loads(path.read_text())
    expected = [mixed().at(position) for position in range(4, 8)]
    assert record["sets"] == [label for label, _, _ in expected]
    assert record["samples"] == [triplet.id for _, triplet, _ in expected]
    assert set(record["sets"]) <= {"many", "one"}
    assert record["epoch"] == 0


# -- how it is asked for


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"steps": 4, "batch": 2, "augment": Augment(crop=64), **changes})


def test_words_overrule_the_recipe_which_gives_the_weights() -> None:
    one, other, third = Choice("a", {"size": "128"}), Choice("b"), Choice("c")
    asked = recipe(data={"a:size=128": 3, "b": 0.5})
    assert recipe().sets("") == [(Choice("clips"), 1.0)]
    assert asked.sets("") == [(one, 3.0), (other, 0.5)]
    assert asked.sets("b,a:size=128,c") == [(other, 0.5), (one, 3.0), (third, 1.0)]
    assert asked.sets("b") == [(other, 1.0)]
    assert recipe().sets("b,c") == [(other, 1.0), (third, 1.0)]
    assert recipe(data={"b": 7}).sets("") == [(other, 1.0)]
    assert "data" not in asked.training()


MINE = "steps: 4\nbatch: 2\naugment: {crop: 64}\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("data: {clips: 0}", "data.clips: input should be greater than 0"),
        ("data: {clips: -1}", "data.clips: input should be greater than 0"),
        ("data: {clips: .nan}", "data.clips: input should be "),
        ("data: {clips: much}", "data.clips: input should be a valid number"),
        ("data: {}", "data: dictionary should have at least 1 item"),
        ("data: clips", "data: input should be a valid dictionary"),
        ("data: {'clips,vimeo90k': 1}", "data: 'clips,vimeo90k': expected one name"),
        ("data: {clips: 1, clips: 2}", "the key 'clips' appears twice"),
    ],
)
def test_wrong_mixtures_are_refused_with_file_and_line(line: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE + line + "\n")
    with pytest.raises(HarnessError) as error:
        load_recipe(str(file))
    assert reason in str(error.value)
    assert str(error.value).startswith(f"{file}:")


TWO = "data: {clips: 3, 'clips:gaps=2': 1}\n"


def plan(folder: Path, text: str, **asked: Any) -> Plan:
    file = folder / "mine.yaml"
    file.write_text(text)
    return settle(Asked(**{"baseline": "ifrnet-s", "recipe": str(file), **asked}), catalog(), CPU)


@pytest.mark.parametrize(
    ("text", "data", "reason"),
    [
        (MINE.replace("steps", "epochs") + TWO, "", "has epochs, which a mixture of clips, clips(gaps=2) has not"),
        (MINE.replace("steps", "epochs"), "clips,clips:gaps=2", "has epochs, which a mixture of clips, clips(gaps=2)"),
        (MINE, "clips,clips", "the training set clips is named twice"),
        (MINE + "data: {clips: 1, 'clips:': 2}\n", "", "the training set clips is named twice"),
        (MINE, "clips,clip", "unknown benchmark 'clip'; did you mean 'clips'?"),
        (MINE + "data: {clisp: 1}\n", "", "unknown benchmark 'clisp'; did you mean 'clips'?"),
        (MINE, ",", "','"),
    ],
)
def test_what_cannot_be_mixed_is_refused(text: str, data: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as error:
        plan(tmp_path, text, data=data)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_one_set_of_a_mixture_by_epochs_is_none(tmp_path: Path) -> None:
    assert plan(tmp_path, MINE.replace("steps", "epochs") + TWO, data="clips").data_label == "clips"


def test_labels_and_comparisons_have_every_set_and_weight(tmp_path: Path) -> None:
    mixed = plan(tmp_path, MINE + TWO, test="clips")
    assert mixed.data_label == "3 x clips + 1 x clips(gaps=2)"
    compared = comparison_of(mixed, ("x", "y"), ("z",))
    assert [(each.name, each.weight, each.content) for each in compared.data] == [("clips", 3, "x"), ("clips", 1, "y")]
    assert Comparison.model_validate_json(compared.model_dump_json()) == compared
    equal = comparison_of(plan(tmp_path, MINE, data="clips,clips:gaps=2", test="clips"), ("x", "y"), ("z",))
    assert equal.differences(compared) == ["data.clips.weight: 1.0 -> 3.0"]
    assert not equal.is_called_the_same(compared)
    other = comparison_of(mixed, ("x", "changed"), ("z",))
    assert other.differences(compared) == ["data.clips.content: changed -> y"]
    alone = comparison_of(plan(tmp_path, MINE), ("x",), ("z",))
    assert alone.differences(compared) == ["data: clips -> clips, clips"]


def test_a_comparison_keeps_every_option_of_a_metric(tmp_path: Path) -> None:
    found = plan(tmp_path, MINE)
    columns = ("psnr", "mine(a=1) v2", "mine(a=2) v2", "other(b=1)")
    testing = replace(found.testing, metrics=dict.fromkeys(columns, found.testing.metrics["psnr"]))
    compared = comparison_of(replace(found, testing=testing), ("x",), ("z",))
    of_mine = {column: column for column in columns[1:3]}
    assert compared.metrics == {"psnr": "psnr", **of_mine, "other": "other(b=1)"}


def test_a_record_of_before_mixtures_is_read(tmp_path: Path) -> None:
    compared = comparison_of(plan(tmp_path, MINE), ("x",), ("z",))
    old = compared.model_dump(mode="json")
    [old["data"]] = old["data"]
    del old["data"]["weight"]
    assert Comparison.model_validate(old) == compared


def test_words_mean_a_mixture_by_its_sets_and_weights(tmp_path: Path) -> None:
    found = plan(tmp_path, MINE + TWO, test="clips")
    compared, sets = comparison_of(found), found.training.recipe.sets("")
    assert means(found.asked, compared, sets)
    assert not means(found.asked, compared, [(choice, 1.0) for choice, _ in sets])
    assert not means(found.asked, compared, sets[:1])


def test_the_command_says_what_was_asked_for() -> None:
    assert Asked(baseline="net").command() == "harness run --baseline net"
    assert Asked(baseline="net", data="clips,b").command() == "harness run --baseline net --data clips,b"


# -- before the training


def shared_of(asked: Plan, folder: Path) -> Shared:
    return Shared.of(asked, Store(folder / "results"), World(0, 1, CPU))


def test_fingerprints_have_every_set_and_weight(tmp_path: Path) -> None:
    prints = []
    for text in (MINE + TWO, MINE + TWO.replace("3", "2"), MINE):
        asked = plan(tmp_path, text, test="clips")
        prints.append(shared_of(asked, tmp_path).fingerprint(asked, asked.arm).data)
    sets = prints[0]["sets"]
    assert [(each["name"], each["weight"]) for each in sets] == [("clips", 3), ("clips", 1)]  # type: ignore[call-overload,index,union-attr]
    assert sets[0]["digest"] != sets[1]["digest"]  # type: ignore[call-overload,index]
    assert prints[0] != prints[1]
    assert prints[2].keys() == {"name", "digest", "code"}


def test_test_sets_are_the_training_sets_that_have_test_triplets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips stand for a benchmark without test triplets where only gaps of 2 are trained on."""
    from harness.registry.entry import Chosen

    right = Chosen.build

    def build(self: Chosen, *arguments: Any) -> Any:
        return SimpleNamespace(test=()) if self.given else right(self, *arguments)

    monkeypatch.setattr(Chosen, "build", build)
    assert [test.label for test in plan(tmp_path, MINE + TWO).tests] == ["clips"]
    with pytest.raises(HarnessError, match="none of clips\\(gaps=1\\), clips\\(gaps=2\\) has test triplets"):
        plan(tmp_path, MINE, data="clips:gaps=1,clips:gaps=2")


def test_a_set_of_frames_smaller_than_the_crop_is_refused_before_the_training(tmp_path: Path) -> None:
    asked = plan(tmp_path, MINE, data="clips,clips:gaps=2", test="clips")
    shared = shared_of(asked, tmp_path)
    _try_data(asked, shared)
    shared.data["clips(gaps=2)"].read = lambda triplet: np.zeros((3, 48, 90, 3), np.uint8)  # type: ignore[method-assign]
    with pytest.raises(HarnessError, match=r"clips\(gaps=2\): frames of 90x48 are smaller than the crop of 64"):
        _try_data(asked, shared)


def test_clips_smaller_than_the_crop_are_refused_before_the_training_whichever_they_are(tmp_path: Path) -> None:
    """The first of the bundled ones is large enough: only the third was met, at whatever step drew it."""
    asked = plan(tmp_path, MINE.replace("crop: 64", "crop: 192"), data="clips")
    small = r"clips: frames of 320x180 are smaller than the crop of 192; .* \(clip perception_v1\)"
    with pytest.raises(HarnessError, match=small):
        _try_data(asked, shared_of(asked, tmp_path))
