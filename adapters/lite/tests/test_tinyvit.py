"""TinyViT against its definition, spelt out slowly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from vfi_lite.tinyvit import Attention, TinyViT, WindowBlock


def slow_attention(attention: Attention, window: int, cells: Tensor) -> Tensor:
    """One window (cells, C), head by head and pair by pair; of a head's three parts of qkv, query, key and value."""
    x = torch.nn.functional.layer_norm(
        cells, cells.shape[-1:], attention.norm.weight, attention.norm.bias, attention.norm.eps
    )
    qkv = x @ attention.qkv.weight.T + attention.qkv.bias
    width = cells.shape[1] // attention.heads
    heads = []
    for head in range(attention.heads):
        q, k, v = qkv[:, 3 * width * head : 3 * width * (head + 1)].split(width, 1)
        scores = q @ k.T / math.sqrt(width)
        for one in range(len(cells)):
            for other in range(len(cells)):
                down, right = abs(one // window - other // window), abs(one % window - other % window)
                scores[one, other] += attention.attention_biases[head, down * window + right]
        heads.append(scores.softmax(1) @ v)
    return torch.cat(heads, 1) @ attention.proj.weight.T + attention.proj.bias


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            buffer.normal_()
    return module.eval()


@torch.no_grad()
def test_attention_is_what_it_is_defined_as() -> None:
    attention = Attention(12, heads=3, window=4)
    randomised(attention)
    windows = torch.randn(2, 16, 12)
    slow = torch.stack([slow_attention(attention, 4, cells) for cells in windows])
    torch.testing.assert_close(attention(windows), slow, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_windows_are_padded_with_zeros_that_take_part() -> None:
    """A map of 5x6 in windows of 4: the lower right one holds 1x2 cells of the map and 14 zeros."""
    block = WindowBlock(12, heads=3, window=4)
    randomised(block)
    x = torch.randn(1, 12, 5, 6)
    attended = block._attended(x)
    window = torch.zeros(4, 4, 12)
    window[:1, :2] = x[0, :, 4:, 4:].permute(1, 2, 0)
    slow = slow_attention(block.attn, 4, window.view(16, 12)).view(4, 4, 12)[:1, :2]
    torch.testing.assert_close(attended[0, :, 4:, 4:].permute(1, 2, 0), slow, atol=1e-4, rtol=1e-4)
    first = slow_attention(block.attn, 4, x[0, :, :4, :4].permute(1, 2, 0).reshape(16, 12)).view(4, 4, 12)
    torch.testing.assert_close(attended[0, :, :4, :4].permute(1, 2, 0), first, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_block_is_attention_convolution_and_mlp() -> None:
    block = WindowBlock(8, heads=2, window=4)
    randomised(block)
    x = torch.randn(1, 8, 8, 8)
    after = block.local_conv(x + block._attended(x))
    cells = after.flatten(2).transpose(1, 2)
    expected = (cells + block.mlp(cells)).transpose(1, 2).view_as(after)
    torch.testing.assert_close(block(x), expected)


def test_the_published_size() -> None:
    with torch.device("meta"):
        encoder = TinyViT()
        embedding = encoder(torch.empty(1, 3, 1024, 1024))
    assert embedding.shape == (1, 256, 64, 64)
    # as counted in mobile_sam.pt, without its classifier
    assert sum(p.numel() for p in encoder.parameters()) == 5_743_892
