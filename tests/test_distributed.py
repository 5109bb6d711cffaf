"""Several processes train as one does: gloo on the CPU, each process a fork of the test's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.cli.common import stoppable
from harness.cli.devices import launch
from harness.data.augment import Augment
from harness.data.benchmark import Benchmark, Triplet
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.distributed import World, joined
from harness.errors import HarnessError
from harness.masks.cache import MaskCache
from harness.masks.source import MaskSource
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction, resize_flow, take_up, warp
from harness.model.losses import losses
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import PluginSpec
from harness.results.store import RunFolder
from harness.train import checkpoint
from harness.train import step as step_module
from harness.train.loop import Interrupted, Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe
from tests.worlds import together

CPU = torch.device("cpu")
STEPS, BATCH, CROP = 20, 4, 64
TOLERANCE = 1e-6


class Waves(Benchmark):
    """Nine triplets of smooth waves that move: on noise a warp would blow up the last bit of a flow."""

    levels = ("easy",)
    train = tuple(Triplet(f"waves/{i}", clip="waves", level="train", frames=(i, i + 1, i + 2)) for i in range(9))
    test = ()

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        rng = np.random.default_rng(triplet.frames[0])
        y, x, _ = np.mgrid[0:80, 0:72, 0:1] / 80
        angle = [2 * np.pi * (rng.normal(size=3) * 2 * y + rng.normal(size=3) * 2 * x) for _ in range(3)]
        moved = [sum(np.sin(a + k * time) for k, a in enumerate(angle)) / 3 for time in (0, 0.5, 1)]
        return (127.5 + 127.4 * np.stack(moved)).astype(np.uint8)

    def digest(self, split: str) -> str:
        return "waves"


class Stripes(MaskSource):
    """Upright stripes, as many as the first pixel says, so that samples differ in their regions."""

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        width = img0.shape[1]
        stripes = np.arange(width) * (1 + img0[0, 0, 0] % 4) // width
        return np.broadcast_to(stripes, (2, *img0.shape[:2])).astype(np.uint16)


class Tiny(Baseline):
    """Encoder, one motion stage that takes a prior, a residual; and a parameter that nothing uses."""

    size_multiple = 16

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.offers = Offers(channels=8, stride=16, motion=MotionSeam(stride=16, latent="blend", channels=1))
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 7, 4, 3), nn.PReLU(8), nn.Conv2d(8, 8, 7, 4, 3), nn.PReLU(8))
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.motion = nn.Conv2d(16, 5, 3, 1, 1)
        self.unused = nn.Parameter(torch.ones(3))

    def encode(self, frames: Frames) -> Features:
        return Features(f0=self.norm(self.encoder(frames.img0)), f1=self.norm(self.encoder(frames.img1)))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        coarse = self.motion(torch.cat([features.f0, features.f1], 1))
        flow0, flow1, logit = take_up(prior, lambda: (coarse[:, :2], coarse[:, 2:4], coarse[:, 4:]))
        size = (frames.img0.shape[-2], frames.img0.shape[-1])
        flow0, flow1 = resize_flow(flow0, size), resize_flow(flow1, size)
        blend = torch.sigmoid(nn.functional.interpolate(logit, size=size, mode="bilinear"))
        return Prediction(
            frame=blend * warp(frames.img0, flow0) + (1 - blend) * warp(frames.img1, flow1),
            flow_t0=flow0,
            flow_t1=flow1,
            blend=blend,
        )


def network(norm: bool = False, seed: int = 0) -> Composed:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        baseline = Tiny(norm)
        assert baseline.offers
        names = ("hce", "hir")
        plugins = {name: catalog().choose(PluginSpec, parse_choice(name)).build(baseline.offers) for name in names}
        for begins_as_zero in (p for plugin in plugins.values() for p in plugin.parameters() if not p.any()):
            nn.init.normal_(begins_as_zero, std=0.003)  # or rounding would be much of the little that it has moved
        # flows of 6.5 pixels: bilinear sampling has a kink at whole ones, where a rounding changes the gradient
        nn.init.constant_(plugins["hir"].inter.decoder[-1].bias, 6.5 / 16)
    return Composed(baseline, plugins)


def training(world: World | None, steps: int = STEPS, **changes: Any) -> Training:
    stop = changes.pop("stop", lambda: False)
    notify = changes.pop("notify", lambda *hook, **facts: None)
    recipe = Recipe.model_validate({"steps": steps, "batch": BATCH, "augment": Augment(crop=CROP)} | changes)
    samples = Samples({"waves": Waves()}, Order(9, recipe.batch, 0), recipe.augment, MaskCache(Stripes(), "stripes"))
    return Training(TrainPlan(recipe, 0), samples, steps, stop, notify, world or World(0, 1, CPU))


def trained(size: int, folder: Path, **changes: Any) -> dict[str, Tensor]:
    """The weights after a training by `size` processes."""
    ends = together(size, lambda world: train(network(), training(world, **changes), RunFolder(folder)).step)
    assert ends == [changes.get("steps", STEPS)] * size
    return weights(folder)


def weights(folder: Path) -> dict[str, Tensor]:
    last = checkpoint.latest(folder / "checkpoints")
    assert last
    return safetensors.torch.load_file(last.weights)


def curve(folder: Path) -> list[list[float]]:
    """Step, epoch, loss, total and learning rate of each row."""
    return [list(point[:-1]) for point in RunFolder(folder).points()]


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """The largest, over the tensors, of the norm of their difference relative to their norm."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).norm() / other[name].norm()) for name in other if other[name].any())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training by one process that all others are compared with."""
    folder = tmp_path_factory.mktemp("alone")
    train(network(), training(None), RunFolder(folder))
    return folder


