"""Prompts that hold every tag once, and the way back from tokens to tags."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vfi_openworld.prompt import Marks, Prompt, by_tag, prompts

from harness import HarnessError

MARKS = Marks(start=1, stop=2, end=3)


def tokenize(tag: str) -> list[int]:
    """A token for each letter and digit."""
    return [ord(letter) + 100 for letter in tag if letter.isalnum()]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab1 .?", max_size=7), max_size=30), st.integers(10, 40), st.randoms())
def test_every_tag_is_in_one_prompt_at_its_place(tags: list[str], limit: int, random: object) -> None:
    made = prompts(tags, tokenize, MARKS, limit)
    shown = [tag for prompt in made for tag in prompt.tags]
    assert shown == sorted({tag for tag in tags if tokenize(tag)})
    for prompt in made:
        assert len(prompt.tokens) <= limit
        assert (prompt.tokens[0], prompt.tokens[-1]) == (MARKS.start, MARKS.end)
        rebuilt = [MARKS.start]
        for tag, (first, last) in zip(prompt.tags, prompt.spans, strict=True):
            assert list(prompt.tokens[first:last]) == tokenize(tag)
            rebuilt += [*tokenize(tag), MARKS.stop]
        assert list(prompt.tokens) == [*rebuilt, MARKS.end]
    for early, late in pairwise(made):
        assert len(early.tokens) + len(tokenize(late.tags[0])) + 1 > limit  # it would not have held one more
    random.shuffle(tags)  # type: ignore[attr-defined]
    assert prompts(tags, tokenize, MARKS, limit) == made


def test_a_full_stop_within_a_tag_ends_no_tag() -> None:
    seen: list[str] = []
    prompts(["St. Bernard?"], lambda text: seen.append(text) or [7], MARKS, 10)  # type: ignore[func-returns-value]
    assert seen == ["st  bernard "]


def test_a_tag_longer_than_a_prompt_is_named() -> None:
    assert prompts(["abcd"], tokenize, MARKS, 7)[0].tokens == (1, *tokenize("abcd"), 2, 3)
    with pytest.raises(HarnessError, match="the tag 'abcde' has 5 tokens; a prompt takes 4"):
        prompts(["abcde"], tokenize, MARKS, 7)


def test_a_tag_is_as_probable_as_its_most_probable_token() -> None:
    prompt = Prompt((1, 7, 2, 8, 9, 2, 3), ("dog", "hot dog"), ((1, 2), (3, 5)))
    tokens = torch.tensor([[0.9, 0.1, 0.9, 0.2, 0.3, 0.9, 0.9], [0.0, 0.5, 0.0, 0.4, 0.1, 0.0, 0.0]])
    assert torch.equal(by_tag(tokens, prompt), torch.tensor([[0.1, 0.3], [0.5, 0.4]]))
