"""The deterministic tier: gradients equal to torch's that have the same bits each time, and its settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.arm import Arm
from harness.data.augment import Augment
from harness.data.benchmark import Benchmark, Triplet
from harness.data.loader import Samples
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.model import Frames, deterministic
from harness.model.losses import losses
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.results.store import RunFolder
from harness.train.engine import WORKSPACE, Engine
from harness.train.loop import Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe

NETWORKS = ["ifrnet-s", "rife", "amt-s", "ema", "uprnet", "sgm"]
CUDA = torch.device("cuda")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

# Nodes of a backward pass that torch has only with atomics on CUDA, from its list of such operations
ATOMIC = (
    *("GridSampler", "UpsampleLinear", "UpsampleBilinear", "UpsampleBicubic", "UpsampleTrilinear", "ReflectionPad"),
    *("AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool3D", "FractionalMaxPool", "MaxUnpool", "NllLoss", "CtcLoss"),
    *("EmbeddingBag", "Put", "Histc", "Bincount", "Median", "Cumsum"),
)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deterministic backward passes on a CPU too."""
    monkeypatch.setattr(deterministic, "applies", lambda x: True)


# -- operations ------------------------------------------------------------------------------------------------------

Operation = Callable[..., Tensor]
SAMPLES = [  # sizes of source and grid; how far the grid's coordinates, which should be -1 to 1, scatter
    ((7, 9), (7, 9), 0.5),
    ((8, 12), (8, 12), 1.2),
    ((33, 20), (16, 31), 5.0),
    ((1, 5), (3, 4), 1.0),
    ((6, 1), (6, 1), 1.0),
]
SIZES = [
    *(((7, 9), (14, 18)), ((8, 12), (4, 6)), ((8, 12), (3, 5)), ((5, 6), (13, 7)), ((1, 5), (3, 4))),
    *(((9, 3), (1, 1)), ((64, 48), (16, 12)), ((4, 6), (32, 48))),
]


def gradients(operation: Operation, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The result, and the gradients of its weighted sum to all inputs."""
    inputs = tuple(x.clone().requires_grad_() for x in inputs)
    result = operation(*inputs)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return result.detach(), *torch.autograd.grad(result, inputs, weights.to(result))


def assert_same(ours: tuple[Tensor, ...], stock: tuple[Tensor, ...], tolerance: float) -> None:
    """Results bit for bit, gradients to a share of the largest."""
    assert torch.equal(ours[0], stock[0])
    for one, other in zip(ours[1:], stock[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * max(1.0, float(other.abs().max())))


def sampled(source: tuple[int, int], grid: tuple[int, int], reach: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randn(3, 5, *source, generator=random, dtype=torch.float64)
    return pixels.to(dtype), (reach * torch.randn(3, *grid, 2, generator=random, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize(("source", "grid", "reach"), SAMPLES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_sampling_has_torchs_gradients(
    source: Any, grid: Any, reach: float, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = sampled(source, grid, reach, dtype)
    stock = gradients(deterministic.sample, *inputs)
    monkeypatch.setattr(deterministic, "applies", lambda x: True)
    assert_same(gradients(deterministic.sample, *inputs), stock, tolerance)


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_resizing_has_torchs_gradients(
    before: Any, after: Any, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(3, 5, *before, generator=torch.Generator().manual_seed(0), dtype=dtype)
    stock = gradients(lambda x: deterministic.bilinear(x, after), x)
    monkeypatch.setattr(deterministic, "applies", lambda x: True)
    assert_same(gradients(lambda x: deterministic.bilinear(x, after), x), stock, tolerance)


@pytest.mark.usefixtures("ours")
def test_gradients_are_those_of_small_differences() -> None:
    """Independent of torch's own; beyond the border too, away from the kinks at whole pixels."""
    source, grid = sampled((4, 5), (3, 4), 1.0, torch.float64)
    assert (grid.abs() > 1).any()
    inputs = (source[:2].requires_grad_(), grid[:2].requires_grad_())
    assert torch.autograd.gradcheck(deterministic.sample, inputs)
    for size in ((7, 9), (3, 2)):
        assert torch.autograd.gradcheck(lambda x, size=size: deterministic.bilinear(x, size), inputs[:1])


@pytest.mark.usefixtures("ours")
def test_only_the_gradients_asked_for() -> None:
    source, grid = sampled((6, 7), (6, 7), 1.0, torch.float32)
    (both_source, both_grid) = gradients(deterministic.sample, source, grid)[1:]
    assert torch.equal(gradients(lambda s: deterministic.sample(s, grid), source)[1], both_source)
    assert torch.equal(gradients(lambda g: deterministic.sample(source, g), grid)[1], both_grid)


@pytest.mark.usefixtures("ours")
def test_half_precision_is_summed_in_float32() -> None:
    """And rounded once, at the end."""
    x, weights = torch.rand(2, 3, 4, 5).bfloat16().requires_grad_(), torch.rand(2, 3, 9, 7).bfloat16()
    (half,) = torch.autograd.grad(deterministic.bilinear(x, (9, 7)), x, weights)
    (full,) = torch.autograd.grad(deterministic.bilinear(x.float(), (9, 7)), x, weights.float())
    assert torch.equal(half, full.bfloat16())


@pytest.mark.usefixtures("ours")
def test_a_coordinate_that_is_no_number_is_no_crash_and_gives_no_number() -> None:
    source, grid = torch.rand(1, 2, 4, 4, requires_grad=True), torch.zeros(1, 4, 4, 2)
    grid[0, 1, 2, 0] = float("nan")
    (gradient,) = torch.autograd.grad(deterministic.sample(source, grid).sum(), source)
    assert gradient.isnan().any()


@pytest.mark.usefixtures("ours")
def test_a_compiler_traces_both(recwarn: pytest.WarningsRecorder) -> None:
    source, grid = sampled((6, 7), (5, 4), 1.0, torch.float32)

    def both(source: Tensor, grid: Tensor) -> Tensor:
        return deterministic.bilinear(deterministic.sample(source, grid), (9, 9))

    eager = gradients(both, source, grid)
    deterministic._weights.cache_clear()
    compiled = gradients(torch.compile(both, backend="aot_eager", fullgraph=True), source, grid)
    for one, other in zip(compiled, eager, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))
    assert_same(gradients(both, source, grid), eager, 0)  # nothing that was traced has been kept
    assert not [warning for warning in recwarn if "deterministic" in str(warning.message)]


