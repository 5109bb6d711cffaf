"""Choices on the command line: what they parse to, what they are converted to, and what is refused."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.registry.catalog import catalog
from harness.registry.options import Choice, options_of, parse_choice, parse_choices, resolve
from harness.registry.specs import BenchmarkSpec


class Factory:
    """Takes one option of each type."""

    def __init__(
        self,
        offers: object,
        *,
        flag: bool = True,
        radius: int = 3,
        rate: float = 0.5,
        stages: Literal["L", "S", "LS"] = "LS",
        root: str = "",
    ) -> None: ...


class Needy:
    """Has an option without a default, and one that a spec may preset."""

    def __init__(self, *, path: str, variant: str = "base") -> None: ...


# --- parsing

NAMES = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True)
KEYS = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8") | st.sampled_from(',"=: '), max_size=12)
CHOICES = st.lists(st.builds(Choice, NAMES, st.dictionaries(KEYS, VALUES, max_size=3)), max_size=4)


def quoted(value: str) -> str:
    """In quotes where it must be."""
    plain = "," not in value and not value.startswith('"') and value == value.strip()
    return value if plain else '"{}"'.format(value.replace('"', '""'))


def written(choices: list[Choice]) -> str:
    """As a user writes it."""
    return ",".join(
        f"{choice.name}:{','.join(f'{key}={quoted(value)}' for key, value in choice.options.items())}"
        if choice.options
        else choice.name
        for choice in choices
    )


@given(CHOICES)
def test_what_is_written_is_parsed(choices: list[Choice]) -> None:
    assert parse_choices(written(choices)) == choices


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        choices = parse_choices(text)
    except HarnessError:
        return
    assert '"' in text or all("," not in value for choice in choices for value in choice.options.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("hce", [Choice("hce")]),
        ("hce, hir", [Choice("hce"), Choice("hir")]),
        ("hir:", [Choice("hir")]),
        ("hce:temporal=false,hir:stages=L,radius=2", [
            Choice("hce", {"temporal": "false"}), Choice("hir", {"stages": "L", "radius": "2"}),
        ]),
        ("clips:root=/a=b:c", [Choice("clips", {"root": "/a=b:c"})]),
        ('clips:root="/a,b"', [Choice("clips", {"root": "/a,b"})]),
        ('clips:root= "/a, b=c:d" , half=false,hce', [
            Choice("clips", {"root": "/a, b=c:d", "half": "false"}), Choice("hce"),
        ]),
        ('clips:root="say ""a,b"""', [Choice("clips", {"root": 'say "a,b"'})]),
        ('clips:root=""', [Choice("clips", {"root": ""})]),
        ('clips:root=/a"b"', [Choice("clips", {"root": '/a"b"'})]),
        ("hir: stages = L ", [Choice("hir", {"stages": "L"})]),
        ("hir:a=1,hir:a=2", [Choice("hir", {"a": "1"}), Choice("hir", {"a": "2"})]),
    ],
)  # fmt: skip
def test_parse(text: str, expected: list[Choice]) -> None:
    assert parse_choices(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages=L", "'stages=L': an option without a name before it; write NAME:stages=L"),
        ("hir:radius=2,radius=3", "hir: the option 'radius' is given twice"),
        ("hir:radius=2, radius =2", "hir: the option 'radius' is given twice"),
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(HarnessError) as error:
        parse_choices(text)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["", "a,b", ","])
def test_one_choice_is_one(text: str) -> None:
    with pytest.raises(HarnessError, match="expected one name"):
        parse_choice(text)


@pytest.mark.parametrize("text", ['clips:root="/a,b', 'clips:root="/a"b,half=true', 'clips:root="a""'])
def test_quotes_that_do_not_close_are_refused(text: str) -> None:
    with pytest.raises(HarnessError, match=r"a value in quotes ends with one, .* 'NAME:key=\"a,b\"'"):
        parse_choices(text)


