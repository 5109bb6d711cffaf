"""Curves and galleries show what was measured: the runs' own numbers, as many losses as gains, the same bytes again."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from scipy import stats

from harness.cli.curves import curves as curves_command
from harness.cli.gallery import gallery as gallery_command
from harness.cli.run import run as run_command
from harness.errors import HarnessError
from harness.evaluate.protocol import predictor
from harness.outcome.pairs import ArmOutcome, PairOutcome, read_pair
from harness.pair.plan import settle
from harness.registry.catalog import catalog
from harness.report import figures
from harness.report.curves import Curves, curves_of, draw_curves, figure_of, limits
from harness.report.exhibit import THUMBNAIL, Exhibit, Place, View, crop_place, exhibits
from harness.report.gallery import Shown, picks
from harness.report.gallery import shown as shown_triplets
from harness.report.gallery_page import FITS, _note, draw_gallery, gallery_figure
from harness.report.picture import styled
from harness.results import lines
from harness.results.envelope import write
from harness.results.records import Asked, RunRecord, SetRecord
from harness.results.rows import Row, prepare, read_rows, write_rows
from harness.results.store import RunFolder, Store
from harness.results.trail import Point
from tests.stores import comparison, fingerprint, pair_record, put_run, written


def write_pair(
    store: Store,
    losses: Sequence[Sequence[float] | None],
    seed: int = 0,
    steps: int | None = None,
    code: str = "this",
    baseline: str = "net",
) -> str:
    """The files of a pair with these losses of the plain arm and of the one with plug-ins; its name.

    Evaluated, unless `steps` says that there are more to train."""
    asked = Asked(baseline=baseline, plugins="more" if len(losses) > 1 else "", seed=seed)
    labels = [baseline, f"{baseline}+more"][: len(losses)]
    runs = [store.run(f"{label}.s{seed}.{code}") for label in labels]
    keys = {"data": "clips-1", "level": "easy", "triplet": "one", "clip": "c", "protocol": "unified", "weights": "w"}
    row = Row(**keys, masks="none", regions="none", values={"psnr": 30.0, "ssim": 0.9})
    for run, label, values in zip(runs, labels, losses, strict=True):
        print_ = fingerprint(seed=seed, initial_weights=f"of {seed}", code={"core": code}, arm=[{"name": label}])
        done = [row] if values is not None and steps is None else []
        put_run(run, label, print_, done, losses=values or ())
    name = f"{runs[-1].name}-tests"
    record = pair_record(
        asked,
        runs,
        labels=tuple(labels),
        protocol="unified",
        tests=(SetRecord(data="clips-1", levels={"easy": ("one",)}),),
        steps=10 * max(len(values or ()) for values in losses) if steps is None else steps,
        comparison=comparison(asked, code={"core": code}),
    )
    store.write_pair(name, record)
    return name


def noisy(count: int, seed: int) -> list[list[float]]:
    """Losses of two arms that see the same samples."""
    draw = np.random.default_rng(seed)
    plain = 0.05 * np.exp(draw.normal(0, 0.3, count)) / np.sqrt(np.arange(1, count + 1))
    return [plain.tolist(), (plain * draw.normal(0.98, 0.01, count)).tolist()]


def drawn(store: Store, name: str) -> Curves:
    return curves_of(read_pair(store, name), store)


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Centred means, of fewer at the ends."""
    half = window // 2
    return [float(np.mean(values[max(at - half, 0) : at + half + 1])) for at in range(len(values))]


