"""Nothing is lost: kills, full disks, damaged and hostile files, two processes on one run, code of others that fails.

A short version of each; `make torture` runs the same with TORTURE set, at full size, and writes down the figures.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from harness.data.order import Order
from harness.errors import HarnessError
from harness.files import replacing, write_text
from harness.results.records import Status
from harness.results.store import RunFolder, Store
from harness.train import checkpoint
from harness.weights.read import read_state
from tests.torture import hostile
from tests.torture.attempts import PAIR, End, Server, installed, outcome, serving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="faults are told apart by /proc")

SAVES = 8  # of an undisturbed run, both arms
Note = Callable[[str, object], None]


@dataclass(frozen=True)
class Size:
    """How often: kills and how many of them inside a save, bits flipped, races; every so many-th call fails."""

    kills: int
    in_saves: int
    flips: int
    races: int
    every: int


SIZE = Size(200, 50, 1000, 100, 1) if os.environ.get("TORTURE") else Size(8, 4, 100, 3, 67)


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: its folder, what it left, the calls that it made, and how long it took."""

    root: Path
    left: dict[str, bytes]
    calls: list[str]
    seconds: float

    @property
    def checkpoints(self) -> Path:
        """Of the plain arm."""
        return next(self.root.glob("results/runs/toy.*/checkpoints"))


@pytest.fixture(scope="module")
def space() -> Iterator[Path]:
    """A folder in memory, where there is such: a run syncs its files a hundred times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def server(space: Path) -> Iterator[Server]:
    (space / "server").mkdir()
    with serving(space / "server") as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(space: Path, server: Server) -> Undisturbed:
    root = space / "undisturbed"
    started = time.perf_counter()
    end = server.attempt(root)
    assert end.code == 0, end.err
    for name in ("curve.csv", "audit.csv", "rows.csv", "checkpoints/step-00000008/state.pt"):
        assert len(list(root.glob(f"results/runs/*/{name}"))) == 2
    return Undisturbed(root, outcome(root), end.calls, time.perf_counter() - started)


@pytest.fixture
def root(space: Path) -> Iterator[Path]:
    """A folder of its own for each test."""
    folder = Path(tempfile.mkdtemp(dir=space))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def checkpoints(undisturbed: Undisturbed, root: Path) -> Path:
    """A copy of the two checkpoints of the plain arm."""
    return shutil.copytree(undisturbed.checkpoints, root / "checkpoints")


def goes_on(server: Server, root: Path, undisturbed: Undisturbed) -> End:
    """The same command again ends as the undisturbed run did, bit for bit."""
    end = server.attempt(root)
    assert end.code == 0, end.err
    left = outcome(root)
    assert left.keys() == undisturbed.left.keys()
    assert [name for name in left if left[name] != undisturbed.left[name]] == []
    return end


# --- kills


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(
    space: Path, server: Server, undisturbed: Undisturbed, record_property: Note
) -> None:
    """At random moments, and at random calls inside a save. Each folder sees up to eight kills, then is finished."""
    rng = random.Random(0)
    in_a_save = sum("/checkpoints/" in call for call in undisturbed.calls) // SAVES
    planned = ["inside a save"] * SIZE.in_saves + ["any moment"] * (SIZE.kills - SIZE.in_saves)
    rng.shuffle(planned)
    runs, seconds = 0, undisturbed.seconds
    while planned:
        root, runs, before = space / f"killed-{runs}", runs + 1, len(planned)
        while planned and before - len(planned) < 8:
            started = time.perf_counter()
            if planned[-1] == "inside a save":
                end = server.attempt(root, only="/checkpoints/", at=rng.randint(1, in_a_save))
            else:
                end = server.attempt(root, kill_after=rng.uniform(0, seconds))
            if not end.killed:
                assert end.code == 0, end.err
                seconds = min(seconds, time.perf_counter() - started)  # the first run may have been slower
                break
            planned.pop()
        goes_on(server, root, undisturbed)
        shutil.rmtree(root)
    record_property("kills", f"{SIZE.kills}, of them {SIZE.in_saves} inside a save, over {runs} runs")


# --- full disks


def whole(root: Path) -> None:
    """No file has its final name before it is whole, and no temporary one is left."""
    assert not [path for path in root.rglob("*") if path.suffix in (".tmp", ".old")]
    for path in root.rglob("*.json"):
        json.loads(path.read_text())
    for folder in root.rglob("step-*"):
        record = json.loads((folder / "manifest.json").read_text())
        for name, expected in record["sha256"].items():
            assert sha256((folder / name).read_bytes()).hexdigest() == expected


@pytest.mark.parametrize("how", ["full", "for good"])
def test_a_disk_that_is_full_at_any_write_call(
    how: str, space: Path, server: Server, undisturbed: Undisturbed, record_property: Note
) -> None:
    """Once, or until the process ends: one line, nothing torn, `paused`, and the same command goes on."""
    paused = 0
    takes_away = ("unlink", "rmdir")  # a full disk does not mind
    writes = [at for at, call in enumerate(undisturbed.calls, 1) if not call.startswith(takes_away)]
    for at in writes[:: SIZE.every]:
        root = space / "full"
        end = server.attempt(root, at=at, how=how)
        assert "No space left on device" in end.line
        assert "free some space" in end.line
        whole(root)
        states = [run.status() for run in Store(root / "results").runs()]
        paused += any(status is not None and status.state == "paused" for status in states)
        goes_on(server, root, undisturbed)
        shutil.rmtree(root)
    assert how != "full" or paused
    record_property("calls", f"{len(writes[:: SIZE.every])} of {len(writes)}; {paused} left the run `paused`")


# --- damage


def newest(folder: Path) -> Path:
    return folder / "step-00000008"


def found_damaged(folder: Path, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the newest checkpoint is passed over, in words, for the one before it."""
    caplog.clear()
    used = checkpoint.latest(folder)
    said = f"{newest(folder)} is damaged (" in caplog.text and "going back to the one before" in caplog.text
    return said and used is not None and used.step == 6