def test_a_cpu_keeps_torchs_own() -> None:
    """It is deterministic there, so nothing changes with the setting."""
    x, grid = torch.rand(1, 1, 4, 4, requires_grad=True), torch.zeros(1, 4, 4, 2)
    torch.use_deterministic_algorithms(True)
    try:
        names = [type(y.grad_fn).__name__ for y in (deterministic.sample(x, grid), deterministic.bilinear(x, (8, 8)))]
    finally:
        torch.use_deterministic_algorithms(False)
    assert names == ["GridSampler2DBackward0", "UpsampleBilinear2DBackward0"]


# -- networks --------------------------------------------------------------------------------------------------------


class Trial:
    """A network with both plug-ins, and batches of noise to train it on."""

    def __init__(self, network: str, engine: Engine, side: int, batch: int) -> None:
        self.engine = engine
        arm = Arm.of(catalog(), parse_choice(network), parse_choices("hce,hir"))
        self.model = engine.place(arm.build(0))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)
        y, x = np.mgrid[:side, :side] // (side // 4)
        self.maps = np.broadcast_to((4 * y + x).astype(np.uint16), (batch, 2, side, side))
        self.images = torch.rand(3, batch, 3, side, side, generator=torch.Generator().manual_seed(2)).to(engine.device)

    def loss(self) -> Tensor:
        """Of the next step: its images are moved on by one pixel."""
        self.images = self.images.roll((1, 1), (-1, -2))
        frames, size = Frames(img0=self.images[0], img1=self.images[2]), self.images.shape[-2:]
        t = torch.full((len(self.maps), 1, 1, 1), 0.5, device=self.engine.device)
        regions = self.model.regions(self.maps, (size[0], size[1]))
        with self.engine.autocast():
            prediction = self.model(frames, t, regions)
        offers = self.model.baseline.offers
        return losses(prediction, frames, self.images[1], offers.motion if offers else None)[1]

    def train(self, steps: int) -> dict[str, Tensor]:
        """The weights afterwards."""
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.loss().backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return {name: weight.detach().clone() for name, weight in self.model.named_parameters()}