# -- the same numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "accumulate"), [(1, 2), (1, 4), (2, 1), (3, 2), (4, 1)])
def test_processes_and_parts_do_not_change_weights_or_curve(
    size: int, accumulate: int, alone: Path, tmp_path: Path
) -> None:
    assert distance(trained(size, tmp_path, accumulate=accumulate), weights(alone)) < TOLERANCE
    np.testing.assert_allclose(curve(tmp_path), curve(alone), rtol=TOLERANCE)
    assert len(curve(tmp_path)) == STEPS
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"step-{STEPS:08d}"]


def test_processes_clip_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    changes = {"steps": 4, "clip_norm": 0.05, "audit_every": 1}
    train(network(), training(None, **changes), RunFolder(tmp_path / "one"))
    assert distance(trained(2, tmp_path / "two", **changes), weights(tmp_path / "one")) < TOLERANCE
    norms = [
        [float(given.gradient_norm) for given in RunFolder(tmp_path / name).trail()[1:]] for name in ("one", "two")
    ]
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
    assert min(norms[0]) > 0.05


def test_that_tolerance_tells_one_sample_from_another(alone: Path, tmp_path: Path) -> None:
    """Or the test before would prove nothing: here the gradient of one step in twenty is a hundredth too large."""
    step, calls = step_module._backward, iter(range(100))

    def heavier(model: Any, batch: Any, engine: Any) -> Tensor:
        loss = step(model, batch, engine)
        if next(calls) == 7:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad *= 1.01
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_module, "_backward", heavier)
        train(network(), training(None), RunFolder(tmp_path))
    assert distance(weights(tmp_path), weights(alone)) > TOLERANCE


@pytest.mark.parametrize("size", [2, 3, 4])
def test_all_processes_see_together_what_one_sees(size: int) -> None:
    samples = training(None).samples
    shares = [list(batches(samples, 1, 6, 0, rank, size)) for rank in range(size)]
    for whole, *parts in zip(batches(samples, 1, 6, 0), *shares, strict=True):
        for accumulate in (1, 2, 4):
            pieces = [piece for part in parts for piece in part.parts(accumulate)]
            assert torch.equal(torch.cat([piece.frames for piece in pieces]), whole.frames)
            assert torch.equal(torch.cat([piece.t for piece in pieces]), whole.t)
            assert np.array_equal(np.concatenate([piece.maps for piece in pieces]), whole.maps)
            assert max(len(piece.frames) for piece in pieces) <= BATCH // accumulate
            assert sum(piece.weight for piece in pieces) == 1


def test_a_parameter_that_some_use_moves_everywhere_and_one_that_none_uses_stays() -> None:
    def work(world: World) -> list[list[float] | None]:
        used, partly, never = (nn.Parameter(torch.ones(2)) for _ in range(3))
        used.grad = torch.full((2,), float(world.rank))
        if world.rank == 1:
            partly.grad = torch.tensor([3.0, 4.0])
        summed = world.sum_gradients([used, partly, never], torch.tensor([1.0, world.rank]))
        gradients = [None if p.grad is None else p.grad.tolist() for p in (used, partly, never)]
        return [*gradients, summed.tolist()]

    assert together(3, work) == [[[3, 3], [3, 4], None, [3, 3]]] * 3


