"""How much motion an untrained HIR sees on a trained IFRNet-S: a table in Markdown of end-point errors.

    python tests/measure_attention.py WEIGHTS [SCENES]

WEIGHTS is what `harness eval --weights` takes, or a plain state of the network; SCENES of each kind, 16 by default, 8
of those of 512 pixels. Errors are in pixels of the frame, at the centres of cells of stride 16, in visible ones, inside
of masks and in the background: of HIR-L's flow between the frames ("0-1", both ways), and of what enters Inter, from t
to the frames ("t"), of L alone and of LS.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from vfi_hir.hir import HIR

import harness
from harness.data.sets.layers import Layers, LayersFast
from harness.data.truth import Truth
from harness.model import Baseline, Features, Frames, Regions

SETS: dict[str, Layers] = {
    "layers-fast": LayersFast(),
    **{f"layers, {size} px, to {motion} px": Layers(size=size, motion=motion) for size in (96, 256, 512)
       for motion in (24, 48)},
}  # fmt: skip
SIMILARITIES = ("dot", "cosine", "patch", "place")
CHOICES = [{"similarity": name, "stages": stages} for name in SIMILARITIES for stages in ("L", "LS")]


def baseline_of(path: str) -> Baseline:
    """IFRNet-S with the weights of a file."""
    try:
        return harness.load("ifrnet-s", path).baseline.eval()
    except harness.HarnessError:
        model = harness.load("ifrnet-s")
        state = torch.load(path, weights_only=True)
        whole = any(name.startswith("baseline.") for name in state)
        (model if whole else model.baseline).load_state_dict(state)
        return model.baseline.eval()


def length_at(vectors: Tensor, visible: Tensor, labels: Tensor) -> Iterator[tuple[str, float, int]]:
    """Of vectors (2, h, w), summed inside of masks and in the background, with the number of cells."""
    length = vectors.norm(dim=0)
    for place, cells in (("in", visible & (labels > 0)), ("bg", visible & (labels == 0))):
        yield place, float(length[cells].sum()), int(cells.sum())


def measure(benchmark: Layers, scenes: int, baseline: Baseline) -> dict[tuple[str, ...], float]:
    """Means by (masks, similarity, stages, flow, place); ("motion", flow, place) are those of the true motion."""
    sums: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0])

    def add(key: tuple[str, ...], vectors: Tensor, visible: Tensor, labels: Tensor) -> None:
        for place, length, cells in length_at(vectors, visible, labels):
            sums[*key, place][0] += length
            sums[*key, place][1] += cells

    plugins = []
    for choice in CHOICES:
        torch.manual_seed(0)
        plugins.append(HIR(baseline.offers, **choice).eval())
        if choice["stages"] == "L":
            plugins[-1].long_range.register_forward_hook(
                lambda module, given, out: found.update(f01=out[2], f10=out[3])
            )
    found: dict[str, Tensor] = {}
    for triplet in benchmark.test[:scenes]:
        frames = torch.from_numpy(benchmark.read(triplet)).permute(0, 3, 1, 2).float() / 255
        features: Features = baseline.encode(Frames(img0=frames[:1], img1=frames[2:]))
        stride = baseline.offers.stride
        middle = np.arange(features.f0.shape[-1]) * stride + stride // 2
        truth = benchmark.truth(triplet)

        def at(name: str, truth: Truth = truth, middle: NDArray[np.int64] = middle) -> Tensor:
            array = getattr(truth, name)[..., middle[:, None], middle]
            return torch.from_numpy(array.astype(np.int64) if array.dtype == np.uint16 else array)

        labels = at("labels")
        sides = {"f01": ("flow01", "visible01", 0), "f10": ("flow10", "visible10", 2)}
        sides |= {"t0": ("flow_t0", "visible_t0", 1), "t1": ("flow_t1", "visible_t1", 1)}
        for name, (flow, visible, frame) in sides.items():
            add(("motion", "0-1" if name[0] == "f" else "t"), at(flow), at(visible), labels[frame])
        for masks, maps in (("truth", truth.labels), ("zeros", np.zeros_like(truth.labels))):
            regions = Regions.of(maps[:1], maps[2:], features.f0.shape[-2:])
            for plugin, choice in zip(plugins, CHOICES, strict=True):
                found.clear()
                prior = plugin(features, regions, torch.full((1, 1, 1, 1), triplet.t))
                found |= {"t0": prior.attended_t0, "t1": prior.attended_t1}
                for name, got in found.items():
                    flow, visible, frame = sides[name]
                    key = (masks, choice["similarity"], choice["stages"], "0-1" if name[0] == "f" else "t")
                    add(key, stride * got[0] - at(flow), at(visible), labels[frame])
    return {key: total / max(cells, 1) for key, (total, cells) in sums.items()}


def main(weights: str, scenes: int = 16) -> None:
    torch.set_num_threads(1)
    baseline = baseline_of(weights)
    kinds = [("0-1", "L"), ("t", "L"), ("t", "LS")]
    heads = [f"{flow} {stages}, {place}" for flow, stages in kinds for place in ("in", "bg")]
    print("| frames | masks | similarity | " + " | ".join(heads) + " |")
    print("|---|---|---|" + "---:|" * len(heads))
    for name, benchmark in SETS.items():
        means = measure(benchmark, scenes if benchmark.size < 512 else scenes // 2, baseline)
        lines = [("", "true motion", [means["motion", flow, at] for flow, _ in kinds for at in ("in", "bg")])]
        for masks in ("truth", "zeros"):
            for similarity in SIMILARITIES:
                columns = [means[masks, similarity, kind, flow, at] for flow, kind in kinds for at in ("in", "bg")]
                lines.append((masks, similarity, columns))
        for masks, similarity, columns in lines:
            print(f"| {name} | {masks} | {similarity} | " + " | ".join(f"{x:.1f}" for x in columns) + " |", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main(sys.argv[1], *map(int, sys.argv[2:]))
