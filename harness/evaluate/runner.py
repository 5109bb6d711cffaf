"""Evaluation: one row a triplet, written as soon as it is known, so that a stopped evaluation goes on.

A network sees one triplet at a time, whatever runs beside it: convolutions may choose other algorithms for other batch
sizes, and rows would then depend on them. Frames, masks and motion are read ahead by threads.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.benchmark import Triplet, frames_hash
from harness.data.frames import frames_of
from harness.data.known import masks_of, truth_of
from harness.data.names import check_name
from harness.data.truth import Truth
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.given import Surroundings
from harness.evaluate.plan import EvalPlan, WideMetric
from harness.evaluate.protocol import Predict, protocol_id
from harness.evaluate.regions import ByMasks, Grouping
from harness.evaluate.testset import TripletSet
from harness.evaluate.whole import up_to_date, value_row
from harness.masks.cache import MaskCache
from harness.masks.source import maps_hash
from harness.metrics.given import Motion
from harness.model.contracts import inputs_and_truth
from harness.registry.blame import breach_of
from harness.registry.protocol import Settings
from harness.results.features import Features, read_features, write_features
from harness.results.rows import SEEN, Key, Row, append_row, merged, prepare, read_rows, write_rows

AGAIN = "move it away; the same command makes it anew"

AHEAD = 2
"""Triplets that are read ahead by each thread."""


@dataclass(frozen=True)
class Evaluation:
    """What is measured, and all that goes into the key of each row: rows of another content are never reused.

    masks      given to the network; None for one that takes none
    groupings  by which PSNR is measured apart; `regions` names the masks behind one of them
    weights    first digits of the sha256 of the network's file; of weights that were given, of what was read of them
    world      processes that share the triplets; every one gets the same rows in the end
    """

    plan: EvalPlan
    tests: TripletSet
    groupings: Sequence[Grouping]
    masks: MaskCache | None
    regions: str
    weights: str
    world: World

    @property
    def settings(self) -> Settings:
        """The protocol's, on this benchmark."""
        return self.plan.protocol.settings_on(self.tests.name)

    @property
    def columns(self) -> list[str]:
        """Names of all values of a row."""
        regions = [name for grouping in self.groupings for name in grouping.columns]
        return [*self.plan.columns, *regions, *(self.plan.motion_columns if self.tests.knows_truth else ())]

    @property
    def region_masks(self) -> MaskCache | None:
        """Those behind `regions`."""
        return next((grouping.masks for grouping in self.groupings if isinstance(grouping, ByMasks)), None)

    def row(
        self,
        triplet: Triplet,
        values: Mapping[str, float] = MappingProxyType({}),
        seen: Mapping[str, str] = MappingProxyType({}),
    ) -> Row:
        """The triplet's row with these values, measured on what has these hashes."""
        return Row(
            data=self.tests.data_id,
            level=triplet.level,
            triplet=triplet.id,
            clip=triplet.clip,
            protocol=protocol_id(self.plan.protocol),
            weights=self.weights,
            masks=self.masks.folder.name if self.masks else "none",
            regions=self.regions,
            values=dict(values),
            **seen,
        )


@dataclass(frozen=True)
class Sample:
    """What a thread reads: uint8 frames (3 or 5, H, W, 3), label maps for the network, what the groups of pixels follow
    from, by their grouping, what the benchmark knows of the frames, and label maps for metrics that need them."""

    frames: NDArray[np.uint8]
    maps: NDArray[np.integer] | None
    found: list[tuple[Grouping, NDArray[np.generic]]]
    truth: Truth | None
    labels: NDArray[np.integer] | None = None

    @cached_property
    def groups(self) -> list[Tensor]:
        """Of each pixel, (H, W), by each grouping. Made by the thread that measures: once a second thread has used
        torch's workers, OpenMP no longer lets those of the first wait awake, and a network takes a fifth longer."""
        size = self.frames.shape[1], self.frames.shape[2]
        return [grouping.groups(found, size) for grouping, found in self.found]


