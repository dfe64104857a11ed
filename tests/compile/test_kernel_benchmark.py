"""`edge benchmark --kernels`: every form computes what it is said to, and the command tells what it could not time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calibration.artifact import Artifact
from compile import kernel_benchmark, kernel_forms
from compile.kernel_benchmark import KernelTimes, StageTimes, document_from_times, kernel_times
from compile.kernel_forms import NativeStage, Stage, operands_from_stage, operator_session
from compile.kernels.native import ISAS, NativeKernel
from edge.cpu import load_cpu
from edge.errors import DeviceError
from tests.calibration.test_benchmark import onnx_of_side
from tests.compile.scan_cases import check, gradients, reference
from tests.conftest import Command, check_told

SMALL = (Stage(4, 16, 2), Stage(2, 32, 1))
CONTRACT = ["isa", "ns_per_element_1t", "ns_per_element_2t", "backward_ns"]
CONTRACT += ["linear_attention_ns", "torch_chunked_ns", "stream_ns"]


def measured(library: Artifact, progress: Callable[[str, float], None] = lambda *_: None) -> KernelTimes:
    """Two rounds of everything; the library is there already."""
    return kernel_times(load_cpu(), library.path.parent, "", rounds=2, progress=progress, stages=SMALL)


def test_the_timed_forward_pass_is_the_operator(kernel: NativeKernel) -> None:
    operands = operands_from_stage(Stage(5, 32, 1))
    expected = reference([torch.from_numpy(operand) for operand in operands], kernel_forms.ROUTES)
    for isa in kernel.isas:
        check(NativeStage(kernel, operands, ISAS[isa]).forward(threads=2), expected)


def test_the_timed_backward_pass_is_the_operators(kernel: NativeKernel) -> None:
    operands = operands_from_stage(Stage(3, 16, 1))
    tensors = [torch.from_numpy(operand) for operand in operands]
    expected = gradients(tensors, kernel_forms.ROUTES, "last", tensors[0])
    for got, wanted in zip(NativeStage(kernel, operands).backward(), expected, strict=True):
        check(got, wanted, "gradient")


def test_the_timed_node_is_the_operator(library: Artifact) -> None:
    operands = operands_from_stage(Stage(5, 32, 1))
    outputs: Any = operator_session(library.path, operands, threads=2)()
    expected = reference([torch.from_numpy(operand) for operand in operands], kernel_forms.ROUTES)
    check(outputs[0]["y"].numpy(), expected)


def test_all_forms_are_timed_on_every_stage(library: Artifact) -> None:
    shares: list[float] = []
    times = measured(library, lambda _, share: shares.append(share))
    document = document_from_times(times, load_cpu())
    assert set(CONTRACT) <= set(document)
    assert document["isa"] == times.isas[-1]
    assert set(document["isa_ns"]) == set(times.isas)
    assert all(document[key] > 0 for key in (*CONTRACT[1:], "backward_torch_ns") if document[key] is not None)
    assert [row["elements"] for row in document["stages"]] == [4 * 16 * 16, 4 * 4 * 32]
    assert document["two_threads"]["pool"] in kernel_benchmark.POOLS
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_stages_weigh_as_much_as_the_network_runs_them() -> None:
    rows = [StageTimes(stage, {"isa": ns}, {}) for stage, ns in zip(SMALL, (1.0, 4.0), strict=True)]
    elements = [stage.scans * stage.elements for stage in SMALL]
    expected = (elements[0] * 1.0 + elements[1] * 4.0) / sum(elements)
    assert KernelTimes(("isa",), 1, tuple(rows), ()).cpu_ns == pytest.approx({"isa": expected})


def test_the_stages_are_those_of_vmamba_t() -> None:
    assert sum(stage.scans * stage.elements for stage in kernel_benchmark.STAGES) == pytest.approx(6.3e6, rel=0.01)


def test_without_torch_its_keys_are_null_and_a_note_says_so(library: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    times = measured(library)
    document = document_from_times(times, load_cpu())
    assert (document["torch_chunked_ns"], document["backward_torch_ns"]) == (None, None)
    assert document["backward_ns"] > 0
    assert any("torch is not installed" in note for note in times.notes)


def test_without_linear_attention_its_key_is_null_and_a_note_says_so(
    library: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(operands: object) -> None:
        raise DeviceError("ONNX Runtime 1.23.2 has no LinearAttention.", "Upgrade onnxruntime.")

    monkeypatch.setattr(kernel_benchmark, "linear_attention", refused)
    times = measured(library)
    assert document_from_times(times, load_cpu())["linear_attention_ns"] is None
    assert [note for note in times.notes if "LinearAttention" in note] == [
        "ONNX Runtime 1.23.2 has no LinearAttention. linear_attention_ns is null."
    ]


def test_the_command_shows_one_document_or_one_table(
    edge: Command, library: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_benchmark, "kernel_times", partial(kernel_times, stages=SMALL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "vmamba-edge").symlink_to(library.path.parent)
    as_json, as_table = (edge("benchmark", "--kernels", "--runs", 3, *more) for more in (["--json"], []))
    assert (as_json.code, as_table.code) == (0, 0)
    assert set(CONTRACT) <= set(as_json.document)
    for word in ("4x4x16", "weighted", "linear_attention", "two threads, onnxruntime"):
        assert word in as_table.out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ((), "nothing to time"),
        (("--kernels", "a.onnx"), "times no files"),
        (("--kernels", "--size", "64"), "--size means nothing"),
        (("--kernels", "--threads", "1"), "--threads means nothing"),
    ],
)
def test_a_combination_without_meaning_is_a_usage_error(edge: Command, arguments: tuple[str, ...], cause: str) -> None:
    check_told(edge("benchmark", *arguments), 2, cause)


def test_without_a_compiler_there_is_nothing_to_time(edge: Command) -> None:
    check_told(edge("benchmark", "--kernels", "--compiler", "no-such-compiler"), 4, "no C++ compiler")


def test_files_are_timed_without_the_toolchain(tmp_path: Path) -> None:
    file = onnx_of_side(tmp_path / "small.onnx", 16)
    for name in ("torch", "onnx", "onnxscript", "safetensors", "sklearn", "matplotlib"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is hidden')")
    command = [sys.executable, "-m", "edge", "benchmark", str(file), "--runs", "3", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["file"] == "small.onnx"


def test_operands_begin_with_a_cache_line() -> None:
    assert all(operand.ctypes.data % kernel_forms.CACHE_LINE_BYTES == 0 for operand in operands_from_stage(SMALL[0]))
    assert np.all(operands_from_stage(SMALL[0])[4] < 0)
