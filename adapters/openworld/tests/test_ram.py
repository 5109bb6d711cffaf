"""RAM and RAM++ against a network from first principles, and what their checkpoints may and may not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from vfi_openworld import ram, tagger

from harness import HarnessError

WINDOW = 4
Make = Callable[[int], dict[str, Tensor]]  # the fixture ram_state


def saved(folder: Path, state: dict[str, Tensor], **more: object) -> Path:
    torch.save({"model": state, **more}, folder / "checkpoint.pth")
    return folder / "checkpoint.pth"


@pytest.mark.parametrize("descriptions", [1, 51])
@pytest.mark.parametrize("old_names", [False, True])
def test_an_official_checkpoint_gives_the_logits_of_first_principles(
    tmp_path: Path, ram_state: Make, tags: tuple[str, ...], descriptions: int, old_names: bool
) -> None:
    state = ram_state(descriptions)
    named = {n.replace("tagging_head.", "vision_multi.") if old_names else n: v for n, v in state.items()}
    network = ram.load(saved(tmp_path, named, epoch=3, config={"lr": 0.1}), len(tags))
    image = torch.randn(3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = network(image[None])
        torch.testing.assert_close(network(image[None]), found, rtol=0, atol=0)
    expected = logits(state, image, WINDOW, len(tags))
    assert expected.std() > 0.1  # the tags differ: else a wrong network could pass
    torch.testing.assert_close(found[0], expected, rtol=0, atol=2e-5)


def test_every_parameter_is_what_was_written_under_its_official_name(
    tmp_path: Path, ram_state: Make, tags: tuple[str, ...]
) -> None:
    state = ram_state(51)
    own = ram.load(saved(tmp_path, state), len(tags)).state_dict()
    block, theirs = "visual_encoder.encoder.layers.2.blocks.1", "visual_encoder.layers.2.blocks.1"
    fused = state[f"{theirs}.attn.qkv.weight"]
    for third, piece in enumerate(("q_proj", "k_proj", "v_proj")):
        assert torch.equal(own[f"{block}.attention.{piece}.weight"], fused[third * 32 : third * 32 + 32])
    pairs = {
        f"{block}.layernorm_after.bias": f"{theirs}.norm2.bias",
        f"{block}.attention.o_proj.bias": f"{theirs}.attn.proj.bias",
        "visual_encoder.encoder.layers.0.downsample.norm.bias": "visual_encoder.layers.0.downsample.norm.bias",
        "visual_encoder.layernorm.weight": "visual_encoder.norm.weight",
        "layers.1.attended_norm.weight": "tagging_head.encoder.layer.1.crossattention.output.LayerNorm.weight",
        "layers.0.reduce.bias": "tagging_head.encoder.layer.0.output.dense.bias",
        "reweight_scale": "reweight_scale",
    }
    for ours, official in pairs.items():
        assert torch.equal(own[ours], state[official]), ours
    left_out = ("tag_encoder.", "text_decoder.")
    kept = [v for n, v in state.items() if not n.startswith(left_out) and not n.endswith(("_index", ".attn_mask"))]
    assert sum(v.numel() for v in own.values()) == sum(v.numel() for v in kept)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fc.bias", None, r"fc.bias \(missing\)"),
        ("label_embed", None, r"label_embed \(missing\)"),
        ("visual_encoder.patch_embed.proj.weight", None, r"patch_embed.proj.weight \(missing\)"),
        ("visual_encoder.layers.1.blocks.0.attn.qkv.bias", None, r"layers.1.blocks.0.attn.qkv.bias \(missing\)"),
        ("visual_encoder.layers.0.blocks.0.mlp.fc2.bias", torch.zeros(9), r"mlp.fc2.bias \(another shape\)"),
        ("visual_encoder.layers.0.blocks.0.attn.gate", torch.zeros(9), r"attn.gate \(unknown\)"),
        ("label_embed", torch.zeros(13, 12), "is for 13 tags"),
        ("label_embed", torch.zeros(20, 12), r"reweight_scale \(missing\)"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, ram_state: Make, name: str, change: Tensor | None, message: str) -> None:
    state = ram_state(1)
    state.pop(name, None)
    if change is not None:
        state[name] = change
    path = saved(tmp_path, state)
    with pytest.raises(HarnessError, match=message) as caught:
        ram.load(path, 10)
    assert str(path) in str(caught.value)


def test_what_has_nothing_to_do_with_tagging_is_left_out_and_said(
    tmp_path: Path, ram_state: Make, caplog: pytest.LogCaptureFixture
) -> None:
    ram.load(saved(tmp_path, ram_state(1) | {"momentum.queue": torch.zeros(2)}), 10)
    assert "left out: momentum" in caplog.text


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": Hostile(tmp_path / "run")}, tmp_path / "hostile.pth")
    with pytest.raises(HarnessError, match="not a checkpoint that can be loaded safely"):
        ram.load(tmp_path / "hostile.pth", 10)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", [tagger.Ram, tagger.RamPlus])
def test_tags_are_those_above_their_own_thresholds(
    installed: Path,
    frames: NDArray[np.uint8],
    ram_state: Make,
    tags: tuple[str, ...],
    kind: type[tagger.Ram],
) -> None:
    """By the network from first principles; the tag with threshold 1 never fires."""
    state = ram_state(51 if kind is tagger.RamPlus else 1)
    for frame in (*frames, np.zeros((7, 300, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)):
        expected = logits(state, tagger.prepared(frame, 128)[0], WINDOW, len(tags)).sigmoid()
        limits = [1.0 if tag == tags[-1] else 0.2 for tag in tags]
        fired = [tag for tag, value, limit in zip(tags, expected, limits, strict=True) if value > limit]
        assert kind().tags(frame) == fired
        assert fired
        assert tags[-1] not in fired


def test_a_frame_is_stretched_and_normalised() -> None:
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:] = (255, 0, 51)
    seen = tagger.prepared(frame, 128)
    assert seen.shape == (1, 3, 128, 128)
    expected = torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225])
    torch.testing.assert_close(seen.mean((0, 2, 3)), expected, rtol=1e-5, atol=1e-5)
    assert seen.std((0, 2, 3)).max() < 1e-4
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    assert tagger.prepared(noise, 128).std() < 0.6 * tagger.prepared(noise[:128, :128], 128).std()  # it averages


def test_wrong_lists_are_named(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_WEIGHTS", f"{tmp_path}:{installed}")
    frame = np.zeros((8, 8, 3), np.uint8)
    thresholds = tmp_path / "ram_tag_list_threshold.txt"
    thresholds.write_text("0.5\nhalf\n")
    with pytest.raises(HarnessError, match=r"ram_tag_list_threshold.txt:2: 'half' is no threshold"):
        tagger.Ram().tags(frame)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("HARNESS_WEIGHTS", f"{tmp_path / 'other'}:{installed}")
    (tmp_path / "other" / "ram_tag_list_threshold.txt").write_text("0.5\n")
    with pytest.raises(HarnessError, match=r"has 1 thresholds; .* has 10 tags"):
        tagger.Ram().tags(frame)


def test_absent_weights_are_one_line_with_where_from_and_where_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    with pytest.raises(HarnessError, match=r"ram_tag_list.txt.*github.com/xinyu1205.*HARNESS_WEIGHTS") as caught:
        tagger.Ram().tags(np.zeros((8, 8, 3), np.uint8))
    assert "\n" not in str(caught.value)


def logits(state: Mapping[str, Tensor], image: Tensor, window: int, tags: int, head_heads: int = 4) -> Tensor:
    """RAM and RAM++ from first principles: official names, every sum written out, no windows cut.

    Image (3, S, S) -> logits (tags,)."""
    cells = swin({n.removeprefix("visual_encoder."): v for n, v in state.items()}, image, window)
    image_tokens = _linear(state, "image_proj", torch.cat([cells.mean(0, keepdim=True), cells]))
    described = state["label_embed"].reshape(tags, -1, image_tokens.shape[1])
    if described.shape[1] > 1:
        summary = image_tokens[0] / image_tokens[0].norm()
        weights = (state["reweight_scale"].exp() * (described * summary).sum(-1)).softmax(1)
        described = (weights[..., None] * described).sum(1, keepdim=True)
    x = _linear(state, "wordvec_proj", described[:, 0]).relu()
    for i in range(2):
        layer = f"tagging_head.encoder.layer.{i}"
        attention = f"{layer}.crossattention"
        query = _linear(state, f"{attention}.self.query", x)
        key, value = (_linear(state, f"{attention}.self.{name}", image_tokens) for name in ("key", "value"))
        x = _norm(
            state,
            f"{attention}.output.LayerNorm",
            x + _linear(state, f"{attention}.output.dense", _attention(query, key, value, head_heads, torch.zeros(()))),
            1e-12,
        )
        inner = F.gelu(_linear(state, f"{layer}.intermediate.dense", x))
        x = _norm(state, f"{layer}.output.LayerNorm", x + _linear(state, f"{layer}.output.dense", inner), 1e-12)
    return _linear(state, "fc", x)[:, 0]


def swin(state: Mapping[str, Tensor], image: Tensor, window: int) -> Tensor:
    """Image (3, S, S) -> normalised cells (N, C), in reading order."""
    side = image.shape[1] // 4
    patches = image.reshape(3, side, 4, side, 4).permute(1, 3, 0, 2, 4).reshape(side * side, 48)
    x = patches @ state["patch_embed.proj.weight"].reshape(-1, 48).T + state["patch_embed.proj.bias"]
    x = _norm(state, "patch_embed.norm", x)
    stage = 0
    while f"layers.{stage}.blocks.0.norm1.weight" in state:
        block = 0
        while f"layers.{stage}.blocks.{block}.norm1.weight" in state:
            shift = window // 2 if block % 2 and side > window else 0
            x = _block(state, f"layers.{stage}.blocks.{block}", x, side, window, shift)
            block += 1
        merge = f"layers.{stage}.downsample"
        if f"{merge}.norm.weight" in state:
            grid = x.reshape(side, side, -1)
            corners = [grid[row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
            side //= 2
            joined = _norm(state, f"{merge}.norm", torch.cat(corners, -1).reshape(side * side, -1))
            x = joined @ state[f"{merge}.reduction.weight"].T
        stage += 1
    return _norm(state, "norm", x)


def _block(state: Mapping[str, Tensor], name: str, x: Tensor, side: int, window: int, shift: int) -> Tensor:
    y, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    place = torch.stack([y.flatten(), column.flatten()], 1)
    moved = (place - shift) % side
    wrapped = place < shift
    together = ((moved[:, None] // window == moved // window) & (wrapped[:, None] == wrapped)).all(-1)
    apart = (moved[:, None] - moved + window - 1).clamp(0, 2 * window - 2)
    bias = state[f"{name}.attn.relative_position_bias_table"][apart[..., 0] * (2 * window - 1) + apart[..., 1]]
    bias = bias.permute(2, 0, 1).masked_fill(~together, -torch.inf)
    normed = _norm(state, f"{name}.norm1", x)
    width = x.shape[1]
    weight, offset = state[f"{name}.attn.qkv.weight"], state[f"{name}.attn.qkv.bias"]
    query, key, value = (
        normed @ weight[i * width : (i + 1) * width].T + offset[i * width : (i + 1) * width] for i in range(3)
    )
    x = x + _linear(state, f"{name}.attn.proj", _attention(query, key, value, len(bias), bias))
    inner = F.gelu(_linear(state, f"{name}.mlp.fc1", _norm(state, f"{name}.norm2", x)))
    return x + _linear(state, f"{name}.mlp.fc2", inner)


def _attention(query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor) -> Tensor:
    size = query.shape[1] // heads
    q, k, v = (t.reshape(len(t), heads, size).transpose(0, 1) for t in (query, key, value))
    weights = (q @ k.transpose(1, 2) / size**0.5 + bias).softmax(-1)
    mixed: Tensor = (weights @ v).transpose(0, 1).reshape(len(query), -1)
    return mixed


def _linear(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _norm(state: Mapping[str, Tensor], name: str, x: Tensor, epsilon: float = 1e-5) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + epsilon).sqrt()
    return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]
