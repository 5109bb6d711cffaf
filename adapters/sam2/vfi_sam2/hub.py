"""Models of the transformers library from a folder on disk; nothing is downloaded, and no code in it is run."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from harness import HarnessError
from harness.model import import_torchvision


def import_transformers() -> Any:
    """The library, which imports torchvision where there is one. It takes seconds: call this when it is needed."""
    with suppress(ImportError):  # no torchvision: nothing here needs it
        import_torchvision()
    return importlib.import_module("transformers")


def load_model(kind: str, folder: Path, device: str) -> Any:
    """The model of class `kind` with the safetensors weights of a folder, in 32-bit floats and evaluation mode.

    Raises HarnessError where the folder is none, does not hold that model, or lacks any of its weights.
    """
    if not list(folder.glob("*.safetensors")):
        raise HarnessError(f"{folder}: no folder with a model.safetensors in it")
    transformers = import_transformers()
    options = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
    try:
        with quiet(transformers.utils.logging):
            model, found = getattr(transformers, kind).from_pretrained(folder, **options)
    except Exception as error:  # a damaged folder makes the library raise nearly anything
        reason = str(error).partition("\n")[0]
        raise HarnessError(f"{folder}: cannot be loaded as {kind}: {reason}") from error
    lacking = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
    if lacking:
        raise HarnessError(f"{folder}: not weights of {kind}: {', '.join(lacking[:3])} missing or of another shape")
    return model.eval().to(device)


@contextmanager
def quiet(logging: Any) -> Iterator[None]:
    """Without the library's progress bars and warnings: what matters of them is checked, and raised."""
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def device_or_default(device: str) -> str:
    """`device`, or where that is empty, the GPU if there is one."""
    return device or ("cuda" if torch.cuda.is_available() else "cpu")
