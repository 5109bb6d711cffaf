"""Triplets: benchmarks, augmentation, order."""

from harness.data.benchmark import Benchmark, Triplet

__all__ = ["Benchmark", "Triplet"]
