"""The connection to a Ray cluster, or to a Ray of this machine alone."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harness import HarnessError

PATIENCE = 5.0  # seconds to wait for an answer from an address; Ray itself waits for minutes
STORE = 80 * 2**20  # bytes of memory for objects that tasks share: these share none
KINDS = ("GPU", "CPU")  # of resources, as Ray calls them
ADDRESS = re.compile(r"auto|local|([^\s:/]+):([0-9]{1,5})")


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected; a connection that this process has already is used, and left as it is.

    Raises HarnessError where there is no Ray: none installed, none at the address.
    """
    found = ADDRESS.fullmatch(address)
    if not found:
        raise HarnessError(f"ray: address={address}: expected auto, local or HOST:PORT")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read as it is imported; else it reports to its makers
    try:
        import ray
    except ImportError as error:
        raise HarnessError(f"--launcher ray needs Ray ({error}): pip install vfi-ray") from None
    if ray.is_initialized():
        yield ray
        return
    if found[1]:
        _try(found[1], int(found[2]))
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE} if address == "local" else {}
    try:
        with _handlers_kept():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # of many kinds
        said = str(error).strip().splitlines()[-1:] or [type(error).__name__]  # a cause has a traceback before it
        raise HarnessError(f"ray: address={address}: {said[0].strip()}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _try(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise HarnessError(f"ray: address={host}:{port}: nobody answers there ({error})") from error


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself: a suite that is told to stop would end without telling its jobs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_room(nodes: list[Mapping[str, Any]], gpus: int, cpus: int) -> None:
    """Raises HarnessError where no node of Ray could ever run a job: it would be kept waiting."""
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    if not any(has.get("GPU", 0) >= gpus and has.get("CPU", 0) >= cpus for has in resources):
        most = " and ".join(f"{int(max((has.get(kind, 0) for has in resources), default=0))} {kind}s" for kind in KINDS)
        raise HarnessError(
            f"ray: no machine of it has {gpus} GPUs and {cpus} CPUs for a job, but at most {most}; "
            "say what a job may have, as in ray:gpus=0,cpus=2"
        )