def test_draws_inside_a_network_depend_on_step_and_rank(tmp_path: Path) -> None:
    """Or dropout would drop the same of every process's samples."""

    def work(world: World) -> list[float]:
        model, drawn = network(), []
        encode = model.baseline.encode

        def drawing(frames: Frames) -> Features:
            drawn.append(torch.rand(1).item())
            return encode(frames)

        model.baseline.encode = drawing  # type: ignore[method-assign]
        train(model, training(world, steps=3), RunFolder(tmp_path / str(world.size)))
        return drawn

    one, other = together(2, work)
    assert len({*one, *other}) == 6
    assert set(together(1, work)[0]) != set(one)


# -- all stop together -----------------------------------------------------------------------------------------------


def test_a_stop_in_one_process_stops_all_and_another_number_goes_on(alone: Path, tmp_path: Path) -> None:
    def work(world: World) -> Any:
        asked = iter(range(1, 100))
        return train(network(), training(world, stop=lambda: next(asked) == 7 and world.rank == 1), RunFolder(tmp_path))

    for error in together(2, work):
        assert isinstance(error, Interrupted)
        assert f"step 7 of {STEPS}" in str(error)
    assert distance(trained(1, tmp_path), weights(alone)) < TOLERANCE
    np.testing.assert_allclose(curve(tmp_path), curve(alone), rtol=TOLERANCE)


def test_sigterm_to_one_process_stops_all_and_they_go_on_bit_for_bit(tmp_path: Path) -> None:
    def work(world: World) -> Any:
        def notify(hook: str, **facts: Any) -> None:
            if hook == "harness_step_done" and facts["step"] == 5:
                os.kill(os.getpid(), signal.SIGTERM)

        with stoppable() as stop:
            plan = training(world, steps=8, stop=lambda: bool(stop), notify=notify)
            return train(network(), plan, RunFolder(tmp_path / "a"))

    assert [str(error) for error in together(2, work)] == ["a stopped at step 5 of 8"] * 2
    resumed, straight = trained(2, tmp_path / "a", steps=8), trained(2, tmp_path / "b", steps=8)
    assert all(torch.equal(resumed[name], straight[name]) for name in straight)
    assert curve(tmp_path / "a") == curve(tmp_path / "b")


def test_a_loss_that_is_not_finite_in_one_process_stops_all(tmp_path: Path) -> None:
    def work(world: World) -> Any:
        calls = iter(range(1, 100))

        def poisoned(*given: Any) -> tuple[Tensor, Tensor]:
            call = next(calls)
            assert call <= 3, "one step more"
            bad = float("nan") if call == 3 and world.rank == 1 else 1.0
            reconstruction, total = losses(*given)
            return reconstruction * bad, total * bad

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(step_module, "losses", poisoned)
            return train(network(), training(world, curve_every=STEPS), RunFolder(tmp_path))

    said, quiet = together(2, work)
    assert isinstance(said, HarnessError)
    assert "loss of step 3 is not finite" in str(said)
    assert isinstance(quiet, SystemExit)


def test_a_process_that_dies_ends_the_others_with_a_line(tmp_path: Path) -> None:
    def work(world: World) -> Any:
        def stop() -> bool:
            if world.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return False

        return train(network(), training(world, stop=stop), RunFolder(tmp_path))

    said, killed, quiet = together(3, work)
    assert isinstance(said, HarnessError)
    assert "another process of this training ended" in str(said)
    assert killed is None
    assert isinstance(quiet, SystemExit)


# -- what is refused -------------------------------------------------------------------------------------------------


def refusal(size: int, folder: Path, model: Callable[[World], Composed], **changes: Any) -> str:
    said, *quiet = together(size, lambda world: train(model(world), training(world, **changes), RunFolder(folder)))
    assert isinstance(said, HarnessError)
    assert all(isinstance(error, SystemExit) for error in quiet)
    assert not (folder / "curve.csv").exists()
    return str(said)