def nodes(loss: Tensor) -> set[str]:
    """The names of all that takes part in the backward pass."""
    seen, waiting = set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    return {node.name() for node in seen}


def gradient_of(network: str) -> tuple[set[str], dict[str, Tensor]]:
    trial = Trial(network, Engine(torch.device("cpu")), side=64, batch=2)
    loss = trial.loss()
    names = nodes(loss)
    loss.backward()  # type: ignore[no-untyped-call]
    return names, {name: p.grad for name, p in trial.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_the_same_gradient_and_no_atomics(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever resizes or samples past `harness.model` shows here."""
    stock_nodes, stock = gradient_of(network)
    monkeypatch.setattr(deterministic, "applies", lambda x: True)
    our_nodes, ours = gradient_of(network)
    assert [name for name in stock_nodes if name.startswith(ATOMIC)]
    assert [name for name in our_nodes if name.startswith(ATOMIC)] == []
    assert ours.keys() == stock.keys()
    # a bias before an instance norm has the gradient 0 but for rounding: it is held to the network's scale
    rounding = 1e-7 * max(float(gradient.abs().max()) for gradient in stock.values())
    for name, gradient in stock.items():
        torch.testing.assert_close(ours[name], gradient, rtol=0, atol=1e-5 * float(gradient.abs().max()) + rounding)


# -- settings --------------------------------------------------------------------------------------------------------


def state() -> tuple[Any, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        os.environ.get(WORKSPACE),
    )


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process as it comes, but with a benchmark to switch off."""
    monkeypatch.delenv(WORKSPACE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    yield
    torch.use_deterministic_algorithms(False)


def failing(seen: list[Any]) -> None:
    seen.append(state())
    raise ZeroDivisionError


@pytest.mark.usefixtures("plain")
def test_the_tier_sets_the_process_and_puts_everything_back() -> None:
    before = state()
    inside: list[Any] = []
    with pytest.raises(ZeroDivisionError), Engine(CUDA, deterministic=True).settings():
        failing(inside)
    assert inside == [(True, False, False, ":4096:8")]
    assert state() == before == (False, False, True, None)


@pytest.mark.usefixtures("plain")
def test_what_was_set_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    with Engine(CUDA, deterministic=True).settings():
        assert state() == (True, False, False, ":16:8")
    assert state() == (True, True, True, ":16:8")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("engine", [Engine(CUDA), Engine(torch.device("cpu"), deterministic=True)])
def test_other_tiers_set_nothing(engine: Engine) -> None:
    before = state()
    with engine.settings():
        assert state() == before


@pytest.mark.usefixtures("plain")
def test_a_workspace_that_is_not_deterministic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, ":0:0")
    with (
        pytest.raises(HarnessError, match=f"{WORKSPACE}=:0:0 is not deterministic: unset it"),
        Engine(CUDA, deterministic=True).settings(),
    ):
        pass
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("device", "wanted", "tier"),
    [
        ("cpu", False, "CPU, bit-exact"),
        ("cpu", True, "CPU, bit-exact"),
        ("cuda", False, "CUDA, fast"),
        ("cuda:1", True, "CUDA, deterministic"),
    ],
)
def test_a_recipe_and_a_device_make_a_tier(device: str, wanted: bool, tier: str) -> None:
    recipe = Recipe(steps=1, batch=2, augment=Augment(crop=64), deterministic=wanted)
    assert Engine.of(recipe, torch.device(device)).tier == tier
    assert recipe.training()["deterministic"] == wanted


def test_an_engine_has_all_that_the_recipe_says() -> None:
    recipe = Recipe(
        steps=1,
        batch=2,
        augment=Augment(crop=64),
        precision="bfloat16",
        channels_last=True,
        compile=True,
        deterministic=True,
    )
    assert Engine.of(recipe, CUDA) == Engine(CUDA, "bfloat16", channels_last=True, compiled=True, deterministic=True)


@pytest.mark.parametrize("parts", [0, 3, 8, True])
def test_a_batch_that_does_not_divide_is_refused(parts: int) -> None:
    with pytest.raises(ValueError, match="accumulate"):
        Recipe(steps=1, batch=4, augment=Augment(crop=64), accumulate=parts)


class Grey(Benchmark):
    """Two triplets, and nothing to be seen on them."""

    train = tuple(Triplet(f"grey/{i}", clip="grey", level="train", frames=(0, 1, 2)) for i in range(2))
    test = ()

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return np.full((3, 64, 64, 3), 128, np.uint8)

    def digest(self, split: str) -> str:
        return "grey"


def training(steps: int) -> Training:
    """A deterministic one."""
    augment = Augment(crop=64)
    return Training(
        TrainPlan(Recipe(steps=steps, batch=2, augment=augment, deterministic=True), seed=0),
        samples=Samples({"grey": Grey()}, Order(2, 2, seed=0), augment, masks=None),
        steps=steps,
        stop=lambda: False,
        notify=lambda *hook, **facts: None,
        world=World(0, 1, torch.device("cpu")),
    )


def test_training_runs_inside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    @contextmanager
    def settings(engine: Engine) -> Iterator[None]:
        assert engine.deterministic
        happened.append("in")
        yield
        happened.append("out")

    monkeypatch.setattr(Engine, "settings", settings)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *args, **kwargs: happened.append("step"))
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0)
    train(model, training(steps=2), RunFolder(tmp_path))
    assert happened == ["in", "step", "step", "out"]


