"""The machine's arithmetic is part of every run: runs that differ in it are no pair; a broken float32 is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
import torch
import yaml

from harness.arm import Arm
from harness.cli.common import find_device
from harness.cli.main import main
from harness.errors import HarnessError
from harness.measure import processor
from harness.outcome.difference import difference
from harness.outcome.pairs import read_pair
from harness.outcome.refusals import refusals
from harness.pair import arithmetic
from harness.pair.fingerprint import environment, fingerprint, short
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.results.envelope import write
from harness.results.records import Asked
from harness.results.store import Store
from harness.train.recipe import load_recipe
from tests.stores import put

CPU = torch.device("cpu")
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: Patch) -> None:
    """None of the variables that the machine of the test may have."""
    for name in arithmetic.arithmetic(CPU)["variables"]:
        monkeypatch.delenv(name)


def run() -> dict[str, Any]:
    arm = Arm.of(catalog(), parse_choice("ifrnet-s"))
    return fingerprint(arm, load_recipe("smoke"), 0, {}, None, "w", CPU)


@pytest.mark.parametrize(
    "name",
    [
        "ONEDNN_DEFAULT_FPMATH_MODE",
        "ONEDNN_MAX_CPU_ISA",
        "DNNL_MAX_CPU_ISA",
        "MKL_CBWR",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_CORETYPE",
        "ATEN_CPU_CAPABILITY",
        "NPY_DISABLE_CPU_FEATURES",
    ],
)
def test_a_variable_that_moves_bits_makes_another_run(name: str, monkeypatch: Patch) -> None:
    before = run()
    monkeypatch.setenv(name, "STRICT")
    after = run()
    assert after["environment"]["variables"] == {name: "STRICT"}
    assert short(after) != short(before)


@pytest.mark.parametrize(
    "name",
    ["NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "CUDNN_CONV_WSCAP_DBG"],
)
def test_a_gpus_variables_count_on_a_gpu_and_the_hosts_do_not(name: str, monkeypatch: Patch) -> None:
    before = run()
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H200")
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # torchrun sets it, by the number of cores
    found = arithmetic.arithmetic(torch.device("cuda"))
    assert (found["device"], found["threads"], found["variables"]) == ("H200", None, {name: "1"})
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert run() == before


@pytest.mark.parametrize("name", ["ONEDNN_VERBOSE", "DNNL_VERBOSE", "MKL_VERBOSE", "XONEDNN_X", "OMP_NUM_THREADS_"])
def test_a_variable_that_only_talks_does_not(name: str, monkeypatch: Patch) -> None:
    before = run()
    monkeypatch.setenv(name, "1")
    assert run() == before


def other_threads(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)


def other_interop_threads(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch, "get_num_interop_threads", lambda: 77)


def other_instructions(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ABACUS")


def other_processor(monkeypatch: Patch) -> None:
    monkeypatch.setattr(arithmetic, "processor", lambda: "an abacus")


def other_decoder(monkeypatch: Patch) -> None:
    monkeypatch.setattr(av, "library_versions", {**av.library_versions, "libavcodec": (0, 1, 2)})


def other_pyav(monkeypatch: Patch) -> None:
    monkeypatch.setattr(av, "__version__", "0")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (other_threads, "threads"),
        (other_interop_threads, "threads"),
        (other_instructions, "instructions"),
        (other_processor, "device"),
        (other_decoder, "decoder"),
        (other_pyav, "decoder"),
    ],
)
def test_another_machine_makes_another_run(change: Callable[[Patch], None], at: str, monkeypatch: Patch) -> None:
    before = run()
    change(monkeypatch)
    after = run()
    assert {key for key in after["environment"] if after["environment"][key] != before["environment"][key]} == {at}
    assert short(after) != short(before)


def test_a_lower_precision_of_products_makes_another_run() -> None:
    before, was = run(), torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert run()["environment"]["float32"]["matmul"] == "medium"
    finally:
        torch.set_float32_matmul_precision(was)
    assert run() == before


def test_a_lower_precision_of_one_library_makes_another_run() -> None:
    place = getattr(torch.backends.mkldnn, "matmul", None)
    if not hasattr(place, "fp32_precision"):
        pytest.skip("this torch has no precision by library")
    before, was = run(), place.fp32_precision
    try:
        place.fp32_precision = "bf16"
        assert run()["environment"]["float32"]["mkldnn.matmul"] == "bf16"
    finally:
        place.fp32_precision = was
    assert run() == before


def test_the_record_is_plain_json() -> None:
    """Or it would differ from what is read of it."""
    record = run()
    assert json.loads(json.dumps(record)) == record
    assert yaml.safe_load(yaml.safe_dump(record)) == record  # no subclass of what JSON has either


def test_the_processor_is_named(tmp_path: Path, monkeypatch: Patch) -> None:
    said = {
        "x86": "cpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon(R): fast\n\nprocessor\t: 1\nmodel\t: 7\n",
        "arm": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
    }
    expected = {"x86": "Xeon(R): fast, family 6, model 143", "arm": "CPU implementer 0x41, CPU part 0xd0c"}
    for kind, text in said.items():
        (tmp_path / kind).write_text(text)
        monkeypatch.setattr(processor, "Path", lambda name, kind=kind: tmp_path / kind)
        assert processor.processor.__wrapped__() == expected[kind]
    monkeypatch.setattr(processor, "Path", lambda name: tmp_path / "nothing")
    assert processor.processor.__wrapped__()


def test_runs_of_two_machines_are_no_pair(tmp_path: Path, monkeypatch: Patch) -> None:
    name = put(tmp_path, Asked(baseline="ifrnet-s", plugins="hce", recipe="smoke"), (30.0, 31.0))
    pair = read_pair(Store(tmp_path), name)
    assert refusals(pair) == ()
    here = environment(CPU)
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    for arm, found in zip(pair.arms, (here, environment(CPU)), strict=True):
        assert arm.run
        record = arm.run.record()
        elsewhere = record.fingerprint.model_copy(update={"environment": found})
        write(arm.run.config, record.model_copy(update={"fingerprint": elsewhere}))
    pair = read_pair(Store(tmp_path), name)
    assert refusals(pair) == ("environment.variables.MKL_CBWR: None -> COMPATIBLE",)
    with pytest.raises(HarnessError, match="no difference between unmatched runs"):
        difference(pair)


# -- what is refused -------------------------------------------------------------------------------------------------

COMMANDS = [
    ("run", "--baseline", "ifrnet-s", "--recipe", "smoke"),
    ("eval", "--baseline", "ifrnet-s", "--weights", "nowhere.pth"),
    ("suite", "smoke1"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=[words[0] for words in COMMANDS])
@pytest.mark.parametrize("name", ["ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"])
def test_half_precision_in_silence_is_refused_before_anything_is_computed(
    words: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "bf16")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    for work in ("pair.run.run_pair", "evaluate.testset.TripletSet.of", "cli.suite._launch"):
        monkeypatch.setattr(f"harness.{work}", lambda *given: pytest.fail("something is computed"))
    monkeypatch.setattr(sys, "argv", ["harness", *words, "--device", "cpu", "--results", str(tmp_path / "results")])
    with pytest.raises(SystemExit) as exit_:
        main()
    out, err = capsys.readouterr()
    assert (exit_.value.code, out) == (2, "")
    assert err.startswith(f"harness: error: {name}=bf16: float32 would be computed with fewer bits in silence")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["ANY", "tf32", "F16", " BF16 ", "0"])
def test_each_mode_but_strict_is_refused(value: str, monkeypatch: Patch) -> None:
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", value)
    with pytest.raises(HarnessError, match="unset it, or set it to STRICT"):
        find_device("cpu")


@pytest.mark.parametrize("value", ["", "STRICT", "strict", " Strict "])
def test_the_strict_mode_is_taken(value: str, monkeypatch: Patch) -> None:
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", value)
    assert find_device("cpu") == CPU
