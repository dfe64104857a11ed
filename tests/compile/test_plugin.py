"""The plugin's C++ code at work: without TensorRT's headers up to the kernel's parameters, with them all of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from compile.kernels.build_cuda import nvcc_from_system
from compile.kernels.build_plugin import PLUGIN_SOURCES, SOURCES, headers_from_system, version_from_headers
from compile.kernels.plugin_twin import ScanAttributes
from tests.compile.plugin_harness import Array, Harness, Job, gpu_or_skip, headers_or_skip, plugin_harness, scan_harness
from tests.compile.scan_cases import (
    ALL,
    CASES,
    Case,
    channels_first,
    check,
    operands,
    reference,
    scale_of,
    stored,
    values,
)

COMBINATIONS = (("float32", "float32"), ("float16", "float16"), ("int8", "float16"), ("int8", "int8"))  # maps, y
NAMES = {"float32": "FLOAT", "float16": "HALF", "int8": "INT8", "int32": "INT32"}  # TensorRT's
SCALES = (0.5, 0.25, 0.125)
SMALL_CASE: Case = (2, 3, 5, 17, 3, 2, ALL)
MANY_IMAGES: Case = (64, 1, 2, 17, 1, 1, ALL)


KINDS = {  # the code alone, and the plugin through TensorRT's interfaces; on a device each run is a CUDA graph
    **{kind: pytest.param(kind) for kind in ("scan", "plugin")},
    **{kind: pytest.param(kind, marks=pytest.mark.gpu) for kind in ("scan gpu", "plugin gpu")},
}


def lacking(kind: str) -> str:
    """Why this machine cannot run a kind of harness; empty where it can."""
    try:
        if "gpu" in kind:
            gpu_or_skip()
        if "plugin" in kind:
            headers_or_skip()
    except pytest.skip.Exception as error:
        return str(error)
    return ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a harness, with each kind that can run here; what cannot is one skipped test, not one a case."""
    if "harness" in metafunc.fixturenames:
        possible = [parameter for kind, parameter in KINDS.items() if not lacking(kind)]
        metafunc.parametrize("harness", possible, indirect=True, scope="module")


@pytest.fixture(scope="module")
def harness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    """Built once a kind."""
    make = scan_harness if "scan" in request.param else plugin_harness
    return make(tmp_path_factory.mktemp("harness"), on_gpu="gpu" in request.param)


@pytest.mark.parametrize("kind", KINDS.values())
def test_this_machine_has_what_a_harness_needs(kind: str) -> None:
    if reason := lacking(kind):
        pytest.skip(reason)


def test_the_sources_compile_without_a_warning_against_every_version_named(tmp_path: Path) -> None:
    """TENSORRT_INCLUDES names folders of TensorRT's headers, separated by colons; run by hand, see docs/tensorrt.md."""
    named = os.environ.get("TENSORRT_INCLUDES", "")
    if not named:
        pytest.skip("TENSORRT_INCLUDES names no folders of headers. No package that CI can install holds them.")
    command = [
        str(nvcc_from_system()),
        "-std=c++17",
        "-c",
        "-Xcompiler=-Wall,-Wextra,-Werror",
        "-DVMAMBA_SOURCES=0test",
    ]
    for folder in map(Path, named.split(":")):
        headers = ["-isystem", str(headers_from_system(folder))]
        for name in PLUGIN_SOURCES:
            source = [str(SOURCES / "tensorrt" / name), "-o", str(tmp_path / f"{name}.o")]
            done = subprocess.run([*command, *headers, *source], capture_output=True, text=True, check=False)
            assert done.returncode == 0, (folder, version_from_headers(folder), done.stderr[:3000])


def job_of(case: Case, maps: str = "float32", y: str = "float32", layout: str = "last") -> tuple[Job, np.ndarray]:
    """A case with maps as they are stored, and the truth."""
    tensors, routes = operands(*case), case[-1]
    if layout == "first":
        tensors = channels_first(tensors)
    (u, u_scale), (x_dbl, x_scale) = (stored(tensor, maps) for tensor in tensors[:2])
    truth = reference([values(u, u_scale), values(x_dbl, x_scale), *tensors[2:]], routes, layout)
    scales = (u_scale, x_scale, scale_of(truth)) if maps == "int8" else (0.0, 0.0, 0.0)
    inputs = [tensor.numpy() for tensor in (u, x_dbl, *tensors[2:])]
    return Job(inputs, routes, y, layout, (*scales[:2], scales[2] if y == "int8" else 0.0)), truth


def check_answer(got: Array, truth: np.ndarray, job: Job) -> None:
    check(got, truth, job.y_dtype, job.scales[2] or 1.0)


