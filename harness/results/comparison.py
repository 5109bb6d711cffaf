"""What is compared: the one answer to whether two results are of the same comparison."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter, ValidationError

from harness.results.envelope import Frozen

WITH_SEED = r".+\.s[0-9]+"
"""A run's name but for its fingerprint."""


class Part(Frozen):
    """A named thing that a user chose.

    options  every option with its value, defaults spelled out
    given    those that differ from their defaults, as they are written on the command line
    content  hash of what else decides what it does: code, weights, files; None where that is not known
    """

    name: str
    options: Mapping[str, JsonValue] = {}
    given: Mapping[str, str] = {}
    content: str | None = None

    def is_meant_by(self, name: str, given: Mapping[str, str]) -> bool:
        """Whether these words choose it, with defaults spelled out or not."""
        same = all(key in self.options and _reads_as(text, self.options[key]) for key, text in given.items())
        return name == self.name and same and self.given.keys() <= given.keys()


class Data(Part):
    """A benchmark: where its content is known on both sides, that alone is compared, and not where it lay. `weight` is
    how often it is drawn among several training sets."""

    weight: float = 1.0


def _one_or_several(data: object) -> object:
    """Records of before there could be several have one, and not in a list."""
    return (data,) if isinstance(data, Mapping | Data) else data


class StartRecord(Frozen):
    """Trained weights that both arms start from: what they are called, by a file, a run or an entry of `harness
    weights`, and a hash over the tensors, which alone is compared."""

    name: str
    content: str

    def is_meant_by(self, word: str) -> bool:
        """Whether a user may have written this: a path to the file, or a name; of a run also how it begins, where
        `ifrnet-s.s1` is not of seed 10. An entry `ifrnet-s-own` is not meant by less."""
        if not word or self.name == word.replace("\\", "/").rpartition("/")[2]:
            return bool(word)
        beginning = f"{word}." if re.fullmatch(WITH_SEED, word) else word
        return self.name.startswith(beginning) and re.fullmatch(rf"{WITH_SEED}\.[0-9a-f]+", self.name) is not None


class Comparison(Frozen):
    """Everything that decides what a pair compares, but for the seed and the machine.

    recipe      what decides a training, and how many triplets are tested
    data        the training sets; tests  the test sets with their triplets
    masks       of training, None where no plug-in needs any; test_masks  what the network is given when it is tested
    metrics     column of each metric by its name, which tells options and version: compared are those of both sides.
                Of one that is measured with several options each column is by itself
    code        hashes of the core's code that decides a training
    start       None where the initial weights are drawn from the seed
    """

    baseline: Part
    plugins: tuple[Part, ...] = ()
    recipe: Mapping[str, JsonValue] = {}
    data: Annotated[tuple[Data, ...], Field(min_length=1), BeforeValidator(_one_or_several)]
    tests: tuple[Data, ...] = ()
    protocol: str
    masks: Part | None = None
    test_masks: Part | None = None
    metrics: Mapping[str, str] = {}
    code: Mapping[str, JsonValue] = {}
    start: StartRecord | None = None

    def differences(self, other: Comparison, but: Collection[str] = ()) -> list[str]:
        """In what the two differ, as `recipe.batch: 4 -> 8`; what is not known of one of them differs in nothing.
        `but` are fields to leave out."""
        return sorted(chain.from_iterable(self._differences(other, but)))

    def is_same(self, other: Comparison, but: Collection[str] = ()) -> bool:
        """Looks no further than the first field that differs: of a store of pairs each is held against each."""
        return not any(self._differences(other, but))

    def _differences(self, other: Comparison, but: Collection[str]) -> Iterator[list[str]]:
        """Field by field."""
        for name in type(self).model_fields:
            if name not in but:
                one, two = getattr(self, name), getattr(other, name)
                if name == "metrics":
                    one, two = ({key: each[key] for key in one.keys() & two.keys()} for each in (one, two))
                yield _between(one, two, name)

    def is_called_the_same(self, other: Comparison) -> bool:
        """Whether the same words ask for both: they may differ in what is behind these, code or files."""
        return self.words == other.words

    @property
    def words(self) -> tuple[Any, ...]:
        """What was asked for, whatever words said it, and nothing of what is behind it."""
        parts = (self.baseline, *self.plugins, *self.data, *self.tests)
        named = [(part.name, part.options, getattr(part, "weight", None)) for part in parts]
        masks = [part and (part.name, part.options) for part in (self.masks, self.test_masks)]
        start = self.start and self.start.name
        return named, masks, self.recipe, self.protocol.rsplit("-", 2)[0], start


def by_name(columns: Iterable[str]) -> dict[str, str]:
    """Columns of metrics, each by its metric's name; by itself where that is measured with several options."""
    named = [(column.partition("(")[0].partition(" ")[0], column) for column in columns]
    count = Counter(name for name, _ in named)
    return {name if count[name] == 1 else column: column for name, column in named}


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """The settings in which two nested values differ, as `recipe.batch: 4 -> 8`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted(one.keys() | other.keys())
            for line in differences(one.get(key), other.get(key), f"{at}.{key}" if at else key)
        ]
    return [] if one == other else [f"{at}: {_brief(one)} -> {_brief(other)}"]


def _between(one: Any, other: Any, at: str) -> list[str]:
    if isinstance(one, tuple) and isinstance(other, tuple):
        if len(one) != len(other):
            return [f"{at}: {_named(one)} -> {_named(other)}"]
        return [line for a, b in zip(one, other, strict=True) for line in _between(a, b, at)]
    if isinstance(one, Part) and isinstance(other, Part):
        if one.name != other.name:
            return [f"{at}: {one.name} -> {other.name}"]
        at, known = f"{at}.{one.name}", None not in (one.content, other.content)
        options = [] if known and isinstance(one, Data) else differences(one.options, other.options, at)
        if isinstance(one, Data) and isinstance(other, Data):
            options += differences(one.weight, other.weight, f"{at}.weight")
        return options + (differences(one.content, other.content, f"{at}.content") if known else [])
    if isinstance(one, StartRecord) and isinstance(other, StartRecord):
        called = [f"{each.name} ({each.content[:8]})" for each in (one, other)]
        return [] if one.content == other.content else [f"{at}: {called[0]} -> {called[1]}"]
    if isinstance(one, Part | StartRecord) or isinstance(other, Part | StartRecord):
        return [f"{at}: {one.name if one else None} -> {other.name if other else None}"]
    return differences(one, other, at)


def _named(parts: tuple[Any, ...]) -> str:
    return ", ".join(part.name for part in parts) or "none"


def _reads_as(text: str, value: JsonValue) -> bool:
    """Whether an option that is written so has that value."""
    try:
        return bool(TypeAdapter(type(value)).validate_strings(text) == value)
    except ValidationError:
        return text == str(value)


def _brief(value: Any) -> str:
    """The value, a hash by its first digits, and what is longer than a line by its beginning."""
    text = str(value)
    kept = 8 if len(text) == 64 and " " not in text else 80
    return text if len(text) <= kept else f"{text[:kept]}..."
