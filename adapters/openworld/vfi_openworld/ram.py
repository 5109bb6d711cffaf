"""Recognize Anything, RAM and RAM++: which of a fixed list of tags hold for an image.

Zhang et al., arXiv:2306.03514, and Huang et al., arXiv:2310.15200. Every tag is a query that attends to the image; no
tag sees another. Official checkpoints load as they are; what they hold for captions is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness import HarnessError
from harness.weights import read_state
from vfi_openworld import swin
from vfi_openworld.hub import import_transformers

HEADS = 4
EPSILON = 1e-12  # of the head's normalisations, as in BERT
GROUPS = ("visual_encoder", "image_proj", "label_embed", "reweight_scale", "wordvec_proj", "tagging_head", "fc")
CAPTIONING = ("tag_encoder", "text_decoder")
OLD_HEAD = "vision_multi."
UNUSED = "tagging_head.embeddings."  # of words, where tags come as vectors
LAYER = "tagging_head.encoder.layer."
RENAMED = (  # ours, theirs, in a layer of the head
    (".query.", ".crossattention.self.query."),
    (".key.", ".crossattention.self.key."),
    (".value.", ".crossattention.self.value."),
    (".attended.", ".crossattention.output.dense."),
    (".attended_norm.", ".crossattention.output.LayerNorm."),
    (".expand.", ".intermediate.dense."),
    (".reduce.", ".output.dense."),
    (".reduce_norm.", ".output.LayerNorm."),
)


log = logging.getLogger(__name__)


class Layer(nn.Module):
    """Cross-attention from tags to the image and a feed-forward network, each with its normalisation after it."""

    def __init__(self, width: int, image_width: int, inner: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, width) for size in (width, image_width, image_width))
        self.attended, self.attended_norm = nn.Linear(width, width), nn.LayerNorm(width, EPSILON)
        self.expand, self.reduce = nn.Linear(width, inner), nn.Linear(inner, width)
        self.reduce_norm = nn.LayerNorm(width, EPSILON)

    def forward(self, tags: Tensor, image: Tensor) -> Tensor:
        """Tags (B, T, width), image (B, N, image_width) -> tags."""
        query, key, value = (
            projected.unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for projected in (self.query(tags), self.key(image), self.value(image))
        )
        found = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tags = self.attended_norm(tags + self.attended(found))
        normed: Tensor = self.reduce_norm(tags + self.reduce(F.gelu(self.expand(tags))))
        return normed


class RecognizeAnything(nn.Module):
    """Image -> logit of every tag. Its shape is that of the official state dict that it is built for.

    `label_embed` has one row a tag (RAM), or as many for each as it has descriptions (RAM++).
    """

    def __init__(self, state: Mapping[str, Tensor], tags: int) -> None:
        super().__init__()
        transformers = import_transformers()
        prefix = "visual_encoder."
        encoder = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        config = transformers.SwinConfig(**swin.architecture(encoder))
        self.side: int = config.image_size
        self.visual_encoder = transformers.SwinModel(config, add_pooling_layer=False)
        width, image_width = state["wordvec_proj.weight"].shape
        inner = state[f"{LAYER}0.intermediate.dense.weight"].shape[0]
        layers = sum(name.startswith(LAYER) and name.endswith(".intermediate.dense.weight") for name in state)
        self.image_proj = nn.Linear(state["image_proj.weight"].shape[1], image_width)
        self.label_embed = nn.Parameter(torch.empty_like(state["label_embed"]))
        self.reweight_scale = nn.Parameter(torch.empty(())) if len(self.label_embed) != tags else None
        self.wordvec_proj = nn.Linear(image_width, width)
        self.layers = nn.ModuleList(Layer(width, image_width, inner) for _ in range(layers))
        self.fc = nn.Linear(width, 1)
        self.tags = tags

    def forward(self, image: Tensor) -> Tensor:
        """Image (B, 3, side, side), RGB less the ImageNet mean, over its deviation -> logits (B, tags)."""
        cells = self.visual_encoder(image).last_hidden_state
        image = self.image_proj(torch.cat([cells.mean(1, keepdim=True), cells], 1))
        tags = F.relu(self.wordvec_proj(self.embedded(image[:, 0])))
        for layer in self.layers:
            tags = layer(tags, image)
        logits: Tensor = self.fc(tags).squeeze(-1)
        return logits

    def embedded(self, summary: Tensor) -> Tensor:
        """The embedding (B, tags, C) of every tag; of RAM++ the mean of its descriptions, weighed by how near each is
        to the summary (B, C) of the image."""
        if self.reweight_scale is None:
            return self.label_embed.expand(len(summary), -1, -1)
        described = self.label_embed.view(self.tags, -1, self.label_embed.shape[1])
        near = torch.einsum("bc,tdc->btd", F.normalize(summary, dim=-1), described)
        return torch.einsum("btd,tdc->btc", (self.reweight_scale.exp() * near).softmax(-1), described)


def load(path: Path, tags: int) -> RecognizeAnything:
    """A network with the weights of an official checkpoint file, in evaluation mode.

    Raises HarnessError where the file cannot be loaded safely, naming parameters that are missing, of another shape
    or unknown, and where it is for another number of tags.
    """
    state = _tagging(read_state(path), path)
    try:
        rows = len(state["label_embed"])
        if rows % tags:
            raise HarnessError(f"{path}: is for {rows} tags or descriptions of tags; the list of tags has {tags}")
        network = RecognizeAnything(state, tags)
    except (KeyError, ValueError, TypeError, RuntimeError, ArithmeticError, IndexError) as error:
        raise HarnessError(f"{path}: not a RAM checkpoint: {_named(error)}") from error
    network.load_state_dict(_translated(network, state, path))
    return network.eval()


def official_name(name: str) -> str:
    """Of one of our parameters in an official checkpoint."""
    if name.startswith("visual_encoder."):
        return "visual_encoder." + swin.official_name(name.removeprefix("visual_encoder."))
    if name.startswith("layers."):
        name = LAYER + name.removeprefix("layers.")
        for ours, theirs in RENAMED:
            if ours in name:
                return name.replace(ours, theirs)
    return name


def _tagging(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """What has to do with tagging, under today's names, as 32-bit floats."""
    named = {name.replace(OLD_HEAD, "tagging_head."): value for name, value in state.items()}
    groups = {name: name.partition(".")[0] for name in named}
    foreign = sorted(set(groups.values()).difference(GROUPS, CAPTIONING))
    if foreign:
        log.warning("%s: not needed for tagging and left out: %s", path, ", ".join(foreign[:10]))
    return {
        name: value.float()
        for name, value in named.items()
        if groups[name] in GROUPS and not name.startswith(UNUSED) and not name.endswith(swin.BUFFERS)
    }


def _translated(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """All of the state, under our names. Raises HarnessError with the official names that differ."""
    own, translated = network.state_dict(), {}
    wrong = [f"{name} (unknown)" for name in sorted(state.keys() - {official_name(name) for name in own})]
    for name, parameter in own.items():
        official = official_name(name)
        value = swin.official_part(name, state[official]) if official in state else None
        if value is None or value.shape != parameter.shape:
            wrong.append(f"{official} ({'missing' if value is None else 'another shape'})")
        else:
            translated[name] = value
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise HarnessError(f"{path}: not a RAM checkpoint: {', '.join(wrong[:3])}{more}")
    return translated


def _named(error: Any) -> str:
    return f"{error.args[0]} (missing)" if isinstance(error, KeyError) else str(error).partition("\n")[0]
