"""The arithmetic of this machine: what of processor, libraries, settings and variables can move a bit of a number."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch

from harness.errors import HarnessError
from harness.measure.processor import processor

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "cpu": {
        "ONEDNN_*": "oneDNN's convolutions and products: precision, instruction set, primitives",
        "DNNL_*": "the same by its former name",
        "MKL_*": "MKL's products and transforms: threads, instruction set, reproducibility",
        "OMP_NUM_THREADS": "in how many parts sums are taken, by torch, OpenBLAS and scikit-image",
        "OMP_DYNAMIC": "whether that number changes with the load",
        "OPENBLAS_*": "numpy's and scipy's products: threads, and the kernels by name of a processor",
        "ATEN_CPU_CAPABILITY": "the instruction set of torch's own kernels",
        "NPY_DISABLE_CPU_FEATURES": "the instruction set of numpy's kernels",
        "NPY_ENABLE_CPU_FEATURES": "the same",
    },
    "cuda": {
        "NVIDIA_TF32_OVERRIDE": "whether a GPU may round float32 to 10 bits, whatever torch says",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "the same of products, read by torch as it starts",
        "CUBLAS_*": "workspace and emulation of products: CUBLAS_WORKSPACE_CONFIG decides whether they repeat",
        "CUBLASLT_*": "the same",
        "CUDNN_*": "which convolutions are taken",
        "TORCH_CUDNN_*": "the same, by torch",
        "DISABLE_ADDMM_CUDA_LT": "which library torch's products with a bias go to",
    },
}
"""Variables that change what comes out where the network is on such a device, and what of."""

_SAYS_ONLY = ("_VERBOSE", "_VERBOSE_TIMESTAMP", "_LOGLEVEL_DBG", "_LOGDEST_DBG")  # such as ONEDNN_VERBOSE

FLOAT32_MODE = ("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE")
"""Variables by which oneDNN computes with fewer bits what is called float32, on all arms and without a word."""


def check_float32() -> None:
    """Raises HarnessError where a variable makes float32 less than it is said to be in every table."""
    for name in FLOAT32_MODE:
        value = os.environ.get(name, "").strip()
        if value.upper() not in ("", "STRICT"):
            raise HarnessError(
                f"{name}={value}: float32 would be computed with fewer bits in silence: unset it, or set it to STRICT "
                "(a recipe's precision is the place to ask for fewer)"
            )


def arithmetic(device: torch.device) -> dict[str, Any]:
    """Processor or GPU, threads, float32's precision by library, and each of the device's VARIABLES that is set.

    The processor, its threads and its variables count where it runs the network. Beside a GPU it gives label maps and
    frames alone, and the hosts of equal GPUs may differ.
    """
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else processor(),
        "instructions": None if cuda else torch.backends.cpu.get_cpu_capability(),
        "threads": None if cuda else [torch.get_num_threads(), torch.get_num_interop_threads()],
        "float32": _float32(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if any(fnmatchcase(name, known) for known in VARIABLES[device.type]) and not name.endswith(_SAYS_ONLY)
        },
    }


def decoder() -> dict[str, str]:
    """Versions of PyAV and of the FFmpeg libraries that it is linked with."""
    import av

    linked = {name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())}
    return {"av": av.__version__, **linked}


def _float32() -> dict[str, str]:
    """How torch rounds inside of float32's products and convolutions, by library and operation."""
    found = {
        name: _precision(name)
        for name in ("mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn", "cuda.matmul", "cudnn.conv", "cudnn.rnn")
    }
    try:
        found["matmul"] = torch.get_float32_matmul_precision()
    except RuntimeError:  # torch tells only the above once these have been set one by one
        found["matmul"] = "by library"
    return found


def _precision(name: str) -> str:
    """What holds for an operation: its own setting, its library's, that of all; before torch 2.9 there are none."""
    library, _, operation = name.partition(".")
    place: Any = getattr(torch.backends, library)
    for each in (getattr(place, operation, None), place, torch.backends):
        if (value := str(getattr(each, "fp32_precision", "none"))) != "none":
            return value
    return "ieee"
