"""From tags to prompts that a detector takes, and from its answer, which is by token, back to tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness import HarnessError


@dataclass(frozen=True)
class Marks:
    """Tokens of the vocabulary: before all, after each tag, after all."""

    start: int
    stop: int
    end: int


@dataclass(frozen=True)
class Prompt:
    """`start tag stop tag stop ... end`. `spans` are the positions of each tag's tokens: first, last + 1."""

    tokens: tuple[int, ...]
    tags: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def prompts(tags: Iterable[str], tokenize: Callable[[str], Sequence[int]], marks: Marks, limit: int) -> list[Prompt]:
    """As few prompts of at most `limit` tokens as tags in order of name fill, each tag in one of them.

    A full stop and a question mark end a tag for the network, so within a tag they become spaces. A tag without a
    token is left out. Raises HarnessError naming a tag that is longer than a prompt.
    """
    found: list[Prompt] = []
    tokens, names, spans = [marks.start], list[str](), list[tuple[int, int]]()

    def close() -> None:
        if names:
            found.append(Prompt((*tokens, marks.end), tuple(names), tuple(spans)))
        tokens[1:], names[:], spans[:] = [], [], []

    for tag in sorted(set(tags)):
        words = list(tokenize(re.sub(r"[.?]", " ", tag.lower())))
        if len(words) + 3 > limit:
            raise HarnessError(f"the tag '{tag}' has {len(words)} tokens; a prompt takes {limit - 3}")
        if not words:
            continue
        if len(tokens) + len(words) + 2 > limit:
            close()
        spans.append((len(tokens), len(tokens) + len(words)))
        names.append(tag)
        tokens += [*words, marks.stop]
    close()
    return found


def by_tag(probabilities: Tensor, prompt: Prompt) -> Tensor:
    """Probabilities of tokens (Q, L) -> of tags (Q, T): that of a tag's most probable token."""
    return torch.stack([probabilities[:, first:last].amax(1) for first, last in prompt.spans], 1)
