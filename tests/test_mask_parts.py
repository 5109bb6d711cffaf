"""Pipelines of parts: what they do with a frame, how a part is replaced, and what the cache key is made of."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pluggy
import pytest
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.masks import Box, Detector, Pipeline, Segmenter, Tagger
from harness.masks.chosen import cache_of, record_of
from harness.pair.given import masks_of
from harness.pair.start import Trained
from harness.registry import hookspecs
from harness.registry.catalog import Catalog, ChosenMasks
from harness.registry.hookspecs import hookimpl
from harness.registry.options import parse_choice
from harness.registry.plugins import Origin, Plugins
from harness.registry.specs import MaskPartSpec, MaskSourceSpec, WeightsSpec
from harness.results.envelope import write
from harness.results.records import RunRecord
from harness.results.store import RunFolder
from tests.stores import fingerprint


class Colours(Tagger):
    """Names the primary colours that a frame has."""

    def tags(self, image: NDArray[np.uint8]) -> list[str]:
        return [name for channel, name in enumerate(("red", "green", "blue")) if image[..., channel].any()]


class Finder(Detector):
    """A box around a tag's pixels; counts how often it is asked."""

    def __init__(self, *, score: float = 0.5, weights: str = "") -> None:
        self.score, self.weights, self.asked, self.device = score, weights, 0, ""

    def to(self, device: str) -> None:
        self.device = device

    def detect(self, image: NDArray[np.uint8], tags: list[str] | None) -> list[Box]:
        self.asked += 1
        found = []
        for channel, tag in enumerate(("red", "green", "blue")):
            places = np.argwhere(image[..., channel])
            if len(places) and (tags is None or tag in tags):
                (y0, x0), (y1, x1) = places.min(0), places.max(0) + 1
                found.append(Box(tag, (float(x0), float(y0), float(x1), float(y1)), 1.0))
        return found


class OwnFinder(Finder):
    own_vocabulary = True


class Boxed(Segmenter):
    """All of the box."""

    def segment(self, image: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.bool_]:
        masks = np.zeros((len(boxes), *image.shape[:2]), bool)
        for mask, each in zip(masks, boxes, strict=True):
            x0, y0, x1, y1 = map(int, each.box)
            mask[y0:y1, x0:x1] = True
        return masks


class Careless(Boxed):
    def segment(self, image: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.bool_]:
        return super().segment(image, boxes).astype(np.float32)  # type: ignore[return-value]


def frame(**squares: int) -> NDArray[np.uint8]:
    """A frame with a square of 4x4 pixels in each colour, at that column."""
    image = np.zeros((8, 16, 3), np.uint8)
    for name, left in squares.items():
        image[2:6, left : left + 4, ("red", "green", "blue").index(name)] = 255
    return image


# --- the pipeline


def test_a_pair_goes_through_parts_and_rules() -> None:
    found = Pipeline(Finder(), Boxed(), Colours()).label_maps(frame(red=0, blue=8), frame(blue=9, green=0))
    assert found.tags == ("blue",)
    assert found.dropped == ("green: in one frame only", "red: in one frame only")
    expected = np.zeros((2, 8, 16), np.uint16)
    expected[0, 2:6, 8:12] = expected[1, 2:6, 9:13] = 1
    np.testing.assert_array_equal(found.maps, expected)


def test_a_frame_without_an_object_is_one_region() -> None:
    assert not Pipeline(Finder(), Boxed(), Colours()).label_maps(frame(), frame()).maps.any()


def test_a_frame_is_looked_at_once() -> None:
    finder = OwnFinder()
    pipeline = Pipeline(finder, Boxed())
    one, two, three = (frame(red=at) for at in (0, 1, 2))
    first = pipeline.label_maps(one, two)
    pipeline.label_maps(two, three)
    again = pipeline.label_maps(one, two)
    np.testing.assert_array_equal(again.maps, first.maps)
    assert finder.asked == 3


def test_frames_beyond_the_number_kept_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.masks.pipeline.FRAMES", 2)
    finder = OwnFinder()
    pipeline = Pipeline(finder, Boxed())
    for at in (0, 1, 2, 0):
        pipeline.frame_masks(frame(red=at))
    assert finder.asked == 4
    pipeline.frame_masks(frame(red=2))
    assert finder.asked == 4


