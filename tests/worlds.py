"""Several processes that have joined, each a fork of the test's: gloo on the CPU."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch

from harness.distributed import World, joined


def together(size: int, work: Callable[[World], Any]) -> list[Any]:
    """What `work` returns, or raises, in each of `size` processes that have joined."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(size)]

    def process(rank: int) -> None:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in place.items()})
        try:
            with joined(torch.device("cpu")) as world:
                pipes[rank][1].send(work(world))
        except BaseException as error:  # SystemExit too
            pipes[rank][1].send(error)

    processes = [context.Process(target=process, args=(rank,), daemon=True) for rank in range(size)]
    for started in processes:
        started.start()
    for _, sender in pipes:
        sender.close()
    results = []
    for receiver, _ in pipes:
        try:
            results.append(receiver.recv())
        except EOFError:
            results.append(None)
    for ended in processes:
        ended.join()
    return results