def test_a_cut_file_is_found(checkpoints: Path, caplog: pytest.LogCaptureFixture, record_property: Note) -> None:
    """At every 4 KiB; the manifest at every byte."""
    found: list[bool] = []
    for file in sorted(newest(checkpoints).iterdir()):
        content = file.read_bytes()
        for length in range(0, len(content), 1 if file.suffix == ".json" else 4096):
            file.write_bytes(content[:length])
            found.append(found_damaged(checkpoints, caplog))
        file.write_bytes(content)
    assert all(found)
    latest = checkpoint.latest(checkpoints)
    assert latest is not None
    assert latest.path == newest(checkpoints)
    record_property("found", f"{sum(found)} of {len(found)}")


def test_a_flipped_bit_is_found(checkpoints: Path, caplog: pytest.LogCaptureFixture, record_property: Note) -> None:
    """Anywhere in the newest checkpoint, and one in each byte of its manifest."""
    rng = random.Random(0)
    files = [(file, file.read_bytes()) for file in sorted(newest(checkpoints).iterdir())]
    places = [(file, content, at) for file, content in files for at in range(len(content))]
    chosen = rng.sample(places, SIZE.flips) + [place for place in places if place[0].suffix == ".json"]
    found = []
    for file, content, at in chosen:
        flipped = bytearray(content)
        flipped[at] ^= 1 << rng.randrange(8)
        file.write_bytes(flipped)
        found.append(found_damaged(checkpoints, caplog))
        file.write_bytes(content)
    assert all(found)
    record_property("found", f"{sum(found)} of {len(found)}")


def swapped(folder: Path) -> None:
    shutil.copy(folder / "step-00000006" / "state.pt", newest(folder))


def renamed(folder: Path) -> None:
    shutil.rmtree(newest(folder))
    shutil.copytree(folder / "step-00000006", newest(folder))


