"""A protocol: everything besides the weights that moves a metric's second decimal. Data, versioned and hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Protocol:
    """How a network is run on a test triplet and how its frame is measured.

    scale     working scale of the network
    padding   by replication, right and below, to the network's size multiple
    rounding  whether the frame is rounded to 8 bit before it is measured
    ssim      "gaussian-3d": METHOD's SSIM, one 11x11x11 window over colour, rows and columns
    """

    name: str
    version: int
    scale: float
    padding: str
    rounding: bool
    ssim: str

    @property
    def id(self) -> str:
        """Name, version and 6 digits of the hash over every field: what each row carries."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.name}-v{self.version}-{digest[:6]}"


UNIFIED = Protocol("unified", version=1, scale=1.0, padding="replicate-right-below", rounding=False, ssim="gaussian-3d")
