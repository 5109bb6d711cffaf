"""What weights that go into a comparison have seen before of what they are tested on, where that is known."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

from harness.data.benchmark import Benchmark
from harness.data.leaks import Content, leaks
from harness.errors import HarnessError
from harness.registry.catalog import Catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BenchmarkSpec

log = logging.getLogger(__name__)


def warn_of_seen(weights: str, trained_on: Sequence[str], tests: Mapping[str, Benchmark], known: Catalog) -> None:
    """Warn once of each test set, by its name, of which a clip equals or nearly equals one that the `weights` were
    trained on: `trained_on` as of `harness.WeightsSpec`. What is not here, or knows nothing of its frames, is passed
    over."""
    tested = {name: contents for name, test in tests.items() if (contents := test.contents("test"))}
    if not tested:
        return
    trained = [content for word in trained_on for content in _contents(word, known)]
    for name, contents in tested.items():
        if found := next(leaks(trained, contents), None):
            log.warning(
                "the weights %s have seen answers: they were trained on clip %s (%s), and clip %s of test set %s %s it",
                *(weights, found.train, ", ".join(trained_on), found.test, name),
                "equals" if found.equal else f"nearly ({found.share:.0%}) equals",
            )


def _contents(word: str, known: Catalog) -> Sequence[Content]:
    name, _, said = word.rpartition(":")
    split: Literal["train", "test"] = "test" if said == "test" else "train"
    try:
        benchmark: Benchmark = known.choose(BenchmarkSpec, parse_choice(name)).build()
    except HarnessError:
        return ()
    return benchmark.contents(split)
