"""Triplets: benchmarks, augmentation, order. Importing this imports neither torch nor numpy."""

from harness.data.benchmark import Benchmark, Expected, Triplet
from harness.data.truth import Truth

__all__ = ["Benchmark", "Expected", "Triplet", "Truth"]