@pytest.mark.parametrize("types", COMBINATIONS, ids=str)
@pytest.mark.parametrize("case", [case for case in CASES if case[1] < 100], ids=str)
def test_y_is_the_reference(harness: Harness, case: Case, types: tuple[str, str]) -> None:
    job, truth = job_of(case, *types)
    check_answer(harness.forward(job), truth, job)


@pytest.mark.parametrize("types", COMBINATIONS, ids=str)
def test_channels_may_come_first(harness: Harness, types: tuple[str, str]) -> None:
    job, truth = job_of(SMALL_CASE, *types, layout="first")
    check_answer(harness.forward(job), truth, job)


@pytest.mark.parametrize("types", COMBINATIONS, ids=str)
def test_every_tactic_gives_the_same_answer(harness: Harness, types: tuple[str, str]) -> None:
    job, truth = job_of(SMALL_CASE, *types)
    tactics = harness.tactics(job)
    assert tactics >= 1
    for tactic in range(1, tactics + 1):
        one = Job(job.inputs, job.routes, job.y_dtype, job.layout, job.scales, tactic)
        check_answer(harness.forward(one), truth, one)


def test_one_workspace_is_enough_for_every_tactic(harness: Harness) -> None:
    """Of a batch so large that the shape chosen by the sizes needs less than others; each fourth one, for time."""
    job, _ = job_of(MANY_IMAGES, "float16", "float16")
    for tactic in range(harness.tactics(job), -1, -4):
        harness.forward(Job(job.inputs, job.routes, job.y_dtype, job.layout, job.scales, tactic))


@pytest.mark.parametrize("types", COMBINATIONS, ids=str)
def test_what_tensorrt_calls_besides(harness: Harness, types: tuple[str, str]) -> None:
    """Identity, clones, shapes, tactics, a plan written and read, refusals; then y of the plugin read from the plan."""
    job, truth = job_of(SMALL_CASE, *types)
    check_answer(harness.check(job), truth, job)


@pytest.mark.parametrize("scales", [SCALES, (0.0, 0.0, 0.0), (0.5, 0.25, 0.0), (0.5, 0.0, 0.5)], ids=str)
def test_only_the_combinations_of_the_abi_are_supported(harness: Harness, scales: tuple[float, float, float]) -> None:
    """Of u, x_dbl, y and one weight; the Python twin says the same."""
    twin = ScanAttributes(ALL, "last", scales)
    tensors = [tensor.numpy() for tensor in operands(*SMALL_CASE)]
    for u, x_dbl, weight, y in product(NAMES, NAMES, ("float32", "float16", "int32"), NAMES):
        inputs = [tensors[0].astype(u), tensors[1].astype(x_dbl), tensors[2].astype(weight), *tensors[3:]]
        types = [NAMES[tensor.dtype.name] for tensor in inputs] + [NAMES[y]]
        expected = weight == "float32" and u == x_dbl and is_combination(u, y, scales)
        assert harness.supports(Job(inputs, ALL, y, scales=scales)) == expected, types
        assert all(twin.supports(position, types) for position in range(7)) == expected, types


def is_combination(maps: str, y: str, scales: Sequence[float]) -> bool:
    needed = [*scales[:2]] * (maps == "int8") + [scales[2]] * (y == "int8")
    return (maps, y) in COMBINATIONS and all(needed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"routes": (0, 1, 2, 4)}, "route"),
        ({"routes": ()}, "routes"),
        ({"routes": (0, 1, 2)}, "weights"),
        ({"layout": "middle"}, "layout"),
        ({"layout": "first"}, "shapes"),
        ({"scales": (float("nan"), 0.0, 0.0)}, "scale"),
        ({"scales": (-1.0, 0.0, 0.0)}, "scale"),
        ({"tactic": 1000}, "."),
    ],
)
def test_what_means_nothing_is_refused(harness: Harness, change: dict[str, object], message: str) -> None:
    job, _ = job_of(SMALL_CASE)
    with pytest.raises(ValueError, match=message):
        harness.forward(Job(**{**vars(job), **change}))


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("index", range(6))
def test_shapes_that_do_not_fit_are_refused(harness: Harness, index: int, axis: int) -> None:
    """One tensor is one longer along one axis; y has the shape of u."""
    job, _ = job_of(SMALL_CASE)
    inputs = list(job.inputs)
    axis = min(axis, inputs[index].ndim - 1)
    inputs[index] = np.ascontiguousarray(np.concatenate([inputs[index], inputs[index].take([0], axis)], axis))
    with pytest.raises(ValueError, match="fit"):
        harness.forward(Job(inputs, job.routes))