def shortened(folder: Path) -> None:
    """A manifest that is whole, but names one file less."""
    manifest = newest(folder) / "manifest.json"
    record = json.loads(manifest.read_text())
    del record["sha256"]["state.pt"]
    manifest.write_text(json.dumps(record, indent=2) + "\n")
    (newest(folder) / "state.pt").unlink()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a file missing": lambda folder: (newest(folder) / "state.pt").unlink(),
    "no manifest": lambda folder: (newest(folder) / "manifest.json").unlink(),
    "one file too many": lambda folder: (newest(folder) / "more.pt").write_bytes(b""),
    "a file of another checkpoint": swapped,
    "another checkpoint's folder": renamed,
    "a shorter manifest": shortened,
    "a manifest of nothing": lambda folder: (newest(folder) / "manifest.json").write_text("[]"),
    "a manifest nested too deeply": lambda folder: (newest(folder) / "manifest.json").write_text("[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_is_not_as_it_was(damage: str, checkpoints: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not found_damaged(checkpoints, caplog)
    DAMAGE[damage](checkpoints)
    assert found_damaged(checkpoints, caplog)


@pytest.mark.parametrize("both", [False, True])
def test_a_run_goes_on_from_what_is_whole(both: bool, root: Path, server: Server, undisturbed: Undisturbed) -> None:
    shutil.copytree(undisturbed.root, root, dirs_exist_ok=True)
    folder = next(root.glob("results/runs/toy.*/checkpoints"))
    for damaged in ("step-00000008", *(("step-00000006",) if both else ())):
        with (folder / damaged / "model.safetensors").open("r+b") as file:
            file.truncate(4096)
    end = goes_on(server, root, undisturbed)
    assert "step-00000008 is damaged (model.safetensors does not match its sha256)" in end.err
    assert ("step-00000006 is damaged" in end.err) == both


def tiny() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.ModuleDict({"baseline": torch.nn.Linear(2, 2)})
    return model, torch.optim.AdamW(model.parameters())


def convolution(layout: torch.memory_format) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.ModuleDict({"baseline": torch.nn.Conv2d(4, 8, 3)}).to(memory_format=layout)  # type: ignore[call-overload]
    return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)


def step_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=drawn))
    optimizer.step()


def test_a_run_goes_on_where_weights_lie_otherwise(tmp_path: Path) -> None:
    """As on a CPU with AVX-512, from a checkpoint of one without. The fused optimiser went on with another weight's
    moments, and said nothing."""
    model, optimizer = convolution(torch.contiguous_format)
    step_of(model, optimizer, 0)
    saved = checkpoint.save(tmp_path, 1, model, optimizer, [])  # type: ignore[arg-type]
    other, its = convolution(torch.channels_last)
    saved.restore(other, its)  # type: ignore[arg-type]
    for one in ((model, optimizer), (other, its)):
        step_of(*one, 1)
    for here, there in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(here, there, rtol=0, atol=1e-6)


def test_what_does_not_read_back_the_same_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that keeps another byte than it was given."""
    model, optimizer = tiny()
    for step in (1, 2):
        checkpoint.save(tmp_path, step, model, optimizer, [])  # type: ignore[arg-type]

    def faulty(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[:-1] + bytes([content[-1] ^ (path.name == "model.safetensors")]))

    monkeypatch.setattr(checkpoint, "write_bytes", faulty)
    with pytest.raises(HarnessError, match=r"step-00000003: not what was written \(model.safetensors does not"):
        checkpoint.save(tmp_path, 3, model, optimizer, [])  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_the_good_one_before_stays_whatever_lies_between(tmp_path: Path) -> None:
    """And not a damaged one in its place; leftovers of a kill go."""
    model, optimizer = tiny()
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, model, optimizer, [])  # type: ignore[arg-type]
    (tmp_path / "step-00000003" / "state.pt").write_bytes(b"")
    (tmp_path / ".step-00000009.tmp").mkdir()
    (tmp_path / ".step-00000008.old").mkdir()
    checkpoint.save(tmp_path, 4, model, optimizer, [])  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000004"]


def test_checkpoints_are_in_the_order_of_their_steps(tmp_path: Path) -> None:
    """Also with more than eight digits."""
    model, optimizer = tiny()
    for step in (99_999_999, 100_000_000):
        checkpoint.save(tmp_path, step, model, optimizer, [])  # type: ignore[arg-type]
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 100_000_000


# --- hostile files


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What a hostile file would make."""
    return tmp_path / "deep" / "er" / "canary"


def born(canary: Path) -> bool:
    """Whether there is a canary, where it was meant to be or beside."""
    return any(canary.parents[2].rglob(canary.name))


def under_a_right_manifest(folder: Path, **files: bytes) -> checkpoint.Checkpoint:
    """A checkpoint with these contents in place of its own, and their sums."""
    saved = checkpoint.save(folder, 1, *tiny(), [])  # type: ignore[arg-type]
    manifest = saved.path / "manifest.json"
    record = json.loads(manifest.read_text())
    for name, content in files.items():
        file = {"weights": saved.weights, "state": saved.path / "state.pt"}[name]
        file.write_bytes(content)
        record["sha256"][file.name] = sha256(content).hexdigest()
    manifest.write_text(json.dumps(record, indent=2) + "\n")
    found = checkpoint.latest(folder)
    assert found == saved
    return saved


