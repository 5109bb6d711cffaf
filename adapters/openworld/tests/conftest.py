"""Tiny networks with random weights, on disk in the layout of the official ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from vfi_openworld.hub import import_transformers

WIDTH, WINDOW, DEPTHS, HEADS = 8, 4, (2, 2, 2, 2), (1, 2, 4, 8)  # of the tiny Swin, for images of 128x128
IMAGE_WIDTH, TAG_WIDTH, INNER, LAYERS = 12, 16, 24, 2  # of the tiny head
TAGS = ("ball", "bird", "car", "dog", "grass", "hot dog", "person", "sky", "tree", "zebra")
WORDS = ("ball", "bird", "car", "dog", "grass", "hot", "person", "sky", "tree", "zebra", ",", "-")


def _ram_state(descriptions: int = 1, seed: int = 0) -> dict[str, Tensor]:
    """A state dict under the names that the official checkpoints of RAM, or RAM++, have."""
    draw = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def linear(name: str, rows: int, columns: int, bias: bool = True) -> None:
        state[f"{name}.weight"] = torch.randn(rows, columns, generator=draw) / columns**0.5
        if bias:
            state[f"{name}.bias"] = 0.3 * torch.randn(rows, generator=draw)

    def norm(name: str, width: int) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(width, generator=draw)
        state[f"{name}.bias"] = 0.2 * torch.randn(width, generator=draw)

    state["visual_encoder.patch_embed.proj.weight"] = torch.randn(WIDTH, 3, 4, 4, generator=draw) / 48**0.5
    state["visual_encoder.patch_embed.proj.bias"] = torch.randn(WIDTH, generator=draw)
    norm("visual_encoder.patch_embed.norm", WIDTH)
    for i, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        width = WIDTH * 2**i
        for j in range(depth):
            block = f"visual_encoder.layers.{i}.blocks.{j}"
            norm(f"{block}.norm1", width)
            linear(f"{block}.attn.qkv", 3 * width, width)
            linear(f"{block}.attn.proj", width, width)
            table = torch.randn((2 * WINDOW - 1) ** 2, heads, generator=draw)
            state[f"{block}.attn.relative_position_bias_table"] = table
            state[f"{block}.attn.relative_position_index"] = torch.zeros(WINDOW**2, WINDOW**2, dtype=torch.long)
            state[f"{block}.attn_mask"] = torch.zeros(1, WINDOW**2, WINDOW**2)
            norm(f"{block}.norm2", width)
            linear(f"{block}.mlp.fc1", 4 * width, width)
            linear(f"{block}.mlp.fc2", width, 4 * width)
        if i < len(DEPTHS) - 1:
            norm(f"visual_encoder.layers.{i}.downsample.norm", 4 * width)
            linear(f"visual_encoder.layers.{i}.downsample.reduction", 2 * width, 4 * width, bias=False)
    norm("visual_encoder.norm", 8 * WIDTH)
    linear("image_proj", IMAGE_WIDTH, 8 * WIDTH)
    state["label_embed"] = torch.randn(len(TAGS) * descriptions, IMAGE_WIDTH, generator=draw)
    if descriptions > 1:
        state["reweight_scale"] = torch.tensor(np.log(1 / 0.07), dtype=torch.float32)
    linear("wordvec_proj", TAG_WIDTH, IMAGE_WIDTH)
    linear("fc", 1, TAG_WIDTH)
    for i in range(LAYERS):
        layer = f"tagging_head.encoder.layer.{i}"
        linear(f"{layer}.crossattention.self.query", TAG_WIDTH, TAG_WIDTH)
        linear(f"{layer}.crossattention.self.key", TAG_WIDTH, IMAGE_WIDTH)
        linear(f"{layer}.crossattention.self.value", TAG_WIDTH, IMAGE_WIDTH)
        linear(f"{layer}.crossattention.output.dense", TAG_WIDTH, TAG_WIDTH)
        norm(f"{layer}.crossattention.output.LayerNorm", TAG_WIDTH)
        linear(f"{layer}.intermediate.dense", INNER, TAG_WIDTH)
        linear(f"{layer}.output.dense", TAG_WIDTH, INNER)
        norm(f"{layer}.output.LayerNorm", TAG_WIDTH)
    linear("tag_encoder.encoder.layer.0.output.dense", 4, 4)
    linear("text_decoder.cls.predictions.decoder", 4, 4)
    return state


@pytest.fixture(scope="session")
def ram_state() -> Callable[[int], dict[str, Tensor]]:
    """Makes such a state dict, for so many descriptions a tag."""
    return _ram_state


@pytest.fixture(scope="session")
def tags() -> tuple[str, ...]:
    """What the tiny RAM knows. The last never fires."""
    return TAGS


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them; the networks' random values differ from their usual start, so that masks vary."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save({"model": _ram_state(), "epoch": 3}, folder / "ram_swin_large_14m.pth")
    torch.save({"model": _ram_state(51)}, folder / "ram_plus_swin_large_14m.pth")
    (folder / "ram_tag_list.txt").write_text("\n".join(TAGS) + "\n")
    (folder / "ram_tag_list_threshold.txt").write_text(
        "\n".join("1" if tag == TAGS[-1] else "0.2" for tag in TAGS) + "\n"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _save_grounding_dino(folder / "grounding-dino-tiny")
        _save_hq_sam(folder / "sam-hq-vit-huge")
    return folder


@pytest.fixture
def installed(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where the parts look for weights."""
    monkeypatch.setenv("HARNESS_WEIGHTS", str(weights))
    return weights


@pytest.fixture(scope="session")
def frames() -> NDArray[np.uint8]:
    """Two frames (2, 96, 128, 3) with coloured squares that move."""
    pair = np.random.default_rng(0).integers(0, 60, (2, 96, 128, 3), np.uint8)
    for frame, left in zip(pair, (20, 30), strict=True):
        frame[30:70, left : left + 40] = (220, 40, 20)
    return pair


def _save_grounding_dino(folder: Path) -> None:
    transformers = import_transformers()
    vocabulary = [f"[unused{i}]" for i in range(1100)]
    for place, token in {
        0: "[PAD]",
        100: "[UNK]",
        101: "[CLS]",
        102: "[SEP]",
        103: "[MASK]",
        1012: ".",
        1029: "?",
    }.items():
        vocabulary[place] = token
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary += [*WORDS, *letters, *(f"##{letter}" for letter in letters)]
    backbone = transformers.SwinConfig(
        image_size=64, window_size=4, embed_dim=16, depths=[1] * 4, num_heads=[1, 2, 4, 8], out_indices=[2, 3, 4]
    )
    text = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_queries=20,
        max_text_len=12,
        disable_custom_kernels=True,
    )
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    transformers.BertTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}).save_pretrained(folder)
    transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 128}).save_pretrained(folder)


def _save_hq_sam(folder: Path) -> None:
    transformers = import_transformers()
    config = transformers.SamHQConfig(
        vision_config={
            "hidden_size": 32,
            "output_channels": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "window_size": 2,
            "global_attn_indexes": [0, 1],
            "mlp_dim": 64,
            "num_pos_feats": 16,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 16},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
            "vit_dim": 32,
        },
    )
    model = transformers.SamHQModel(config)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    square = {"height": 64, "width": 64}
    transformers.SamImageProcessorPil(
        size={"longest_edge": 64}, pad_size=square, mask_size={"longest_edge": 64}, mask_pad_size=square
    ).save_pretrained(folder)
