"""Swin Transformer as transformers builds it, with weights under the names of Microsoft's implementation."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

RENAMED = (  # ours, theirs: pieces of a parameter's name, in the order in which they are replaced
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("embeddings.norm.", "patch_embed.norm."),
    ("encoder.layers.", "layers."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    (".attention.relative_position_bias.", ".attn."),
    (".attention.o_proj.", ".attn.proj."),
    (".attention.q_proj.", ".attn.qkv."),
    (".attention.k_proj.", ".attn.qkv."),
    (".attention.v_proj.", ".attn.qkv."),
    ("layernorm.", "norm."),
)
FUSED = ("q_proj", "k_proj", "v_proj")  # theirs is one matrix: queries above keys above values
BUFFERS = (".relative_position_index", ".attn_mask")  # follow from the architecture


def official_name(name: str) -> str:
    """`encoder.layers.0.blocks.1.attention.k_proj.bias` -> `layers.0.blocks.1.attn.qkv.bias`."""
    for ours, theirs in RENAMED:
        name = name.replace(ours, theirs)
    return name


def official_part(name: str, value: Tensor) -> Tensor:
    """What belongs to our parameter `name` of the tensor under its official name: of qkv (3C, ...) a third."""
    for third, piece in enumerate(FUSED):
        if f".{piece}." in name:
            return value.chunk(3)[third]
    return value


def architecture(state: Mapping[str, Tensor]) -> dict[str, object]:
    """The arguments of `SwinConfig`, read off the shapes of an official state dict.

    The side of the image is 32 windows' cells, as in every official model: 384 for a window of 12, 224 for 7.
    Raises KeyError naming the parameter that is missing.
    """
    depths: list[int] = []
    while f"layers.{len(depths)}.blocks.0.norm1.weight" in state:
        stage, depth = f"layers.{len(depths)}.blocks", 0
        while f"{stage}.{depth}.norm1.weight" in state:
            depth += 1
        depths.append(depth)
    first = state["layers.0.blocks.0.attn.relative_position_bias_table"]
    window = (round(first.shape[0] ** 0.5) + 1) // 2
    tables = [state[f"layers.{i}.blocks.0.attn.relative_position_bias_table"] for i in range(len(depths))]
    width = state["patch_embed.proj.weight"].shape[0]
    return {
        "image_size": 32 * window,
        "patch_size": state["patch_embed.proj.weight"].shape[-1],
        "window_size": window,
        "embed_dim": width,
        "depths": depths,
        "num_heads": [table.shape[1] for table in tables],
        "mlp_ratio": state["layers.0.blocks.0.mlp.fc1.weight"].shape[0] / width,
    }
