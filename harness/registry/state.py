"""State that a process has once, and that an adapter may have changed without saying so. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError


@dataclass(frozen=True)
class Setting:
    """One piece of it: what it is called, in which module, and how it is read and put back."""

    words: str
    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]


def _precision(torch: Any) -> str:
    try:
        return str(torch.get_float32_matmul_precision())
    except RuntimeError:  # set by another interface, one backend at a time
        return "mixed"


def _set(module: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(module, name, value)


MODES = (
    Setting("torch's default dtype", "torch", lambda m: m.get_default_dtype(), lambda m, x: m.set_default_dtype(x)),
    Setting("torch's gradient mode", "torch", lambda m: m.is_grad_enabled(), lambda m, x: m.set_grad_enabled(x)),
    Setting("torch's number of threads", "torch", lambda m: m.get_num_threads(), lambda m, x: m.set_num_threads(x)),
    Setting(
        "torch's deterministic mode",
        "torch",
        lambda m: (m.are_deterministic_algorithms_enabled(), m.is_deterministic_algorithms_warn_only_enabled()),
        lambda m, x: m.use_deterministic_algorithms(x[0], warn_only=x[1]),
    ),
    Setting(
        "torch's precision of float32 products",
        "torch",
        _precision,
        lambda m, x: None if x == "mixed" else m.set_float32_matmul_precision(x),
    ),
    Setting(
        "cuDNN's flags",
        "torch",
        lambda m: {name: getattr(m.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")},
        lambda m, x: _set(m.backends.cudnn, x),
    ),
)
"""How numbers are computed. An import may leave these behind as well as a call."""

DRAWS = (
    Setting("python's random generator", "random", lambda m: m.getstate(), lambda m, x: m.setstate(x)),
    Setting(
        "numpy's global random generator",
        "numpy",
        lambda m: tuple(x.tobytes() if hasattr(x, "tobytes") else x for x in m.random.get_state()),
        lambda m, x: m.random.set_state((x[0], m.frombuffer(x[1], m.uint32), *x[2:])),
    ),
)
"""Where random numbers come from. What is built must not draw from these: a training does not depend on them."""

WEIGHTS = (
    Setting(
        "torch's global random generator",
        "torch",
        lambda m: m.get_rng_state().numpy().tobytes(),
        lambda m, x: m.set_rng_state(m.frombuffer(bytearray(x), dtype=m.uint8)),
    ),
)
"""What the weights of a module are drawn from, which it may move."""


@contextmanager
def kept(settings: tuple[Setting, ...], blame: Callable[[str], HarnessError]) -> Iterator[None]:
    """Puts back what is changed inside, and raises `blame(what is left behind)` for it, unless something else was
    raised. Of a module that is not imported yet nothing can be told."""
    before = [
        (setting, setting.read(module)) for setting in settings if (module := sys.modules.get(setting.module, None))
    ]
    try:
        yield
    finally:
        changed = []
        for setting, value in before:
            module = sys.modules[setting.module]
            if (left := setting.read(module)) != value:
                setting.write(module, value)
                changed.append(_words(setting, value, left))
    if changed:
        raise blame(" and ".join(changed))


def _words(setting: Setting, before: Any, left: Any) -> str:
    if setting in MODES:
        return f"{setting.words} is left at {left}, where it was {before}"
    return f"{setting.words} is left moved"
