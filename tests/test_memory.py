"""The command line asks torch for large pages and the C library to keep memory, unless the user has said otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.cli.main import main
from harness.cli.memory import LARGE_PAGES, OF_THE_USER

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


TWICE = """
import resource
from harness.cli import memory
memory.set_up()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    large = bytearray(64 << 20)
    large[:] = b"1" * len(large)
    del large
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the C library of Linux")
@pytest.mark.parametrize("said", [None, *OF_THE_USER])
def test_memory_is_used_again_unless_the_user_says_how_it_is_got(said: str | None) -> None:
    """Large tensors would else be new pages each time, 4 KiB at a time: here 2 x 16,384 of them."""
    env = {name: value for name, value in os.environ.items() if name not in OF_THE_USER}
    values = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=8", "MALLOC_MMAP_MAX_": "65536"}
    env |= {said: values.get(said, "131072")} if said else {}
    done = subprocess.run([sys.executable, "-c", TWICE], env=env, capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 1000) is (said is None), done.stdout