def test_a_detector_without_words_of_its_own_needs_a_tagger() -> None:
    with pytest.raises(HarnessError, match="Finder finds what it is told: it needs a tagger"):
        Pipeline(Finder(), Boxed())


def test_masks_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(HarnessError, match=r"segmenter Careless returns float32 \(1, 8, 16\) for 1 boxes"):
        Pipeline(OwnFinder(), Careless()).label_maps(frame(red=0), frame(red=1))


def test_frames_of_different_sizes_are_refused() -> None:
    with pytest.raises(HarnessError, match="frames differ in size"):
        Pipeline(OwnFinder(), Boxed()).label_maps(frame(), frame()[:4])


def test_a_device_reaches_the_parts() -> None:
    finder = OwnFinder()
    Pipeline(finder, Boxed()).to("cuda:1")
    assert finder.device == "cuda:1"


# --- the choice of parts


class Installed:
    """Two detectors, a tagger and a segmenter, and sources of them."""

    light = True
    version = 1
    pipeline = "harness.masks:Pipeline"

    @hookimpl
    def harness_mask_parts(self) -> list[MaskPartSpec]:
        return [
            MaskPartSpec("colours", f"{__name__}:Colours", summary="", part="tagger"),
            MaskPartSpec(
                "finder", f"{__name__}:Finder", summary="", part="detector", weights=("net",), version=self.version
            ),
            MaskPartSpec("own", f"{__name__}:OwnFinder", summary="", part="detector"),
            MaskPartSpec("boxed", f"{__name__}:Boxed", summary="", part="segmenter"),
        ]

    @hookimpl
    def harness_mask_sources(self) -> list[MaskSourceSpec]:
        parts = ("colours", "finder", "boxed")
        return [
            MaskSourceSpec("ours", self.pipeline, summary="", parts=parts, light=self.light),
            MaskSourceSpec("one-region", "harness.masks.source:Global", summary=""),
        ]

    @hookimpl
    def harness_weights(self) -> list[WeightsSpec]:
        return [WeightsSpec("net", file="net.bin", summary="a net", source="the moon", licence="MIT", sha256="f" * 64)]


def known(installed: Installed | None = None) -> Catalog:
    installed = installed or Installed()
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(installed)
    return Catalog(Plugins(manager, {installed: Origin("ours", "1", "ours.py")}))


def chosen(text: str, installed: Installed | None = None) -> ChosenMasks:
    return known(installed).masks(parse_choice(text))


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    file = tmp_path / "net.bin"
    file.write_bytes(b"weights")
    return file


def folder(text: str, **changes: Any) -> Path:
    """Where the cache of a choice lies."""
    installed = Installed()
    for name, value in changes.items():
        setattr(installed, name, value)
    return cache_of(chosen(text, installed)).folder


def test_parts_are_what_the_source_says_or_the_user() -> None:
    source = chosen("ours").build()
    assert [type(part) for part in (source.tagger, source.detector, source.segmenter)] == [Colours, Finder, Boxed]
    source = chosen("ours:detector=own,tagger=,detector.score=0.75").build()
    assert source.tagger is None
    assert type(source.detector) is OwnFinder
    assert source.detector.score == 0.75


def test_a_source_without_parts_is_as_it_was() -> None:
    source = chosen("one-region")
    assert source.parts == {}
    assert not source.build().label_maps(frame(), frame()).any()
    with pytest.raises(HarnessError, match="one-region has no option 'detector'"):
        chosen("one-region:detector=own")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ours:detector=ownn", "unknown mask part 'ownn'; did you mean 'own'"),
        ("ours:detector=boxed", "detector=boxed: boxed is a segmenter"),
        ("ours:detector.scor=1", "finder has no option 'scor'; did you mean 'score'"),
        ("ours:detector.score=high", "finder: score=high: expected float"),
        ("ours:tagger=,tagger.score=1", "options for a tagger, but it has none"),
        ("ours:score=1", "ours has no option 'score'"),
        ("ours:finder.score=1", "ours has no option 'finder.score'"),
    ],
)
def test_wrong_choices_are_named(text: str, complaint: str) -> None:
    with pytest.raises(HarnessError, match=complaint):
        chosen(text)


def test_a_factory_may_be_named_by_its_public_package(net: Path) -> None:
    """It is the same code: not that of all the harness, of which any change would make the maps anew."""
    assert folder("ours") == folder("ours", pipeline="harness.masks.pipeline:Pipeline")


