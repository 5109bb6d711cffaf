"""Evaluation under a named protocol: metrics, one row a triplet."""
