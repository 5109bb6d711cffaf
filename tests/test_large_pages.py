"""The command line asks torch for large pages, unless the user has said otherwise."""

from __future__ import annotations

import os
import sys

import pytest

from harness.cli.main import LARGE_PAGES, main

NAME, ON = LARGE_PAGES


@pytest.mark.parametrize("said", [None, "0"])
def test_torch_is_asked_before_it_is_imported_unless_told_otherwise(
    said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "-")  # so that it is put back
    monkeypatch.delenv(NAME) if said is None else monkeypatch.setenv(NAME, said)
    monkeypatch.setattr(sys, "argv", ["harness", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ[NAME] == (said or ON)