@pytest.mark.parametrize("light", [True, False])
def test_parts_options_weights_and_versions_decide_the_cache(net: Path, light: bool) -> None:
    def at(text: str, **changes: Any) -> Path:
        return folder(text, light=light, **changes)

    first = at("ours")
    others = [at("ours:detector=own"), at("ours:detector.score=0.75"), at("ours", version=2)]
    net.write_bytes(b"other weights")
    others.append(at("ours"))
    assert len({first, *others}) == 5
    net.write_bytes(b"weights")
    assert at("ours") == first == at("ours:detector.score=0.5")


def test_the_path_of_weights_decides_nothing(net: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.bin").write_bytes(b"weights")
    assert folder(f"ours:detector.weights={tmp_path / 'elsewhere.bin'}") == folder("ours")


def test_masks_in_the_cache_need_no_weights(net: Path) -> None:
    with_them = folder("ours")
    net.unlink()
    assert folder("ours") != with_them  # the file was not the published one, of which the sha256 is known
    assert folder("ours") == folder("ours")


def test_code_decides_only_where_maps_are_cheap(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {light: folder("ours", light=light) for light in (True, False)}
    monkeypatch.setattr("harness.registry.entry.contents", lambda name, file, module: "edited")
    assert folder("ours", light=True) != before[True]
    assert folder("ours", light=False) == before[False]
    monkeypatch.setattr("harness.masks.rules.VERSION", 99)
    assert folder("ours", light=False) != before[False]


def test_a_heavy_source_names_the_command(net: Path) -> None:
    installed = Installed()
    installed.light = False
    cache = cache_of(chosen("ours:detector=own,detector.score=0.75", installed))
    command = "harness masks build BENCHMARK --source ours:detector=own,detector.score=0.75"
    with pytest.raises(HarnessError, match=command):
        cache.maps(frame(red=0), frame(red=1))
    cache.make("clip", 0, 1, frame(red=0), frame(red=1))
    assert cache.masks(frame(red=0), frame(red=1)).tags == ("red",)


@pytest.mark.parametrize(
    "text",
    ["ours", 'ours:detector.weights="/a b/c,d.bin"', "ours:tagger=,detector=own", 'ours:detector.weights="a""b"'],
)
def test_a_choice_is_written_so_that_it_is_read_again(text: str) -> None:
    assert parse_choice(chosen(text).written) == parse_choice(text)


def test_a_command_has_its_source_in_quotes_where_the_shell_would_take_them_off(net: Path, tmp_path: Path) -> None:
    installed = Installed()
    installed.light = False
    path = tmp_path / "a,b.bin"
    path.write_bytes(b"weights")
    source = chosen(f'ours:detector.weights="{path}"', installed)
    command = shlex.split(cache_of(source).command)
    assert chosen(command[-1], installed) == source


# --- those that a run was trained with


def trained(folder: Path, text: str) -> Trained:
    run = RunFolder(folder / "net+hce.s0.00000000")
    run.path.mkdir()
    write(run.config, RunRecord(label="net+hce", fingerprint=fingerprint(masks=record_of(chosen(text)))))
    return Trained(run.name, folder / "model.safetensors", run)


@pytest.mark.parametrize(
    "text", ["ours", "ours:detector=own", "ours:detector=own,tagger=", "ours:detector.score=0.75", "one-region"]
)
def test_a_run_is_tested_with_the_masks_that_it_was_trained_with(text: str, net: Path) -> None:
    found = masks_of(trained(net.parent, text), known())
    assert found is not None
    assert (found.written, cache_of(found).folder) == (chosen(text).written, folder(text))


def test_masks_of_other_weights_or_another_version_are_refused(net: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.bin"
    own.write_bytes(b"other weights")
    run = trained(tmp_path, f"ours:detector.weights={own}")
    with pytest.raises(
        HarnessError, match=r"trained with are others today: ours\.weights\.net: .*; name some with --masks"
    ):
        masks_of(run, known())
    net.write_bytes(b"other weights")
    assert masks_of(run, known()) is not None
    newer = Installed()
    newer.version = 2
    with pytest.raises(HarnessError, match=r"ours\.version: 1 -> 2; name some with --masks"):
        masks_of(run, known(newer))