class TestCurves:
    def test_the_files_hold_the_losses_of_the_runs_to_the_bit(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        losses = {"net": noisy(40, 0), "web": noisy(30, 1)}
        pairs = [drawn(store, write_pair(store, of, baseline=label)) for label, of in losses.items()]
        files = {path.name: path for path in draw_curves(pairs, tmp_path / "out")}
        assert sorted(files) == ["curves.csv", "curves.pdf", "curves.png", "curves.svg", "difference.csv"]
        table = pd.read_csv(files["curves.csv"], converters={"loss": float})
        for label, arms in losses.items():
            for arm, values in zip((label, f"{label}+more"), arms, strict=True):
                of_arm = table[table["arm"] == arm]
                assert of_arm["loss"].tolist() == values
                assert of_arm["step"].tolist() == [10 * at for at in range(1, len(values) + 1)]
                assert of_arm["seed"].unique().tolist() == [0]

    def test_a_single_seed_has_the_standard_error_of_the_smoothed_difference(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        plain, plugged = noisy(200, 0)
        curves = drawn(store, write_pair(store, [plain, plugged]))
        draw_curves([curves], tmp_path)
        table = pd.read_csv(tmp_path / "difference.csv", converters=dict.fromkeys(("mean", "low", "high"), float))
        gap = np.array(plugged) - np.array(plain)
        assert curves.window == 11
        np.testing.assert_allclose(table["mean"], smoothed(gap.tolist(), 11), rtol=0, atol=1e-15)
        error = gap[95:106].std(ddof=1) / np.sqrt(11)
        assert table["high"][100] - table["mean"][100] == pytest.approx(error, rel=1e-9)
        assert table["mean"][100] - table["low"][100] == pytest.approx(error, rel=1e-9)
        assert "single seed: it says nothing of another training" in curves.caption
        assert "mean over 110 steps" in curves.caption

    def test_several_seeds_have_a_t_band_over_seeds(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        losses = {seed: noisy(60, seed) for seed in (0, 1, 4)}
        names = [write_pair(store, of, seed) for seed, of in losses.items()]
        curves = drawn(store, names[0])
        assert "seeds 0, 1, 4" in curves.title
        assert "95 % t interval over 3 seeds" in curves.caption
        assert curves.difference is not None
        gaps = [smoothed((np.array(b) - np.array(a)).tolist(), curves.window)[30] for a, b in losses.values()]
        low, high = stats.t.interval(0.95, 2, loc=np.mean(gaps), scale=stats.sem(gaps))
        row = curves.difference.iloc[30]
        np.testing.assert_allclose(row[["mean", "low", "high"]], [np.mean(gaps), low, high], rtol=1e-9)
        assert sorted(curves.losses["seed"].unique()) == [0, 1, 4]

    def test_rows_of_other_lengths_are_held_against_means_over_the_same_steps(self, tmp_path: Path) -> None:
        """How often a row is written decides no weights: a run that has other rows is found all the same."""
        store = Store(tmp_path)
        plain, plugged = noisy(40, 0)
        name = write_pair(store, [plain, plugged])
        run = store.run(store.pair(name).runs[0])
        longer = [run.points()[at]._replace(loss=float(np.mean(plain[at - 3 : at + 1]))) for at in range(3, 40, 4)]
        lines.write(run.curve, Point._fields, map(written, longer))
        losses = drawn(store, name).losses
        assert losses["step"].tolist() == list(range(40, 401, 40))
        for label, values in (("net", plain), ("net+more", plugged)):
            np.testing.assert_allclose(losses[label], np.reshape(values, (-1, 4)).mean(1), rtol=1e-12)
        other = write_pair(store, noisy(40, 1), seed=1)
        of_both = drawn(store, other).losses
        assert of_both["seed"].tolist() == [0] * 10 + [1] * 10
        np.testing.assert_allclose(of_both["net"][10:], np.reshape(noisy(40, 1)[0], (-1, 4)).mean(1), rtol=1e-12)

    @pytest.mark.parametrize("scale", ["log", "linear"])
    @pytest.mark.parametrize("seeds", [(0,), (0, 1, 4)])
    def test_the_legend_hides_nothing_and_seeds_are_a_band(
        self, tmp_path: Path, scale: Literal["log", "linear"], seeds: tuple[int, ...]
    ) -> None:
        """The band of losses is from the lowest to the highest of the smoothed seeds."""
        store = Store(tmp_path)
        losses = {seed: noisy(60, seed) for seed in seeds}
        names = [write_pair(store, of, seed) for seed, of in losses.items()]
        curves = drawn(store, names[0])
        with styled():
            figure = figure_of([curves], scale)
            FigureCanvasAgg(figure).draw()
            axis, _ = figure.subfigs[0].axes if hasattr(figure, "subfigs") else figure.axes
            assert not axis.get_legend().get_window_extent().overlaps(axis.get_window_extent())
            assert figure.bbox.containsx(axis.get_legend().get_window_extent().x1)
        assert axis.get_yscale() == scale
        bands = [band for band in axis.collections if isinstance(band, PolyCollection)]
        assert len(bands) == (2 if len(seeds) > 1 else 0)
        assert ("band from the lowest to the highest seed" in curves.caption) == (len(seeds) > 1)
        for band, arm in zip(bands, range(2), strict=False):
            at30 = [smoothed(of[arm], curves.window)[30] for of in losses.values()]
            heights = [y for x, y in band.get_paths()[0].vertices if x == 310]
            assert (min(heights), max(heights)) == pytest.approx((min(at30), max(at30)))

    def test_seeds_in_training_or_of_other_code_are_left_out(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        name = write_pair(store, noisy(20, 0))
        assert read_pair(store, name).arms[1].evaluated
        write_pair(store, noisy(10, 1), seed=1, steps=200)
        write_pair(store, noisy(20, 2), seed=2, code="another")
        write_pair(store, noisy(20, 3), seed=3, baseline="web")
        (tmp_path / "pairs" / "damaged.json").write_text('["no record"')
        assert drawn(store, name).losses["seed"].unique().tolist() == [0]
        write_pair(store, noisy(20, 5), seed=5)
        assert drawn(store, name).losses["seed"].unique().tolist() == [0, 5]

    def test_arms_in_training_are_compared_up_to_the_step_that_both_have(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        plain, plugged = noisy(40, 0)
        curves = drawn(store, write_pair(store, [plain, plugged[:15]]))
        assert curves.losses["step"].tolist() == [10 * at for at in range(1, 16)]
        assert "step 150 of 400" in curves.caption
        alone = drawn(store, write_pair(store, [plain, None], baseline="web"))
        assert alone.labels == ("web",)
        assert alone.difference is None
        assert "web+more has no curve yet" in alone.caption
        assert len(draw_curves([curves, alone], tmp_path)) == 5

    @pytest.mark.parametrize("losses", [[None, None], [[], []]])
    def test_no_curve_is_one_line(self, tmp_path: Path, losses: list[list[float] | None]) -> None:
        store = Store(tmp_path)
        name = write_pair(store, losses, steps=10)
        with pytest.raises(HarnessError, match=f"^{name.replace('+', '.')}[^\n]*(no curve yet|no step)[^\n]*$"):
            drawn(store, name)

    def test_a_plain_arm_has_a_curve_and_no_difference(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        curves = drawn(store, write_pair(store, noisy(20, 0)[:1]))
        assert curves.difference is None
        assert "ifference" not in curves.caption
        assert [path.name for path in draw_curves([curves], tmp_path)][-1] == "curves.csv"

    def test_arms_that_are_not_matched_are_refused(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        name = write_pair(store, noisy(20, 0))
        write(store.run("net+more.s0.this").config, RunRecord(label="", fingerprint=fingerprint(initial_weights="x")))
        with pytest.raises(HarnessError, match=r"unmatched.*initial_weights"):
            drawn(store, name)

    def test_the_axis_of_the_difference_has_room_for_its_settled_part_and_for_zero(self) -> None:
        mean = np.r_[np.full(20, 5.0), np.full(80, 0.2)]
        low, high = limits(pd.DataFrame({"low": mean - 0.1, "mean": mean, "high": mean + 0.1}))
        assert low < 0 < 0.3 < high < 1

    def test_the_same_bytes_whatever_the_users_matplotlibrc(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        curves = drawn(store, write_pair(store, noisy(20, 0)))
        first = draw_curves([curves], tmp_path / "first")
        with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "svg.hashsalt": "theirs"}):
            second = draw_curves([curves], tmp_path / "second")
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
            assert b"CreationDate" not in one.read_bytes()

    def test_the_command_takes_several_pairs(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        names = [write_pair(store, noisy(10, 0), baseline=label) for label in ("net", "web")]
        result = CliRunner().invoke(curves_command, ["net+more", "web+more", *names, "--results", str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert Path(result.output.splitlines()[0]) == tmp_path / "figures" / "curves" / "curves.png"
        table = pd.read_csv(tmp_path / "figures" / "curves" / "curves.csv")
        assert table["arm"].unique().tolist() == ["net", "net+more", "web", "web+more"]
        assert len(table) == 40  # each once, by whatever names


def best_sum(score: np.ndarray, side: int) -> float:
    """The largest sum over a square of that side."""
    height, width = score.shape
    sums = [
        score[top : top + side, left : left + side].sum()
        for top in range(max(height - side, 0) + 1)
        for left in range(max(width - side, 0) + 1)
    ]
    return float(max(sums))


class TestCrop:
    @pytest.mark.parametrize("gain", [0.3, -0.3])
    @pytest.mark.parametrize(("size", "side"), [((17, 23), 5), ((12, 9), 9), ((9, 30), 9), ((6, 7), 40)])
    def test_it_lies_in_the_frame_and_holds_most_of_the_gain_or_of_the_loss(
        self, size: tuple[int, int], side: int, gain: float
    ) -> None:
        draw = np.random.default_rng(side)
        plain, plugged = draw.random(size), draw.random(size)
        place = crop_place([plain, plugged], side, gain)
        assert place.height == min(side, size[0])
        assert place.width == min(side, size[1])
        assert 0 <= place.top <= size[0] - place.height
        assert 0 <= place.left <= size[1] - place.width
        gained = np.sign(gain) * (plain - plugged)
        assert gained[place.cut].sum() == pytest.approx(best_sum(gained, side), rel=1e-9)

    def test_a_frame_that_gains_shows_no_crop_that_loses_more(self) -> None:
        """However much larger the loss elsewhere is."""
        plain, plugged = np.zeros((20, 20)), np.zeros((20, 20))
        plain[2, 3], plugged[15, 12] = 1.0, 2.0
        assert crop_place([plain, plugged], 4, gain=0.2).top in range(3)
        assert crop_place([plain, plugged], 4, gain=-0.2).top in range(12, 16)
        assert crop_place([2 * plain, plugged / 2], 4, gain=-0.2).top in range(12, 16)

    @pytest.mark.parametrize("gain", [-1.0, 0.0, 1.0])
    def test_of_equal_arms_and_of_one_it_is_where_the_error_is(self, gain: float) -> None:
        error = np.zeros((20, 30))
        error[11, 22] = 1.0
        for errors in ([error], [error, error.copy()]):
            place = crop_place(errors, 5, gain)
            assert place.top <= 11 < place.top + 5
            assert place.left <= 22 < place.left + 5


def measured(values: dict[str, Sequence[float]]) -> PairOutcome:
    """A pair that gained so many dB at each triplet of each level."""
    rows = pd.DataFrame(
        [
            {"test": "clips", "level": level, "triplet": f"{at:03d}", "clip": "c", "psnr": 30.0, "gain": gain}
            for level, gains in values.items()
            for at, gain in enumerate(gains)
        ]
    )
    levels = {level: [f"{at:03d}" for at in range(len(gains))] for level, gains in values.items()}
    asked = Asked(baseline="net", plugins="more")
    tests = (SetRecord(data="clips-1234", levels=levels),)
    record = pair_record(asked, [RunFolder(Path(name)) for name in ("net", "more")], tests=tests)
    plain = rows.drop(columns="gain")
    arms = [
        ArmOutcome(label, None, each, {})
        for label, each in (("net", plain), ("net+more", plain.assign(psnr=30 + rows["gain"])))
    ]
    return PairOutcome("net+more", record, arms[0], (arms[0], arms[1]), show_unmatched=True)


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.outcome.difference.refusals", lambda pair: ())


@pytest.mark.usefixtures("matched")
class TestPicks:
    @pytest.mark.parametrize("count", [1, 2, 3, 50])
    def test_as_many_from_the_top_as_from_the_bottom_of_each_level(self, count: int) -> None:
        gains = {"easy": np.random.default_rng(0).normal(1, 1, 9).tolist(), "hard": [0.5, -0.5, 0.25]}
        for level, values in gains.items():
            chosen = [pick for pick in picks(measured(gains), count) if pick.column.level == level]
            each = min(count, len(values) // 2)
            ordered = sorted(values, reverse=True)
            wanted = ordered[:each] + ordered[-each:]
            assert [pick.value for pick in chosen] == pytest.approx(wanted)
            top, bottom = chosen[:each], chosen[each:]
            assert [pick.rank for pick in top] == list(range(1, each + 1))
            assert [pick.rank for pick in bottom] == list(range(len(values) - each + 1, len(values) + 1))
            assert len({pick.triplet for pick in chosen}) == len(chosen) == 2 * each

    def test_one_triplet_is_shown_once(self) -> None:
        assert [(pick.rank, pick.count) for pick in picks(measured({"easy": [0.5]}), 3)] == [(1, 1)]

    def test_only_the_levels_that_were_named(self) -> None:
        pair = measured({"easy": [1.0, 2.0], "hard": [3.0, 4.0]})
        assert {pick.column.level for pick in picks(pair, 1, ["hard"])} == {"hard"}
        with pytest.raises(HarnessError, match="no level 'hrad'; did you mean 'hard'"):
            picks(pair, 1, ["hrad"])

    def test_a_pair_that_is_not_evaluated_is_one_line(self) -> None:
        pair = measured({"easy": [1.0, 2.0]})
        empty = dataclasses.replace(pair.arms[1], rows=pair.arms[1].rows.iloc[:0])
        with pytest.raises(
            HarnessError, match="not evaluated yet: harness run --baseline net --with more --recipe quick does it"
        ):
            picks(dataclasses.replace(pair, arms=(pair.arms[0], empty)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`trained(plugins)`: the results folder of a smoke pair on two small videos; each is trained once."""
    folder = tmp_path_factory.mktemp("figures")
    videos = folder / "videos"
    videos.mkdir()
    for seed in range(2):
        texture = np.random.default_rng(seed).integers(0, 256, (12, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        with av.open(str(videos / f"clip{seed}.mp4"), "w") as container:
            stream: Any = container.add_stream("libx264", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 112, 96, "yuv420p"
            for at in range(22):
                image = np.ascontiguousarray(texture[:, 3 * at : 3 * at + 112])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    centres = (("easy", 1, (8, 9, 12)), ("hard", 4, (9, 10, 11)))
    listed = [f"{level},clip1,{at - gap},{at},{at + gap}" for level, gap, frames in centres for at in frames]
    (videos / "test.csv").write_text("\n".join(["level,clip,frame0,frame_gt,frame1", *listed]) + "\n")
    recipe = {"steps": 2, "batch": 1, "augment": {"crop": 32}, "checkpoint_every": 2, "test_triplets": 3}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe))

    def train(plugins: str) -> Path:
        results = folder / (plugins or "plain")
        if not results.exists():
            result = run_again(results, plugins, folder)
            assert result.exit_code == 0, (result.output, result.exception)
        return results

    return train


def run_again(results: Path, plugins: str, folder: Path | None = None) -> Result:
    """`harness run` of the pair whose results these are."""
    folder = folder or results.parent
    words = ["--baseline", "ifrnet-s", "--with", plugins, "--recipe", str(folder / "tiny.yaml"), "--device", "cpu"]
    data = ["--data", f"clips:root={folder / 'videos'},list=test.csv", "--results", str(results)]
    return CliRunner().invoke(run_command, [*words, *data])


def gallery(results: Path, *options: str, pair: str = "ifrnet-s+hce") -> Result:
    return CliRunner().invoke(gallery_command, [pair, "--results", str(results), "--device", "cpu", *options])


def shown(results: Path, **options: Any) -> tuple[PairOutcome, list[Exhibit]]:
    import torch

    store = Store(results)
    pair = read_pair(store, store.pairs()[-1])
    plan = settle(pair.record.asked, catalog(), torch.device("cpu"))
    return pair, exhibits(pair, plan, picks(pair), **options)


def whole(results: Path) -> list[Shown]:
    """The same triplets at full size."""
    import torch

    store = Store(results)
    pair = read_pair(store, store.pairs()[-1])
    return list(shown_triplets(pair, settle(pair.record.asked, catalog(), torch.device("cpu")), picks(pair)))


def extent(where: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is true."""
    rows, columns = np.nonzero(where)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


FLOW = np.ones((2, 40, 40), np.float32)


def exhibit_by_hand(
    errors: Sequence[float] = (1.0, 2.0),
    flows: Sequence[np.ndarray | None] = (None, None),
    title: str = "easy, +0.10 dB",
    label: str = "net+more",
    **more: Any,
) -> Exhibit:
    """Of frames of 120 x 160, in which all pixels have the same error."""
    crop, frame = np.zeros((40, 40, 3), np.uint8), np.zeros((120, 160, 3), np.uint8)
    views = tuple(
        View(name, crop, np.full((40, 40), error, np.float32), 30.0, 20.0, flow)
        for name, error, flow in zip(("net", label), errors, flows, strict=True)
    )
    return Exhibit(title, (120, 160), Place(0, 0, 40, 40), frame, (frame, frame), 2, crop, crop, views, **more)


def page(*shown: Exhibit, draw: bool = True) -> Figure:
    with styled():
        figure = gallery_figure(shown)
        if draw:
            FigureCanvasAgg(figure).draw()
    return figure


def images(figure: Figure, caption: str) -> list[AxesImage]:
    """The pictures above these words."""
    found = []
    for text in figure.texts:
        if text.get_text() == caption:
            box = text.get_window_extent()
            middle = (box.x0 + box.x1) / 2
            above = [axis for axis in figure.axes if axis.images and axis.bbox.x0 < middle < axis.bbox.x1]
            found += [axis.images[0] for axis in above if 0 <= axis.bbox.y0 - box.y1 < 10]
    return found


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Of left, bottom, right, top, by more than a pixel."""
    apart = one[2] <= other[0] + 1 or other[2] <= one[0] + 1 or one[3] <= other[1] + 1 or other[3] <= one[1] + 1
    return not apart


class TestGallery:
    def test_a_run_ends_with_figures_and_draws_them_again_when_they_change(
        self, trained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        results = trained("hce")
        (folder,) = (results / "figures").iterdir()
        names = {path.name for path in folder.iterdir()}
        assert names >= {"curves.png", "curves.pdf", "curves.svg", "curves.csv", "difference.csv", "gallery.png"}
        assert names >= {"table.md", "table.csv", "table.svg"}
        picture = folder / "gallery.png"
        before = picture.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(figures, "exhibits", lambda *_: pytest.fail("networks are built for nothing"))
            assert run_again(results, "hce").exit_code == 0
        picture.unlink()
        assert run_again(results, "hce").exit_code == 0
        assert picture.read_bytes() == before
        assert gallery(results, "--output", str(results / "other.png")).exit_code == 0
        assert (results / "other.png").read_bytes() == before

    def test_it_shows_the_numbers_that_were_measured(self, trained: Callable[..., Path]) -> None:
        pair, all_shown = shown(trained("hce"), side=40)
        assert len(all_shown) == 4  # two levels, a gain and a loss each
        for exhibit, pick in zip(all_shown, picks(pair), strict=True):
            assert f"{pick.column.level}, {pick.value:+z.2f} dB, rank {pick.rank} of 3: {pick.triplet}" == exhibit.title
            assert exhibit.views[1].psnr - exhibit.views[0].psnr == pytest.approx(pick.value, abs=1e-9)
            assert exhibit.crop_gain == exhibit.views[1].crop_psnr - exhibit.views[0].crop_psnr
            assert exhibit.crop_gain * pick.value >= 0
            assert exhibit.regions > 1
            for view in exhibit.views:
                assert view.crop.shape == exhibit.truth.shape == exhibit.inputs.shape == (40, 40, 3)
                difference = (view.crop.astype(float) - exhibit.truth) / 255
                assert -10 * np.log10((difference**2).mean()) == pytest.approx(view.crop_psnr, abs=0.05)
                np.testing.assert_allclose(view.error, np.abs(difference).mean(-1) * 255, atol=0.51)

    def test_frames_are_as_precise_as_they_were_measured(
        self, trained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a GPU convolutions are rounded to 10 bits unless told otherwise."""
        import torch

        seen: list[bool] = []

        def watched(*given: Any) -> Callable[..., Any]:
            predict = predictor(*given)

            def noted(*what: Any) -> Any:
                seen.append(torch.backends.cudnn.allow_tf32)
                return predict(*what)

            return noted

        monkeypatch.setattr("harness.report.gallery.predictor", watched)
        whole(trained("hce"))
        assert set(seen) == {False}

    def test_no_whole_frame_stays_in_memory(self, trained: Callable[..., Path]) -> None:
        _, all_shown = shown(trained("hce"), side=16)
        for exhibit in all_shown:
            arrays = [exhibit.inputs, exhibit.truth, *(view.crop for view in exhibit.views)]
            assert all(array.base is None and array.shape == (16, 16, 3) for array in arrays)
            assert len(exhibit.flows) == 2
            assert all(flow.base is None and flow.shape == (2, 16, 16) for flow in exhibit.flows)
            assert exhibit.masks is not None
            assert max(max(image.shape) for image in (exhibit.overlay, *exhibit.masks)) <= THUMBNAIL

    def test_a_plain_arm_is_shown_without_masks(self, trained: Callable[..., Path]) -> None:
        results = trained("")
        _, all_shown = shown(results)
        assert [len(exhibit.views) for exhibit in all_shown] == [1] * 4
        assert all(exhibit.masks is None and exhibit.crop_gain is None for exhibit in all_shown)
        assert "difference.csv" not in {path.name for path in results.rglob("*.csv")}
        assert gallery(results, "--count", "2", "--level", "easy", pair="ifrnet-s").exit_code == 0

    def test_flows_are_those_of_the_network_in_the_crop(self, trained: Callable[..., Path]) -> None:
        """To the first input, as all of a triplet's; the page says what of them one has to know."""
        results = trained("hce")
        _, all_shown = shown(results, side=40)
        for exhibit, of in zip(all_shown, whole(results), strict=True):
            assert of.true_flows is None
            assert exhibit.true_flow is exhibit.attended is None
            for view, made in zip(exhibit.views, of.made, strict=True):
                assert made.flows is not None
                assert made.attended is None
                assert view.flow is not None
                rows, columns = exhibit.place.cut
                np.testing.assert_array_equal(view.flow, made.flows[0][:, rows, columns])
        said = _note(all_shown)
        assert "in pixels, from the frame to be made to the first input" in said
        bare = [
            dataclasses.replace(each, views=tuple(dataclasses.replace(view, flow=None) for view in each.views))
            for each in all_shown
        ]
        assert "Flows" not in _note(bare)

    def test_the_masks_of_both_frames_have_one_colour_a_label(self, trained: Callable[..., Path]) -> None:
        results = trained("hce")
        _, all_shown = shown(results)
        for exhibit, of in zip(all_shown, whole(results), strict=True):
            assert exhibit.masks is not None
            assert of.maps is not None
            colours: dict[int, np.ndarray] = {}
            assert exhibit.regions == len(np.unique(of.maps))
            for picture, frame, labels in zip(exhibit.masks, (of.first, of.last), of.maps, strict=True):
                tint = picture.astype(int) - frame // 2  # half a frame, half a colour
                for label in np.unique(of.maps):
                    here = tint[labels == label] if label else (picture.astype(int) - frame)[labels == 0]
                    colour = colours.setdefault(label, here[0]) if label else np.zeros(3)
                    np.testing.assert_allclose(here, np.broadcast_to(colour, here.shape), atol=2)

    @pytest.mark.parametrize("form", ["pdf", "svg", "jpg"])
    def test_other_formats_have_the_same_bytes_again(
        self, trained: Callable[..., Path], tmp_path: Path, form: str
    ) -> None:
        _, all_shown = shown(trained("hce"))
        one, other = (draw_gallery(all_shown[:1], tmp_path / f"{name}.{form}") for name in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()

    def test_the_place_of_the_crop_is_marked(self, tmp_path: Path) -> None:
        red = np.zeros((360, 640, 3), np.uint8)
        red[..., 0] = 255
        crop = np.zeros((120, 160, 3), np.uint8)
        view = View("net", crop, np.zeros((120, 160), np.float32), 30.0, 20.0)
        exhibit = Exhibit("t", (720, 1280), Place(100, 200, 240, 320), red, None, 0, crop, crop, (view,))
        picture = np.asarray(Image.open(draw_gallery([exhibit], tmp_path / "g.png")).convert("RGB")).astype(int)
        top, bottom, left, right = extent((picture == (255, 0, 0)).all(-1))
        inside = picture[top:bottom, left:right]
        marked = np.array(extent((inside == 255).all(-1)), float)
        marked /= np.repeat(inside.shape[:2], 2)
        np.testing.assert_allclose(marked, [100 / 720, 340 / 720, 200 / 1280, 520 / 1280], atol=0.02)

    def test_errors_of_both_arms_have_one_scale_and_their_difference_is_around_zero(self) -> None:
        figure = page(exhibit_by_hand(errors=(10.0, 40.0)))
        plain, plugged, gap = images(figure, "absolute error") + images(figure, "difference of errors")
        assert plain.get_clim() == plugged.get_clim() == (0, 40)
        low, high = gap.get_clim()
        assert low == -high == -30
        assert (gap.get_array() == 30).all()  # red: where plug-ins are farther from the truth
        assert gap.get_cmap().name == "RdBu_r"

    @pytest.mark.parametrize("known", [True, False])
    def test_flows_of_a_triplet_have_one_scale_and_its_wheel(self, known: bool) -> None:
        """The fastest of all is as strong as its wheel says, whoever's it is."""
        slow, fast = (np.full((2, 40, 40), x, np.float32) * [[[1]], [[0]]] for x in (2, 8))
        figure = page(exhibit_by_hand(flows=(slow, slow), true_flow=fast if known else None, attended=fast))
        (wheel,) = (
            text.get_text() for text in figure.texts if "rim" in text.get_text() and "wheel and" not in text.get_text()
        )
        assert "8 px" in wheel
        drawn = images(figure, "flow to the first input")
        drawn += images(figure, "attended flow") + (images(figure, "true flow") if known else [])
        assert [int(np.asarray(each.get_array())[0, 0, 1]) for each in drawn] == [191, 191, *[0] * (len(drawn) - 2)]

    def test_nothing_of_a_page_hides_anything(self) -> None:
        """However long names are: texts lie on the page, and on no picture and no other text."""
        long = {"title": "t" * 250, "label": "net+" + "more:stages=L,radius=2+" * 4}
        bare, full = exhibit_by_hand(**long), exhibit_by_hand(flows=(FLOW, FLOW), true_flow=FLOW, attended=FLOW, **long)
        figure = page(bare, full)
        texts = [(text.get_text(), text.get_window_extent().extents) for text in figure.texts if text.get_text()]
        frames = [axis.get_window_extent().extents for axis in figure.axes]
        for at, (text, box) in enumerate(texts):
            assert box[0] >= 0, text
            assert box[2] <= figure.bbox.width, text
            others = [*frames, *(other for _, other in texts[at + 1 :])]
            assert not any(overlap(box, other) for other in others), text

    def test_a_page_that_cannot_be_written_is_refused_before_networks_run(
        self, trained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.report.gallery_page.FITS", 3)
        monkeypatch.setattr("harness.report.exhibit.exhibits", lambda *_: pytest.fail("networks are built for nothing"))
        error = gallery(trained("hce")).exception
        assert isinstance(error, HarnessError)
        assert str(error) == "4 triplets do not fit on a page, 3 do: give a lower --count, or a --level"

    def test_as_many_as_are_said_fit_on_a_page(self) -> None:
        tall = exhibit_by_hand(flows=(FLOW, FLOW), title="t" * 250, label="net+" + "more:stages=L,radius=2+" * 4)
        figure = page(tall, draw=False)
        assert figure.get_figheight() * 200 * FITS < 2**16

    def test_what_changed_since_is_refused(self, trained: Callable[..., Path], tmp_path: Path) -> None:
        results = tmp_path / "results"
        shutil.copytree(trained("hce"), results)
        (path,) = results.glob("runs/ifrnet-s+hce.*/rows.csv")
        rows = read_rows(path, "")
        raised = [row.model_copy(update={"values": {**row.values, "psnr": row.values["psnr"] + 1}}) for row in rows]
        write_rows(path, prepare(path, []), raised)
        refused = gallery(results).exception
        assert isinstance(refused, HarnessError)
        assert "dB now and had" in str(refused)
        (weights,) = results.glob("runs/ifrnet-s+hce.*/checkpoints/*/model.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
        refused = gallery(results).exception
        assert isinstance(refused, HarnessError)
        assert "not what was tested" in str(refused)

    @pytest.mark.parametrize(
        ("options", "line"),
        [(("--output", "g.bmp"), "written as png"), (("--level", "esay"), "did you mean 'easy'")],
    )
    def test_a_wrong_option_is_one_line(
        self, trained: Callable[..., Path], options: tuple[str, str], line: str
    ) -> None:
        error = gallery(trained("hce"), *options).exception
        assert isinstance(error, HarnessError)
        assert line in str(error)
