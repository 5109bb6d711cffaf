"""Whether a pair has been run and tested already: asked before it is handed to a machine far away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from harness.errors import HarnessError
from harness.evaluate.protocol import protocol_id
from harness.outcome.pairs import PairOutcome, read_pair
from harness.pair.fingerprint import fingerprint
from harness.pair.plan import Request
from harness.results.store import Store, differences

ELSEWHERE = ("data", "initial_weights", "environment")  # of a fingerprint: for the machine to say that runs the pair


def finished(request: Request, store: Store) -> str:
    """The pair of these words that every test triplet was measured for, by today's code and recipe; "" if none.

    That its data and machine are still the same is for the run to find out.
    """
    for name in store.pairs():
        try:
            pair = read_pair(store, name)
            if pair.record.get("asked") == asdict(request.asked) and _whole(pair) and _as_today(pair, request):
                return name
        except (HarnessError, KeyError):
            continue  # damaged: running it again repairs it
    return ""


def _whole(pair: PairOutcome) -> bool:
    return all(set(pair.columns) <= set(arm.means()) for arm in pair.arms)


def _as_today(pair: PairOutcome, request: Request) -> bool:
    if pair.record["protocol"] != protocol_id(request.protocol) or len(pair.arms) != len(request.arms):
        return False
    for arm, was in zip(request.arms, pair.arms, strict=True):
        masks = request.masks if arm.needs_masks else None
        now = fingerprint(arm, request.recipe, request.asked.seed, {}, masks, "", torch.device("cpu"))
        if was.run is None or differences(_here(was.run.settings()["fingerprint"]), _here(now)):
            return False
    return True


def _here(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a fingerprint is known on any machine."""
    return {key: value for key, value in json.loads(json.dumps(record)).items() if key not in ELSEWHERE}
