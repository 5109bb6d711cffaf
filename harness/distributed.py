"""Several processes that train one model together, one a device, on one machine or many, as torchrun starts them.

Each has the whole model and takes its share of every batch. After the backward pass the gradients are added up as one
vector. Not DistributedDataParallel: one sum in one order is easy to follow, and parameters that a step does not use,
which masks decide, need no care. What is given up is the overlap of that sum with the backward pass.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from harness.errors import HarnessError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(hours=1)  # the longest that others wait while one of them works alone

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process, `rank` of the `size` that train together, and the device that it computes on.

    Rank 0 writes the files. All must call the same methods in the same order; alone, nothing is sent. Where another
    process is gone, they raise HarnessError on rank 0 and SystemExit elsewhere, so that it is said once.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files and tells observers."""
        return self.rank == 0

    def any_of(self, flags: Sequence[bool]) -> list[bool]:
        """Each flag: whether any process has it set. Over the hosts, so that no GPU is waited for."""
        if self.size == 1:
            return list(flags)
        votes = torch.tensor(flags, dtype=torch.uint8)
        with self._reaching_all():
            dist.all_reduce(votes, op=dist.ReduceOp.MAX)
        return [vote > 0 for vote in votes.tolist()]

    def sum_gradients(self, parameters: Sequence[nn.Parameter], losses: Tensor) -> Tensor:
        """Add up the parameters' gradients over all processes, in place, and return `losses` (N,), added up alike.

        A parameter that no process used keeps no gradient: the optimiser passes it over, as it does for one process.
        """
        if self.size == 1:
            return losses
        used = self.any_of([parameter.grad is not None for parameter in parameters])
        gradients = []
        for parameter, anywhere in zip(parameters, used, strict=True):
            if anywhere:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                gradients.append(parameter.grad)
        flat = torch.cat([losses, *(gradient.flatten() for gradient in gradients)])
        with self._reaching_all():
            dist.all_reduce(flat)
        losses, *sums = torch.split(flat, [len(losses), *(gradient.numel() for gradient in gradients)])
        # copied, since the optimiser needs gradients that lie in memory as their parameters do
        if gradients:
            torch._foreach_copy_(gradients, [s.view(g.shape) for s, g in zip(sums, gradients, strict=True)])
        return losses

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, the one process that calls it. The others wait for it."""
        box: list[Any] = [make() if self.rank == 0 else None]
        if self.size > 1:
            with self._reaching_all():
                dist.broadcast_object_list(box, src=0)
        made: T = box[0]
        return made

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Raises HarnessError, as everywhere here, naming the first fact that is not the same in all processes."""
        if self.size == 1:
            return
        everyone: list[Any] = [None] * self.size
        with self._reaching_all():
            dist.all_gather_object(everyone, dict(facts))
        for rank, theirs in enumerate(everyone):
            for name in everyone[0].keys() | theirs.keys():
                if everyone[0].get(name) != theirs.get(name):
                    raise self.error(
                        f"process {rank} of {self.size} differs from process 0 in {name}: the same code, data and "
                        "recipe are needed on all machines"
                    )

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Every `size`-th item, from this rank on: what this process has to do of them."""
        return items[self.rank :: self.size]

    def gather(self, done: Sequence[T]) -> list[T]:
        """On rank 0 what all have made of their `share`, in the order of the items; elsewhere nothing."""
        if self.size == 1:
            return list(done)
        shares: list[Any] | None = [None] * self.size if self.rank == 0 else None
        with self._reaching_all():
            dist.gather_object(list(done), shares, dst=0)
        items: list[Any] = [None] * sum(map(len, shares or []))
        for rank, share in enumerate(shares or []):
            items[rank :: self.size] = share
        return items

    def error(self, line: str) -> BaseException:
        """To raise where all processes find the same thing wrong: rank 0 says it, the others only leave."""
        return HarnessError(line) if self.rank == 0 else SystemExit(2)

    @contextmanager
    def _reaching_all(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise self.error(
                "another process of this training ended or cannot be reached; what was saved is kept, and the same "
                "command goes on from there"
            ) from error


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The world that torchrun, or whoever set its environment variables, has started this process in; or it alone.

    On GPUs each process takes the one numbered LOCAL_RANK. Gradients travel by NCCL there, all else by gloo.
    Raises HarnessError where variables are missing, GPUs too few, or the others do not come.
    """
    if "RANK" not in os.environ:
        yield World(0, 1, device)
        return
    rank, size, local, address, port = _variables()
    world = World(rank, size, device)
    if device.type == "cuda":
        here = int(os.environ.get("LOCAL_WORLD_SIZE", local + 1))
        if here > torch.cuda.device_count():
            raise world.error(f"{here} processes need as many GPUs, and this machine has {torch.cuda.device_count()}")
        world = World(rank, size, torch.device("cuda", local))
        torch.cuda.set_device(world.device)
    if size == 1:
        yield world
        return
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise world.error(f"the {size} processes of this training do not meet at {address}:{port}: {error}") from error
    # after an error the group is left as it is: to take it down would be to wait for the others
    yield world
    world.any_of([False])
    dist.destroy_process_group()


def hashes(state: Mapping[str, Tensor]) -> dict[str, str]:
    """A hash of every bit of each tensor."""
    return {name: _hash(value) for name, value in state.items()}


def _hash(value: Tensor) -> str:
    return hashlib.sha256(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data).hexdigest()


def _variables() -> tuple[int, int, int, str, str]:
    """VARIABLES, the first three as numbers."""
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise HarnessError(f"RANK is set but {', '.join(missing)} not: start with torchrun, or with --devices N alone")
    values = [os.environ[name] for name in VARIABLES]
    if not all(value.isdigit() for value in values[:3]) or int(values[0]) >= int(values[1]):
        raise HarnessError(
            f"RANK={values[0]}, WORLD_SIZE={values[1]}, LOCAL_RANK={values[2]}: expected numbers, RANK below WORLD_SIZE"
        )
    return int(values[0]), int(values[1]), int(values[2]), values[3], values[4]
