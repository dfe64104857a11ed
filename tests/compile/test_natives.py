"""Native operators on their way into a bundle and out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from compile.kernels.build import kernel_from_sources
from edge.bundle import bytes_from_parts
from edge.cpu import load_cpu
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.session import open_session
from tests.conftest import Command, Made, edge_process, striped
from tests.edge.conftest import onnx_classifier

MACHINE = load_cpu().machine
PART = f"native/{MACHINE}/selective_scan.so"


@pytest.fixture(scope="module")
def plain(stripes: Path, stripes_onnx: Path, stripes_made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small classifier without native operators."""
    output = tmp_path_factory.mktemp("plain") / "plain.edge"
    data = ("--calibration", stripes, "--gate-data", stripes)
    done = edge_process(stripes_made.home, "compile", stripes_onnx, "-o", output, *data, "--no-native", "--json")
    assert done.code == 0, done.err
    assert not any("local function" in message for message in done.document["messages"])
    return output


def parts(path: Path, home: Path) -> Mapping[str, bytes]:
    bundle = load_bundle(path, Keyring(home))
    return {name: bundle.part(name) for name in bundle.parts}


def probabilities(path: Path, home: Path) -> np.ndarray:
    with open_session(path, threads=2, keyring=Keyring(home)) as session:
        return np.array([session.classify(striped(plane, 5)).probability for plane in range(3)])


def test_a_bundle_holds_the_library_of_this_machine(stripes_made: Made, tmp_path: Path) -> None:
    library = kernel_from_sources(MACHINE, tmp_path)
    assert parts(stripes_made.bundle, stripes_made.home)[PART] == library.path.read_bytes()
    assert stripes_made.document["stages"][f"kernel {MACHINE}"]["sha256"] == library.sha256


def test_native_operator_and_local_function_answer_alike(stripes_made: Made, plain: Path) -> None:
    assert not any(name.startswith("native/") for name in parts(plain, stripes_made.home))
    native = probabilities(stripes_made.bundle, stripes_made.home)
    np.testing.assert_allclose(native, probabilities(plain, stripes_made.home), atol=0.02)  # INT8 rounds in between


def test_without_a_compiler_the_local_function_runs_and_one_line_says_so(
    edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    data = ("--calibration", stripes, "--gate-data", stripes, "--precision", "fp32", "--json")
    done = edge("compile", stripes_onnx, "-o", tmp_path / "x.edge", *data)
    assert done.code == 0, done.err
    (message,) = [m for m in done.document["messages"] if "compiler" in m]
    assert "no-such-compiler" in message
    assert "local function runs" in message
    assert PART not in parts(tmp_path / "x.edge", tmp_path / "home")


def test_a_model_without_the_operator_gets_no_library(edge: Command, stripes: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(onnx_classifier())
    data = ("--calibration", stripes, "--gate-data", stripes, "--precision", "fp32", "--no-gate", "--json")
    done = edge("compile", tmp_path / "model.onnx", "-o", tmp_path / "x.edge", *data)
    assert done.code == 0, done.err
    assert not any(name.startswith("native/") for name in parts(tmp_path / "x.edge", tmp_path / "home"))


def changed(made: Made, path: Path, change: dict[str, bytes]) -> Path:
    bundle = load_bundle(made.bundle, Keyring(made.home))
    signer = Keyring(made.home).development_key()
    path.write_bytes(
        bytes_from_parts(replace(bundle.manifest, parts=()), dict(parts(made.bundle, made.home)) | change, signer)
    )
    return path


def test_a_library_this_device_cannot_load_gives_way_to_the_local_function(
    stripes_made: Made, edge: Command, tmp_path: Path
) -> None:
    Image.fromarray(striped(1, seed=3)).save(tmp_path / "frame.png")
    path = changed(stripes_made, tmp_path / "x.edge", {PART: b"\x7fELF of another C library"})
    done = edge("classify", path, tmp_path / "frame.png", "--json", home=stripes_made.home)
    assert done.code == 0
    assert done.lines[0]["plane"] == "femur"
    assert "The slower local function runs" in done.err


@pytest.mark.parametrize("compiler", ["", "no-such-compiler"])
def test_compiling_on_the_cart_adds_the_library_where_it_can(
    compiler: str, plain: Path, stripes_made: Made, edge: Command, tmp_path: Path
) -> None:
    done = edge("compile", plain, "-o", tmp_path / "x.edge", "--compiler", compiler, "--json", home=stripes_made.home)
    assert done.code == 0, done.err
    assert (PART in parts(tmp_path / "x.edge", stripes_made.home)) == (not compiler)
    assert len(done.document["messages"]) == (1 if compiler else 0)


def test_a_cart_without_a_compiler_keeps_the_library_it_was_given(
    stripes_made: Made, edge: Command, tmp_path: Path
) -> None:
    options = ("--compiler", "no-such-compiler", "--json")
    done = edge("compile", stripes_made.bundle, "-o", tmp_path / "x.edge", *options, home=stripes_made.home)
    assert done.document["messages"] == []
    assert parts(tmp_path / "x.edge", stripes_made.home)[PART] == parts(stripes_made.bundle, stripes_made.home)[PART]


def test_the_sbom_names_the_library(stripes_made: Made) -> None:
    sbom: Any = json.loads(parts(stripes_made.bundle, stripes_made.home)["sbom.json"])
    assert PART in [component["name"] for component in sbom["components"]]
