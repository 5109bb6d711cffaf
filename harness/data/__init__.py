"""Triplets: benchmarks, augmentation, order. Importing this imports neither torch nor numpy."""

from harness.data.benchmark import Benchmark, Expected, Triplet

__all__ = ["Benchmark", "Expected", "Triplet"]
