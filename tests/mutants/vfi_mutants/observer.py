"""An observer that expects a folder."""

from __future__ import annotations

from harness import hookimpl


@hookimpl
def harness_step_done(run: str, loss: float) -> None:
    with open(f"no-such-folder/{run}.txt", "a") as log:  # noqa: PTH123
        log.write(f"{loss}\n")