# -- on a GPU --------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize(("source", "grid", "reach"), [*SAMPLES, ((60, 90), (60, 90), 1.0)])
def test_sampling_on_cuda(source: Any, grid: Any, reach: float) -> None:
    inputs = [x.to(CUDA) for x in sampled(source, grid, reach, torch.float32)]
    stock = gradients(deterministic.sample, *inputs)
    with Engine(CUDA, deterministic=True).settings():
        ours, again = (gradients(deterministic.sample, *inputs) for _ in range(2))
    assert_same(ours, stock, 1e-5)
    assert_same(again, ours, 0)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_resizing_on_cuda(before: Any, after: Any) -> None:
    x = torch.randn(3, 5, *before, generator=torch.Generator().manual_seed(0)).to(CUDA)
    stock = gradients(lambda x: deterministic.bilinear(x, after), x)
    with Engine(CUDA, deterministic=True).settings():
        ours, again = (gradients(lambda x: deterministic.bilinear(x, after), x) for _ in range(2))
    assert_same(ours, stock, 1e-5)
    assert_same(again, ours, 0)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize(
    ("network", "precision", "channels_last"),
    [
        *((network, "float32", False) for network in NETWORKS),
        ("ifrnet-s", "bfloat16", True),
        ("ema", "bfloat16", False),
    ],
)
def test_two_trainings_on_cuda_end_in_the_same_bits(network: str, precision: Any, channels_last: bool) -> None:
    engine = Engine(CUDA, precision, channels_last, deterministic=True)
    with engine.settings():
        one, other = (Trial(network, engine, side=128, batch=4).train(5) for _ in range(2))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert all(weight.isfinite().all() for weight in one.values())


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("network", NETWORKS)
def test_what_the_same_bits_cost(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed: seconds a step of both tiers at the paper's crop, and whether two fast trainings differ."""
    seconds = {}
    for engine in (Engine(CUDA), Engine(CUDA, deterministic=True)):
        with engine.settings():
            trial = Trial(network, engine, side=224, batch=8)
            trial.train(3)
            torch.cuda.synchronize()
            started = time.perf_counter()
            trial.train(8)
            torch.cuda.synchronize()
            seconds[engine.tier] = (time.perf_counter() - started) / 8
    one, other = (Trial(network, Engine(CUDA), side=128, batch=4).train(5) for _ in range(2))
    differ = sum(not torch.equal(one[name], other[name]) for name in one)
    fast, slow = seconds["CUDA, fast"], seconds["CUDA, deterministic"]
    with capsys.disabled():
        print(
            f"\n{network}+hce+hir, 8 x 224x224: fast {fast * 1e3:.1f} ms, deterministic {slow * 1e3:.1f} ms, "
            f"{slow / fast:.2f} times; {differ} of {len(one)} tensors differ between two fast trainings of 5 steps"
        )
    assert fast > 0
