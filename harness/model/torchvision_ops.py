"""torchvision beside a torch that its compiled operators do not fit.

PyPI's torchvision is compiled for CUDA. Beside a CPU-only torch its library does not load, and the import then
fails, for it describes two operators, `nms` and `qnms`, that nobody has declared. The networks of torchvision.models
need neither. Declaring the two signatures, with no code behind them, is enough for the import; calling one still
raises. Where torchvision imports as it is, nothing is declared.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

SIGNATURES = tuple(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms"))

_declared: list[torch.library.Library] = []  # a library's declarations end with it


def import_torchvision() -> ModuleType:
    """torchvision, imported; where that takes it, with the missing operators declared.

    What imports torchvision for itself, such as transformers, may do so after this. Raises what the import raises for
    any other reason: ImportError where there is no torchvision.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _declared or "torchvision::" not in str(error):
            raise
        _declared.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]
        for signature in SIGNATURES:
            _declared[0].define(signature)  # type: ignore[no-untyped-call]
        return importlib.import_module("torchvision")
