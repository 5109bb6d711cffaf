"""How long the three networks of `openworld` take a frame at their published sizes, which weights do not decide.

`python adapters/openworld/tests/time_networks.py [cpu | cuda]` builds them with random weights, and prints Markdown.
RAM, by its backbone alone (195 of its 212 million parameters), sees 384x384; Grounding DINO a 448x256 frame as it is
enlarged for it, 1333x762, and one prompt of 256 tokens; HQ-SAM 1024x1024, and then 16 boxes. What is read from a disk,
resized and compressed beside is not in it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor
from vfi_openworld.hub import import_transformers

SWIN_L = {"image_size": 384, "embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12}
VIT_H = {
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "global_attn_indexes": [7, 15, 23, 31],
    "mlp_dim": 5120,
}


def networks(device: str) -> dict[str, tuple[torch.nn.Module, dict[str, Tensor]]]:
    """Each with what it is given."""
    transformers = import_transformers()
    tokens = torch.full((1, 256), 1012)  # full stops: each ends a phrase
    tokens[:, 0], tokens[:, -1] = 101, 102
    low = torch.rand(1, 16, 2) * 400
    boxes = torch.cat([low, low + 100 + torch.rand(1, 16, 2) * 400], 2)
    built: dict[str, tuple[torch.nn.Module, dict[str, Tensor]]] = {
        "RAM's Swin-L": (
            transformers.SwinModel(transformers.SwinConfig(**SWIN_L)),
            {"pixel_values": torch.rand(1, 3, 384, 384)},
        ),
        "Grounding DINO (Swin-T)": (
            transformers.GroundingDinoForObjectDetection(transformers.GroundingDinoConfig(disable_custom_kernels=True)),
            {"pixel_values": torch.rand(1, 3, 762, 1333), "input_ids": tokens},
        ),
        "HQ-SAM (ViT-H)": (
            transformers.SamHQModel(
                transformers.SamHQConfig(vision_config=VIT_H, mask_decoder_config={"vit_dim": VIT_H["hidden_size"]})
            ),
            {"pixel_values": torch.rand(1, 3, 1024, 1024), "input_boxes": boxes},
        ),
    }
    return {
        name: (network.eval().to(device), {key: value.to(device) for key, value in given.items()})
        for name, (network, given) in built.items()
    }


def seconds(run: Callable[[], Any], device: str, times: int) -> float:
    """Median, after one run that warms up."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return median(taken[1:])


def main(device: str) -> None:
    rows, total = [], 0.0
    with torch.inference_mode():
        for name, (network, given) in networks(device).items():
            took = seconds(lambda network=network, given=given: network(**given), device, 5 if device == "cuda" else 1)
            total += took
            rows.append([name, f"{sum(p.numel() for p in network.parameters()) / 1e6:.0f}", f"{took:.3f}"])
    rows.append(["together", "", f"{total:.3f}"])
    print(tabulate(rows, ["network", "parameters (M)", "s a frame"], tablefmt="github"))
    print(f"\nTwo frames a pair, each seen once: 51,313 pairs of Vimeo90K take {51_313 * 2 * total / 3600:.1f} h.")
    if device == "cuda":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, float32 without TF32 in products; ", end="")
        print(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB with all three on the card.")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
