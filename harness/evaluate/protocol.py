"""A protocol: everything besides the weights that moves a metric's second decimal. Data, versioned and hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from harness.catalog import package_hash


@dataclass(frozen=True)
class Protocol:
    """How a network is run on a test triplet and how its frame is measured.

    scale     working scale of the network
    padding   by replication, right and below, to the network's size multiple
    rounding  whether the frame is rounded to 8 bit before it is measured
    ssim      "gaussian-3d": the SSIM of the field's papers, one 11x11x11 window over colour, rows and columns
    """

    name: str
    version: int
    scale: float
    padding: str
    rounding: bool
    ssim: str

    @property
    def id(self) -> str:
        """What each row carries: name, version, and 6 digits of a hash over every field and this package's code."""
        content = json.dumps([asdict(self), package_hash("harness.evaluate")], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        return f"{self.name}-v{self.version}-{digest[:6]}"


UNIFIED = Protocol("unified", version=1, scale=1.0, padding="replicate-right-below", rounding=False, ssim="gaussian-3d")