def test_a_value_with_a_comma_is_told_to_be_quoted() -> None:
    how = r"""a value with a comma in it goes in quotes, all in single ones: 'NAME:root="/data/a,"""
    with pytest.raises(HarnessError, match=re.escape(how + """...\"'""")):
        parse_choice("clips:root=/data/a,b")
    clips, rest = parse_choices("clips:root=/data/a,b")
    assert catalog().choose(BenchmarkSpec, clips).options["root"] == "/data/a"
    with pytest.raises(HarnessError, match="unknown benchmark 'b'; " + re.escape(how + """b\"'""")):
        catalog().choose(BenchmarkSpec, rest)
    with pytest.raises(HarnessError, match="unknown benchmark 'clip'; did you mean 'clips'"):
        catalog().choose(BenchmarkSpec, parse_choice("clip"))


# --- options of a factory


def test_options_are_the_keyword_only_parameters() -> None:
    assert list(options_of(Factory, {})) == ["flag", "radius", "rate", "stages", "root"]
    assert list(options_of(Factory, {"radius": 1})) == ["flag", "rate", "stages", "root"]
    assert options_of(Factory, {})["radius"].default == 3


def test_a_function_is_a_factory_too() -> None:
    def factory(*, depth: int = 2) -> None: ...

    assert resolve(factory, {}, Choice("x", {"depth": "5"})) == {"depth": 5}


@pytest.mark.parametrize(
    ("name", "values"),
    [("flag", "true | false"), ("radius", "int"), ("stages", "L | S | LS"), ("root", "str")],
)
def test_values_in_a_users_words(name: str, values: str) -> None:
    assert options_of(Factory, {})[name].values == values


def test_defaults_and_presets() -> None:
    assert resolve(Factory, {}, Choice("x")) == {
        "flag": True, "radius": 3, "rate": 0.5, "stages": "LS", "root": "",
    }  # fmt: skip
    assert resolve(Needy, {"variant": "s"}, Choice("x", {"path": "p"})) == {"variant": "s", "path": "p"}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("flag", "false", False),
        ("flag", "True", True),
        ("radius", "-2", -2),
        ("rate", "1e-4", 1e-4),
        ("rate", "2", 2.0),
        ("stages", "S", "S"),
        ("root", "7", "7"),
        ("root", "", ""),
    ],
)
def test_conversion(key: str, text: str, value: Any) -> None:
    converted = resolve(Factory, {}, Choice("x", {key: text}))[key]
    assert converted == value
    assert type(converted) is type(value)


@given(st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(["L", "S", "LS"]), VALUES)
def test_what_a_value_prints_as_is_read_back(flag: bool, radius: int, rate: float, stages: str, root: str) -> None:
    given_values = {"flag": flag, "radius": radius, "rate": rate, "stages": stages, "root": root}
    text = written([Choice("x", {key: str(value) for key, value in given_values.items()})])
    assert resolve(Factory, {}, parse_choice(text)) == given_values


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("flag", "maybe", "hir: flag=maybe: expected true | false"),
        ("flag", "", "hir: flag=: expected true | false"),
        ("radius", "1.5", "hir: radius=1.5: expected int"),
        ("radius", "two", "hir: radius=two: expected int"),
        ("rate", "fast", "hir: rate=fast: expected float"),
        ("stages", "l", "hir: stages=l: expected L | S | LS"),
        ("raduis", "1", "hir has no option 'raduis'; did you mean 'radius'?"),
        ("offers", "1", "hir has no option 'offers'; it has: flag, radius, rate, stages, root"),
        ("", "1", "hir has no option ''; it has: flag, radius, rate, stages, root"),
    ],
)
def test_refused(key: str, text: str, message: str) -> None:
    with pytest.raises(HarnessError) as error:
        resolve(Factory, {}, Choice("hir", {key: text}))
    assert str(error.value) == message


def test_a_preset_cannot_be_given() -> None:
    with pytest.raises(HarnessError, match=r"ifrnet-s has no option 'variant'; it has: path"):
        resolve(Needy, {"variant": "s"}, Choice("ifrnet-s", {"variant": "l"}))


def test_nothing_to_set() -> None:
    with pytest.raises(HarnessError, match=r"null has no option 'x'; it has: none"):
        resolve(lambda: None, {}, Choice("null", {"x": "1"}))


def test_a_needed_option() -> None:
    with pytest.raises(HarnessError) as error:
        resolve(Needy, {}, Choice("x"))
    assert str(error.value) == "x: the option 'path' is needed: x:path=str"
