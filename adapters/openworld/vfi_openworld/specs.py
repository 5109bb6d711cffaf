"""The weights that these parts need, and where they come from."""

from __future__ import annotations

from harness import WeightsSpec

RAM = WeightsSpec(
    name="ram",
    file="ram_swin_large_14m.pth",
    summary="Recognize Anything, Swin-L at 384x384",
    source="https://huggingface.co/spaces/xinyu1205/recognize-anything/blob/main/ram_swin_large_14m.pth",
    licence="Apache-2.0",
)
RAM_PLUS = WeightsSpec(
    name="ram-plus",
    file="ram_plus_swin_large_14m.pth",
    summary="Recognize Anything Plus (RAM++), Swin-L at 384x384, 51 descriptions a tag",
    source="https://huggingface.co/xinyu1205/recognize-anything-plus-model",
    licence="Apache-2.0",
)
TAGS = WeightsSpec(
    name="ram-tags",
    file="ram_tag_list.txt",
    summary="the 4,585 tags that RAM and RAM++ know, one a line",
    source="https://github.com/xinyu1205/recognize-anything, folder ram/data",
    licence="Apache-2.0",
)
THRESHOLDS = WeightsSpec(
    name="ram-thresholds",
    file="ram_tag_list_threshold.txt",
    summary="the threshold of each tag, one a line",
    source="https://github.com/xinyu1205/recognize-anything, folder ram/data",
    licence="Apache-2.0",
)
GROUNDING_DINO = WeightsSpec(
    name="grounding-dino",
    file="grounding-dino-tiny",
    summary="Grounding DINO, Swin-T: a folder with config.json, model.safetensors, the tokenizer and the preprocessor",
    source="https://huggingface.co/IDEA-Research/grounding-dino-tiny",
    licence="Apache-2.0",
    hub="IDEA-Research/grounding-dino-tiny",
)
HQ_SAM = WeightsSpec(
    name="hq-sam",
    file="sam-hq-vit-huge",
    summary="HQ-SAM, ViT-H: a folder with config.json, model.safetensors and the preprocessor",
    source="https://huggingface.co/syscv-community/sam-hq-vit-huge",
    licence="Apache-2.0",
    hub="syscv-community/sam-hq-vit-huge",
)