def refusal(refused: Callable[[], object]) -> str:
    """The one line."""
    with pytest.raises(HarnessError) as error:
        refused()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("payload", hostile.PICKLES)
def test_a_hostile_pickle_is_not_executed(payload: str, canary: Path, tmp_path: Path) -> None:
    """As weights that a user gives, and as a checkpoint's state under a manifest that is right."""
    canary.parent.mkdir(parents=True)
    content = hostile.PICKLES[payload](canary)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(content)
    assert refusal(lambda: read_state(weights)).startswith(f"{weights}: not a checkpoint that can be loaded safely: ")
    saved = under_a_right_manifest(tmp_path / "checkpoints", state=content)
    line = refusal(lambda: saved.restore(*tiny()))  # type: ignore[arg-type]
    assert line.startswith(f"{saved.path / 'state.pt'}: cannot be loaded safely: ")
    assert not born(canary)
    with contextlib.suppress(Exception):
        torch.load(weights, weights_only=False)
    assert born(canary), "or this one is harmless"


@pytest.mark.parametrize("payload", hostile.SAFETENSORS)
def test_hostile_safetensors_are_refused(payload: str, tmp_path: Path) -> None:
    content = hostile.SAFETENSORS[payload]
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(content)
    assert refusal(lambda: read_state(weights)).startswith(f"{weights}: ")
    saved = under_a_right_manifest(tmp_path / "checkpoints", weights=content)
    assert refusal(lambda: saved.restore(*tiny())).startswith(f"{saved.weights}: ")  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [[], {}, {"optimizer": {}}, {"optimizer": [1], "pending": []}, {"pending": 1}])
def test_a_state_that_is_none_is_refused(state: object, tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save(state, content)
    saved = under_a_right_manifest(tmp_path, state=content.getvalue())
    assert "no state of this run's optimiser" in refusal(lambda: saved.restore(*tiny()))  # type: ignore[arg-type]


@pytest.mark.parametrize("pending", [[torch.zeros(2)], [torch.zeros(3), torch.zeros(())], [0.5], "abc"])
def test_a_state_with_something_else_than_losses_and_norms_is_refused(pending: object, tmp_path: Path) -> None:
    model, optimizer = tiny()
    content = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "pending": pending}, content)
    saved = under_a_right_manifest(tmp_path, state=content.getvalue())
    assert "no state of this run's optimiser" in refusal(lambda: saved.restore(model, optimizer))  # type: ignore[arg-type]


# --- two processes


def test_two_processes_that_race_for_one_run(
    root: Path, server: Server, undisturbed: Undisturbed, record_property: Note
) -> None:
    """Whoever gets it waits with its first step until the other one is refused. Each fourth winner is then killed: the
    other goes on at once, whatever the dead one left."""
    killed = 0
    for race in range(SIZE.races):
        folder, gate = root / f"race-{race}", root / f"gate-{race}"
        os.mkfifo(gate)
        for _ in range(2):
            server.ask(folder, gate=str(gate))
        refused = server.answer()
        holder = re.fullmatch(
            r"run toy\.s0\.\w+ is in use by process (\d+) on (\S+); wait for it or stop it", refused.line
        )
        assert holder, refused.line
        assert holder[2] == socket.gethostname()
        if race % 4 == 3:
            os.kill(int(holder[1]), signal.SIGKILL)
            killed += 1
        else:
            gate.write_text("go")
        end = server.answer()
        assert (end.code, end.pid) == (-9 if race % 4 == 3 else 0, int(holder[1])), end
        goes_on(server, folder, undisturbed)
        shutil.rmtree(folder)
    record_property("races", f"{SIZE.races}, each with one winner; {killed} dead holders replaced")


