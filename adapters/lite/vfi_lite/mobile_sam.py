"""MobileSAM: a TinyViT encoder, and SAM's prompt encoder and mask decoder from transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from harness import HarnessError
from harness.masks import Box, Segmenter
from harness.model import import_torchvision
from harness.weights import locate
from vfi_lite.tinyvit import TinyViT
from vfi_lite.weights import MOBILE_SAM

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
AT_ONCE = 16  # boxes that are decoded together
UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")  # of the classifier that TinyViT was trained as
RENAMED = (
    # official name -> name in transformers
    (
        r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$",
        "prompt_encoder.shared_embedding.positional_embedding",
    ),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.0\.", r"\1.proj_in."),
    (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.1\.", r"\1.layers.0."),
    (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.2\.", r"\1.proj_out."),
    (r"^(mask_decoder\.transformer\.layers\.\d+)\.norm(\d)\.", r"\1.layer_norm\2."),
    (r"^mask_decoder\.transformer\.norm_final_attn\.", "mask_decoder.transformer.layer_norm_final_attn."),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large the network is; the defaults are the published one's. `image` is the side of the square it sees."""

    image: int = 1024
    encoder: Mapping[str, Any] = field(default_factory=dict)
    embedding: int = 256
    decoder: Mapping[str, Any] = field(default_factory=dict)


class Sam(nn.Module):
    """Embedding of an image, and masks from it for boxes."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        with suppress(ImportError):  # where there is none, transformers does without
            import_torchvision()
        from transformers.models.sam.configuration_sam import SamConfig, SamMaskDecoderConfig
        from transformers.models.sam.modeling_sam import SamMaskDecoder, SamPromptEncoder

        self.side = size.image
        shape: dict[str, Any] = {"hidden_size": size.embedding}
        prompts = SamConfig(
            vision_config={"num_pos_feats": size.embedding // 2, "image_size": size.image},
            prompt_encoder_config=shape | {"image_size": size.image},
        )
        decoder = SamMaskDecoderConfig(**shape, **size.decoder)
        decoder._attn_implementation = "sdpa"
        self.image_encoder = TinyViT(embedding=size.embedding, **size.encoder)
        self.prompt_encoder = SamPromptEncoder(prompts)
        self.mask_decoder = SamMaskDecoder(decoder)

    def masks(self, embedding: Tensor, boxes: Tensor) -> Tensor:
        """Logits (N, S / 4, S / 4) for boxes (N, 4), as x0, y0, x1, y1 in pixels of the square."""
        sparse, dense = self.prompt_encoder(None, None, boxes[None], None)
        logits, _ = self.mask_decoder(embedding, self._positions(embedding), sparse, dense, multimask_output=False)
        masks: Tensor = logits[0, :, 0]
        return masks

    def _positions(self, embedding: Tensor) -> Tensor:
        side = embedding.shape[-1]
        centres = (torch.arange(side, device=embedding.device) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        encoded: Tensor = self.prompt_encoder.shared_embedding(torch.stack([x, y], -1)[None])
        return encoded.permute(0, 3, 1, 2)


class MobileSam(Segmenter):
    """The mask of what is in a box, one a box.

    weights  the checkpoint, where it is in no known place
    """

    size = Size()

    def __init__(self, *, weights: str = "") -> None:
        self.weights = weights
        self._device = torch.device("cpu")
        self._sam: Sam | None = None

    def to(self, device: str) -> None:
        self._device = torch.device(device)
        if self._sam is not None:
            self._sam.to(self._device)

    @torch.inference_mode()
    def segment(self, image: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.bool_]:
        """Masks (len(boxes), H, W) of an RGB frame (H, W, 3). Raises HarnessError where the weights are not."""
        height, width = image.shape[:2]
        if not boxes:
            return np.zeros((0, height, width), bool)
        sam = self.sam()
        scale = sam.side / max(height, width)
        inner = (int(height * scale + 0.5), int(width * scale + 0.5))
        embedding = sam.image_encoder(squared(image, inner, sam.side).to(self._device))
        stretch = torch.tensor([inner[1] / width, inner[0] / height] * 2)
        corners = (torch.tensor([box.box for box in boxes]) * stretch).to(self._device)
        masks = []
        for some in torch.split(corners, AT_ONCE):
            logits = sam.masks(embedding, some)[:, None]
            square = F.interpolate(logits, (sam.side, sam.side), mode="bilinear", align_corners=False)
            frame = F.interpolate(
                square[:, :, : inner[0], : inner[1]], (height, width), mode="bilinear", align_corners=False
            )
            masks.append((frame[:, 0] > 0).cpu())
        return torch.cat(masks).numpy()

    def sam(self) -> Sam:
        """The network, loaded at the first call."""
        if self._sam is None:
            self._sam = load(locate(MOBILE_SAM, self.weights), self.size).to(self._device)
        return self._sam

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_sam": None}  # each process loads its own


def squared(image: NDArray[np.uint8], inner: tuple[int, int], side: int) -> Tensor:
    """The frame (H, W, 3) resized to `inner` (rows, columns) and normalised, zeros right and below: (1, 3, S, S)."""
    resized = Image.fromarray(image).resize((inner[1], inner[0]), Image.Resampling.BILINEAR)
    pixels = (np.asarray(resized, np.float32) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    square = torch.zeros(1, 3, side, side)
    square[0, :, : inner[0], : inner[1]] = torch.from_numpy(pixels).permute(2, 0, 1)
    return square


def load(path: Path, size: Size) -> Sam:
    """The network with the weights of an official checkpoint, in evaluation mode.

    Raises HarnessError naming the file where it is no such checkpoint; nothing in it is executed.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        named = {renamed(key): value for key, value in state.items() if not key.startswith(UNUSED)}
        sam = Sam(size)
        sam.load_state_dict(named)
    except Exception as error:  # a damaged file makes unpickling raise nearly anything
        reason = " ".join(str(error).split())[:200]
        raise HarnessError(f"{path}: not a checkpoint of MobileSAM: {reason}") from error
    return sam.eval()


def renamed(key: str) -> str:
    """The name in this network of a tensor in the official checkpoint."""
    for pattern, replacement in RENAMED:
        key = re.sub(pattern, replacement, key)
    return key