def evaluate(
    evaluation: Evaluation, predict: Predict, path: Path, stop: Callable[[], bool], progress: Callable[[int, int], None]
) -> bool:
    """Bring the rows of `path` up to date; a row of which every value is there is not measured again, one that lacks a
    value is measured whole. False if asked to stop.

    Frames are read and hashed when they are measured. For rows that are there they are not read: `data_id`, a hash over
    what is in the files, is part of their key, so that they are those of a file that is unchanged by its stamp
    (`harness.data.contents`). Where one is measured again and its frames or label maps are others, earlier values of it
    no longer count.

    Raises HarnessError where there is nothing to measure, triplets cannot be told apart by their names, or rows cannot
    be read back.
    """
    wanted, world = evaluation.columns, evaluation.world
    _check_names(evaluation)
    world.from_first(lambda: _gather(evaluation, path, wanted))
    missing = _missing(evaluation, path)
    mine, own = world.share(missing), path if world.size == 1 else _part(path, world.rank)
    columns = prepare(own, wanted)
    total = len(evaluation.tests.triplets)
    progress(total - len(missing), total)
    stopped = False
    for count, (triplet, sample) in enumerate(_read_ahead(evaluation, mine), start=1):
        if stopped := stop():
            break
        values, features = measure(evaluation, predict, triplet, sample)
        row = evaluation.row(triplet, values, seen(sample, triplet))
        for name, of_frame in features.items():
            write_features(path, row, name, of_frame)
        append_row(own, columns, row)
        progress(min(total - len(missing) + count * world.size, total), total)
    stopped = any(world.any_of([stopped]))
    world.from_first(lambda: _gather(evaluation, path, wanted))
    if not stopped and (lost := _missing(evaluation, path)):
        raise world.error(
            f"{path}: {len(lost)} of {total} rows cannot be read back, the first of {lost[0].level} {lost[0].id}; "
            "move the file away, it is made anew"
        )
    if not stopped and evaluation.plan.of_sets:
        world.from_first(lambda: _add_wholes(evaluation, path))
    return not stopped


def _missing(evaluation: Evaluation, path: Path) -> list[Triplet]:
    """Triplets of which a hash or a value is not in the file. What is not finite is a value, what is empty is not.
    Where metrics of whole sets are wanted, of which there is no value yet, also those without features."""
    known = merged(read_rows(path, AGAIN))
    done = {of for of, row in known.items() if all(row.seen) and row.has(evaluation.columns)}
    if of_sets := evaluation.plan.of_sets:
        for keys in _by_level(evaluation):
            if not (done.issuperset(keys) and up_to_date([known[key] for key in keys], known, of_sets)):
                there = [key for key in keys if key in done]
                done -= {key for key in there if any(read_features(path, known[key], name) is None for name in of_sets)}
    return [triplet for triplet in evaluation.tests.triplets if evaluation.row(triplet).key not in done]


def _by_level(evaluation: Evaluation) -> list[list[Key]]:
    """Keys of the rows of each level."""
    levels: dict[str, list[Key]] = {}
    for triplet in evaluation.tests.triplets:
        levels.setdefault(triplet.level, []).append(evaluation.row(triplet).key)
    return list(levels.values())


def _add_wholes(evaluation: Evaluation, path: Path) -> None:
    """The row of each whole level, where there is none of what was measured last. All triplets have theirs."""
    known, of_sets = merged(read_rows(path, AGAIN)), evaluation.plan.of_sets
    columns = prepare(path, [*evaluation.columns, *of_sets])
    for keys in _by_level(evaluation):
        rows = [known[key] for key in keys]
        if not up_to_date(rows, known, of_sets):
            append_row(path, columns, value_row(rows, of_sets, path))


def seen(sample: Sample, triplet: Triplet) -> dict[str, str]:
    """The hashes of what a row was measured on, by SEEN."""
    parts = [np.asarray(groups, dtype=np.uint8) for groups in sample.groups]
    groups = maps_hash(np.stack(parts)) if parts else "none"
    return dict(zip(SEEN, (frames_hash(sample.frames, triplet.t), maps_hash(sample.maps), groups), strict=True))


def _check_names(evaluation: Evaluation) -> None:
    """A row is a line that is found again by its names."""
    data, triplets = evaluation.tests.data_id, evaluation.tests.triplets
    if not triplets:
        raise HarnessError(f"{data}: no triplet to measure")
    for triplet in triplets:
        for name in (triplet.level, triplet.id, triplet.clip):
            check_name(name, data)
    (level, name), count = Counter((each.level, each.id) for each in triplets).most_common(1)[0]
    if count > 1:
        raise HarnessError(f"{data}: {count} triplets are called {level} {name}; each needs its own name")


def _part(path: Path, rank: int) -> Path:
    """Where a process puts its rows while several share an evaluation."""
    return path.with_name(f"{path.stem}.part{rank}{path.suffix}")


def _gather(evaluation: Evaluation, path: Path, wanted: Sequence[str]) -> None:
    """Make the file ready, with the rows that processes left in parts, in the order of the triplets."""
    parts = sorted(path.parent.glob(f"{path.stem}.part*{path.suffix}"))
    columns = prepare(path, wanted)
    measured = [row for part in parts for row in read_rows(part, AGAIN)]
    if measured:
        order = {evaluation.row(triplet).key: at for at, triplet in enumerate(evaluation.tests.triplets)}
        rows = [*read_rows(path, AGAIN), *measured]
        # rows of other evaluations stay where they are, before these
        write_rows(path, columns, sorted(rows, key=lambda row: order.get(row.key, -1)))
    for part in parts:
        part.unlink()