def test_two_runs_at_once_leave_what_one_after_the_other_leaves(root: Path, server: Server) -> None:
    """In one folder of results, of two seeds: the mean of the two frames is of both, and is measured once."""
    pairs = [(*PAIR, "--seed", seed) for seed in ("0", "1")]
    for pair in pairs:
        server.ask(root / "at-once", *pair)
    ends = [server.answer() for _ in pairs]
    assert [end.code for end in ends] == [0, 0], [end.err for end in ends]
    assert len({end.pid for end in ends}) == 2
    for pair in pairs:
        assert server.attempt(root / "in-turn", *pair).code == 0
    at_once, in_turn = outcome(root / "at-once"), outcome(root / "in-turn")
    assert at_once.keys() == in_turn.keys()
    assert [name for name in at_once if at_once[name] != in_turn[name]] == []
    assert len([name for name in at_once if name.endswith("rows.csv")]) == 5, "of both arms of both, and of that mean"


# --- losses that are not finite


def test_a_loss_that_is_no_number_ends_the_arm_and_names_the_samples(root: Path, server: Server) -> None:
    pair = ("--baseline", "toy", "--with", "poison:step=5", "--data", "noise")
    end = server.attempt(root, *pair)
    [run] = root.glob("results/runs/toy+poison.*")
    assert end.line.startswith(
        f"{run.name}: the loss of step 5 is not finite, or its gradient: nan-5.json in its folder names the samples"
    )
    record = json.loads((run / "nan-5.json").read_text())
    order = Order(size=10, batch=2, seed=0)
    assert record.pop("samples") == [f"noise/{order.at(position).index}" for position in (8, 9)]
    assert record.pop("sets") == ["noise", "noise"]
    rate = float((run / "curve.csv").read_text().splitlines()[-1].split(",")[4])
    assert 0 < record.pop("learning_rate") < rate
    assert record == {"step": 5, "epoch": 0, "reconstruction": "nan", "total": "nan"}
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-00000002", "step-00000004"]
    assert RunFolder(run).status() == Status(state="training", step=4, steps=8)


# --- code of others

BOOM = "raise RuntimeError('out of luck')"
NET = """
import torch
from harness import BaselineSpec, hookimpl
from harness.model import Baseline, Features, Prediction

class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        {backward}

class Net(Baseline):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        {factory}

    def encode(self, frames):
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames, features, t, prior):
        {forward}
        frame = Backward.apply(self.weight * features.f0)
        return Prediction(frame=frame, flow_t0=0 * frame[:, :2], flow_t1=0 * frame[:, :2])

@hookimpl
def harness_baselines():
    return [BaselineSpec("boom-net", "boom:Net", summary="")]
"""
HOOK = "from harness import hookimpl\n@hookimpl\ndef {hook}: raise RuntimeError('out of luck')\n"


def net(place: str) -> str:
    return NET.format(**({"factory": "pass", "forward": "pass", "backward": "return gradient"} | {place: BOOM}))


PLACES = {
    "import": BOOM,
    "registration": HOOK.format(hook="harness_plugins()"),
    "observer": HOOK.format(hook="harness_step_done(step)"),
    "factory": net("factory"),
    "forward": net("forward"),
    "backward": net("backward"),
}


@pytest.mark.parametrize("place", PLACES)
def test_code_of_others_that_raises_is_blamed_and_harms_nothing_else(
    place: str, root: Path, server: Server, undisturbed: Undisturbed
) -> None:
    beside = installed(root / "beside", "boom", PLACES[place])
    if "boom-net" in PLACES[place]:
        line = server.attempt(root / "its-own", "--baseline", "boom-net", "--data", "noise", beside=str(beside)).line
        assert "RuntimeError: out of luck" in line
        assert f"boom 0.9 ({beside / 'boom.py'}" in line
    end = server.attempt(root / "else", beside=str(beside))
    assert end.code == 0, end.err
    assert outcome(root / "else") == undisturbed.left
    if "boom-net" not in PLACES[place]:
        [line] = {line for line in end.err.splitlines() if "boom 0.9" in line}
        assert f"boom 0.9 ({beside / 'boom.py'}): " in line
        assert "out of luck" in line


# --- what a kill leaves


def test_what_a_killed_process_had_written_goes_in_time(tmp_path: Path) -> None:
    """Not what another process may still be writing."""
    old, new, other = (tmp_path / name for name in ("a[1].json.1.tmp", "a[1].json.2.tmp", "b.json.1.tmp"))
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (0, 0))
    write_text(tmp_path / "a[1].json", "{}")
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


def test_two_that_write_one_file_at_once_do_not_meet(tmp_path: Path) -> None:
    """As threads do that read ahead: several triplets have the same two frames, and keep the same motion."""
    path = tmp_path / "motion.npy"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
