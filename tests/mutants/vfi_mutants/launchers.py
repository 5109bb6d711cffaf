# mypy: ignore-errors
# ruff: noqa: N802
"""Launchers with one mistake each; called as other mutants are."""

from __future__ import annotations

from harness import Launched


def GivesNothing(plan):
    """Nothing is said of what became of the jobs."""


def SwallowsOptions(plan, **options):
    return Launched()