def measure(
    evaluation: Evaluation, predict: Predict, triplet: Triplet, sample: Sample
) -> tuple[dict[str, float], dict[str, Features]]:
    """Every value of a triplet, by one transfer from the device; and its features, of metrics of whole sets."""
    frames, truth = inputs_and_truth([to_image(frame, evaluation.world.device) for frame in sample.frames])
    try:
        # on CUDA convolutions are rounded to 10 bits by default
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            predicted = predict(frames, triplet.t, sample.maps)
    except ValueError as error:
        raise HarnessError(f"{evaluation.tests.data_id}, {triplet.level} {triplet.id}: {error}") from error
    with torch.inference_mode():
        frame = predicted.frame
        if evaluation.settings.rounding:
            frame = (frame * 255).round() / 255
        true = motion_of(sample.truth, evaluation.world.device) if sample.truth is not None else None
        labels = None
        if sample.labels is not None:
            labels = torch.from_numpy(sample.labels.astype(np.int64))[:, None].to(evaluation.world.device)
        given = Surroundings(
            frame=frame,
            truth=truth,
            img0=frames.img0,
            img1=frames.img1,
            t=frame.new_full((1,), triplet.t),
            predicted=predicted,
            labels=labels,
            motion=true,
        )

        def asked(metric: WideMetric) -> Any:
            return metric.measure(**given.by_name(metric.needs))

        values = [metric(frame, truth).double() for metric in evaluation.plan.of_frames.values()]
        values += [asked(metric).double() for metric in evaluation.plan.of_more.values()]
        for grouping, groups in zip(evaluation.groupings, sample.groups, strict=True):
            values.append(grouping.psnr(frame, truth, groups.to(evaluation.world.device)))
        if true is not None:
            for of_motion in evaluation.plan.of_motion.values():
                found = asked(of_motion) if isinstance(of_motion, WideMetric) else of_motion.measure(predicted, true)
                values += [found[part].double() for part in of_motion.parts]
        features = {name: asked(metric)[0].cpu().numpy() for name, metric in evaluation.plan.of_sets.items()}
        return dict(zip(evaluation.columns, torch.cat(values).tolist(), strict=True)), features


def read(evaluation: Evaluation, triplet: Triplet) -> Sample:
    """Frames and masks of a triplet, and what is known of it."""
    benchmark = evaluation.tests.benchmark
    frames = frames_of(benchmark, triplet)
    maps = masks_of(evaluation.masks, benchmark, triplet, frames).maps if evaluation.masks else None
    truth = truth_of(benchmark, triplet, frames.shape[1:3])
    if (truth is not None) != evaluation.tests.knows_truth:
        what = f"it knows the truth of some triplets and not of others: {triplet.level} {triplet.id}"
        raise breach_of("benchmark", benchmark, what)
    middle = len(frames) // 2
    img0, img1 = frames[middle - 1], frames[middle + 1]
    found = [(grouping, grouping.read(img0, img1, truth)) for grouping in evaluation.groupings]
    labels = None
    if evaluation.region_masks and evaluation.plan.needs("labels"):
        labels = masks_of(evaluation.region_masks, benchmark, triplet, frames).maps
    return Sample(frames, maps, found, truth, labels)


def motion_of(truth: Truth, device: torch.device) -> Motion:
    """A batch of one."""

    def tensor(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)[None]

    return Motion(
        flow_t0=tensor(truth.flow_t0),
        flow_t1=tensor(truth.flow_t1),
        visible_t0=tensor(truth.visible_t0),
        visible_t1=tensor(truth.visible_t1),
        inside=tensor(truth.labels[1] > 0),
    )


def to_image(frame: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 (H, W, 3) -> float (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float() / 255


def _read_ahead(evaluation: Evaluation, triplets: Sequence[Triplet]) -> Iterator[tuple[Triplet, Sample]]:
    """Every triplet and its sample, in order, a bounded number of them in memory."""
    waiting: deque[tuple[Triplet, Future[Sample]]] = deque()
    rest = iter(triplets)
    with ThreadPoolExecutor(evaluation.plan.workers) as pool:
        try:
            while True:
                while len(waiting) < AHEAD * evaluation.plan.workers and (triplet := next(rest, None)) is not None:
                    waiting.append((triplet, pool.submit(read, evaluation, triplet)))
                if not waiting:
                    return
                triplet, sample = waiting.popleft()
                yield triplet, sample.result()
        finally:
            for _, sample in waiting:
                sample.cancel()