def test_other_weights_in_one_process_are_refused(tmp_path: Path) -> None:
    def model(world: World) -> Composed:
        made = network()
        if world.rank == 1:
            made.plugin["hir"].get_parameter("long_range.key.weight").data[0] += 1e-7
        return made

    assert "process 1 of 2 differs from process 0 in the weights plugin.hir.long_range.key.weight" in refusal(
        2, tmp_path, model
    )


def test_batch_normalisation_is_refused_where_the_batch_is_taken_in_parts(tmp_path: Path) -> None:
    for size, accumulate in ((2, 1), (1, 2)):
        said = refusal(size, tmp_path, lambda world: network(norm=True), accumulate=accumulate)
        assert "batch normalisation" in said


def test_more_processes_than_samples_are_refused(tmp_path: Path) -> None:
    assert "3 devices cannot share a batch of 2" in refusal(3, tmp_path, lambda world: network(), batch=2)


PLACE = {"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "RANK is set but LOCAL_RANK, MASTER_ADDR, MASTER_PORT not"),
        (PLACE, "RANK=2, WORLD_SIZE=2"),
        (PLACE | {"WORLD_SIZE": "two"}, "WORLD_SIZE=two"),
    ],
)
def test_variables_that_make_no_sense_are_named(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(HarnessError, match=message), joined(CPU):
        pass


# -- helpers ---------------------------------------------------------------------------------------------------------


def test_shares_are_gathered_in_the_order_of_the_items() -> None:
    def work(world: World) -> tuple[list[int], str]:
        done = [10 * item for item in world.share(range(7))]
        return world.gather(done), world.from_first(lambda: f"of {world.rank}")

    for size in (1, 2, 4):
        first, *others = together(size, work)
        assert first == ([0, 10, 20, 30, 40, 50, 60], "of 0")
        assert others == [([], "of 0")] * (size - 1)


def test_torchrun_starts_a_world(tmp_path: Path) -> None:
    script = tmp_path / "world.py"
    script.write_text(
        "import torch\n"
        "from harness.distributed import joined\n"
        "with joined(torch.device('cpu')) as world:\n"
        "    ranks = world.gather([(world.rank, world.size)])\n"
        "    print(ranks) if world.writes else None\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[(0, 2), (1, 2)]\n"


# -- one process a device --------------------------------------------------------------------------------------------


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import os, signal, sys, time\nrank = int(os.environ['RANK'])\n{code}"]


def test_launch_tells_each_process_its_place(tmp_path: Path) -> None:
    """And gives it a process group of its own: Ctrl-C on a terminal must reach it once, through the launcher."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    said = f"*(os.environ[name] for name in {names}), os.getpgrp() == os.getpid()"
    assert launch(python(f"print({said}, file=open(f'{tmp_path}/{{rank}}', 'w'))"), 3) == 0
    found = [(tmp_path / str(rank)).read_text() for rank in range(3)]
    assert found == [f"{rank} 3 {rank} 3 127.0.0.1 True\n" for rank in range(3)]


@pytest.mark.parametrize(("code", "expected"), [("sys.exit(2 * rank)", 2), ("sys.exit(143)", 143)])
def test_launch_passes_on_the_exit_code(code: str, expected: int) -> None:
    assert launch(python(code), 2) == expected


def test_launch_passes_on_signals(tmp_path: Path) -> None:
    waits = f"""
got = []
signal.signal(signal.SIGINT, lambda number, frame: got.append(number))
open(f"{tmp_path}/{{rank}}", "w").close()
for _ in range(2000):
    if got: break
    time.sleep(0.01)
sys.exit(128 + sum(got))"""
    code = f"import sys\nfrom harness.cli.devices import launch\nsys.exit(launch({python(waits)!r}, 2))"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as launcher:
        while len(list(tmp_path.iterdir())) < 2:
            assert launcher.poll() is None
            time.sleep(0.02)
        os.killpg(launcher.pid, signal.SIGINT)
    assert launcher.returncode == 128 + signal.SIGINT


def test_launch_names_a_process_that_was_killed() -> None:
    code = "os.kill(os.getpid(), signal.SIGKILL) if rank == 1 else sys.exit(2)"
    with pytest.raises(HarnessError, match=r"process 1 of 2 was killed \(SIGKILL\)"):
        launch(python(code), 2)


def test_launch_ends_those_that_hang_after_another_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.devices.GRACE", 0.3)
    assert launch(python("sys.exit(2) if rank else time.sleep(60)"), 2) == 2
