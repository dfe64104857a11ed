"""Bundles for a GPU, made and refused on a machine without one: what the command line says, and what is in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from compile.engine import Finished
from compile.kernels.build_plugin import plugin_digest
from compile.pipeline import EMULATED
from compile.retarget import retargeted_from_bundle
from edge.attention import HEAD_PART
from edge.bundle import Bundle, bytes_from_parts
from edge.errors import GateError
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.session import CANONICAL_MODEL, CPU_MODEL
from edge.signature import SigningKey
from tests.compile.test_recompile import CART, opened
from tests.conftest import PLANES, Command, Made, check_told, edge_process, striped
from tests.edge.test_plans import FACTS

HEADER = "native/cuda/selective_scan.h"


@pytest.fixture(autouse=True)
def _without_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about machines that have none."""
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)


@pytest.fixture(scope="module")
def jetson(stripes_made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small classifier for Orin, of its CPU bundle, by a process that cannot import torch."""
    output = tmp_path_factory.mktemp("jetson") / "orin.edge"
    arguments = ("compile", stripes_made.bundle, "-o", output, "--target", "jetson-orin", "--json")
    done = edge_process(stripes_made.home, *arguments, prelude=CART)
    assert done.code == 0, done.err
    assert done.document["bundle"] == str(output)
    assert "plan" not in done.document
    return output


@pytest.mark.parametrize("model", ["edge_n", "bundle", "jetson"])
def test_tensorrt_is_refused_at_once_where_there_is_none(
    model: str, edge: Command, stripes_made: Made, jetson: Path, tmp_path: Path
) -> None:
    given = {"bundle": stripes_made.bundle, "jetson": jetson}.get(model, model)
    done = edge("compile", given, "-o", tmp_path / "x.edge", "--target", "tensorrt", home=stripes_made.home)
    check_told(done, 4, "TensorRT is not installed here")
    assert "python3-libnvinfer" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_for_a_jetson_carries_the_sources_and_no_cpu_engine(jetson: Path, stripes_made: Made) -> None:
    bundle, before = opened(stripes_made, jetson), opened(stripes_made, stripes_made.bundle)
    assert bundle.manifest.target == "jetson-orin"
    assert CPU_MODEL not in bundle.parts
    assert {HEADER, HEAD_PART, "native/cuda/tensorrt/plugin.cpp"} < set(bundle.parts)
    assert not [name for name in bundle.parts if name.endswith(".so")]
    assert bundle.part(CANONICAL_MODEL) == before.part(CANONICAL_MODEL)
    kept = {"target": "cpu", "created": "", "parts": ()}
    assert replace(bundle.manifest, **kept) == replace(before.manifest, **kept)


def test_it_says_what_to_do_where_it_cannot_run(edge: Command, jetson: Path, stripes_made: Made) -> None:
    for command in ("verify", "classify"):
        done = edge(command, jetson, *([] if command == "verify" else [jetson.parent]), home=stripes_made.home)
        check_told(done, 4, "The bundle is for jetson-orin. TensorRT is not installed here.")
        assert f"edge compile {jetson} -o CPU.edge --target cpu" in done.err


def test_it_becomes_a_cpu_bundle_again(edge: Command, jetson: Path, stripes_made: Made, tmp_path: Path) -> None:
    output = tmp_path / "cpu.edge"
    done = edge("compile", jetson, "-o", output, "--target", "cpu", "--no-native", home=stripes_made.home)
    assert done.code == 0, done.err
    assert opened(stripes_made, output).manifest.target == "cpu"
    Image.fromarray(striped(1, seed=3)).save(tmp_path / "frame.png")
    done = edge("classify", output, tmp_path / "frame.png", "--json", home=stripes_made.home)
    assert done.lines[0]["plane"] == PLANES[1]


def test_it_keeps_its_own_sources_when_it_is_made_for_another_device(
    edge: Command, jetson: Path, stripes_made: Made, tmp_path: Path
) -> None:
    changed = resigned(jetson, stripes_made, tmp_path, **{HEADER: b"/* the signer's own */"})
    done = edge("compile", changed, "-o", tmp_path / "thor.edge", "--target", "jetson-thor", home=stripes_made.home)
    assert done.code == 0, done.err
    thor = opened(stripes_made, tmp_path / "thor.edge")
    assert (thor.manifest.target, thor.part(HEADER)) == ("jetson-thor", b"/* the signer's own */")


def test_a_plan_alone_needs_no_signing_key(jetson: Path, stripes_made: Made) -> None:
    def sign() -> SigningKey:
        raise AssertionError("nothing is signed")

    def finish(bundle: Bundle) -> Finished:
        return Finished(Path(bundle.digest), FACTS, 0.0, {}, ())

    keyring = Keyring(stripes_made.home)
    done = retargeted_from_bundle(jetson, None, "tensorrt", keyring, sign, "now", 1, finish)
    assert done.finished is not None
    assert done.finished.path.name == opened(stripes_made, jetson).digest
    assert done.bundle.path == jetson


def test_a_refused_engine_leaves_no_bundle(stripes_made: Made, tmp_path: Path) -> None:
    def finish(bundle: Bundle) -> Finished:
        raise GateError("The engine does not answer as the float model.", "Do not use it.")

    keyring, output = Keyring(stripes_made.home), tmp_path / "x.edge"
    with pytest.raises(GateError):
        retargeted_from_bundle(
            stripes_made.bundle, output, "tensorrt", keyring, keyring.development_key, "now", 1, finish
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["jetson-orin", "jetson-thor"])
def test_without_an_output_nothing_can_be_made_for_another_device(
    target: str, edge: Command, stripes_made: Made
) -> None:
    done = edge("compile", stripes_made.bundle, "--target", target, home=stripes_made.home)
    check_told(done, 2, "another bundle must be written")
    assert f"-o OUT.edge --target {target}" in done.err


def test_a_bundle_that_is_for_the_device_already_is_told_where_to_go_on(
    edge: Command, jetson: Path, stripes_made: Made
) -> None:
    done = edge("compile", jetson, "--target", "jetson-orin", home=stripes_made.home)
    check_told(done, 2, "is for jetson-orin already")
    assert f"on the device: edge compile {jetson} --target tensorrt" in done.err


@pytest.mark.parametrize("model", ["edge_n", "bundle"])
def test_the_cpu_needs_an_output(model: str, edge: Command, stripes_made: Made) -> None:
    given = stripes_made.bundle if model == "bundle" else model
    check_told(edge("compile", given, home=stripes_made.home), 2, "Where the bundle of")


def test_an_unknown_form_of_linear_layers_is_refused(edge: Command, stripes_made: Made, tmp_path: Path) -> None:
    done = edge("compile", "edge_n", "-o", tmp_path / "x.edge", "--linear", "fast", home=stripes_made.home)
    check_told(done, 2, "no form of linear layers 'fast'")


def test_a_canonical_model_that_answers_otherwise_is_not_made_for_a_jetson(
    edge: Command, stripes_made: Made, tmp_path: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(opened(stripes_made, stripes_made.bundle).part(CANONICAL_MODEL))
    for tensor in model.graph.initializer:
        if tensor.name.endswith("weight_scale") or tensor.name == "head.bias":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[::-1].copy(), tensor.name))
    other = resigned(stripes_made.bundle, stripes_made, tmp_path, **{CANONICAL_MODEL: model.SerializeToString()})
    done = edge("compile", other, "-o", tmp_path / "x.edge", "--target", "jetson-orin", home=stripes_made.home)
    check_told(done, 5, "does not answer as the float model")
    assert not (tmp_path / "x.edge").exists()


@pytest.mark.parametrize("precision", ["int8", "fp16", "fp32"])
def test_a_model_is_compiled_for_a_jetson_and_measured_in_the_types_it_will_have(
    precision: str, edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    data = ("--calibration", stripes, "--gate-data", stripes, "--target", "jetson-orin", "--precision", precision)
    done = edge("compile", stripes_onnx, "-o", tmp_path / "orin.edge", *data, "--json", home=tmp_path / "home")
    assert done.code == 0, done.err
    bundle = load_bundle(tmp_path / "orin.edge", Keyring(tmp_path / "home"))
    assert (bundle.manifest.target, bundle.manifest.precision) == ("jetson-orin", precision)
    assert bundle.manifest.decision.method.endswith(EMULATED)
    assert {CANONICAL_MODEL, HEADER} < set(bundle.parts)
    assert CPU_MODEL not in bundle.parts
    assert done.document["gate"]["agreement"] == 1.0
    assert not [stage for stage in done.document["stages"] if stage.startswith("kernel")]


def test_the_sources_are_those_that_the_plugin_is_built_of(jetson: Path, stripes_made: Made, tmp_path: Path) -> None:
    from compile.gpu_sources import sources_from_bundle

    sources_from_bundle(opened(stripes_made, jetson), tmp_path / "sources")
    assert plugin_digest(tmp_path / "sources") == plugin_digest()


def resigned(path: Path, made: Made, folder: Path, **changes: bytes) -> Path:
    """The bundle with other parts, signed by the same key."""
    bundle: Bundle = opened(made, path)
    content = {name: bundle.part(name) for name in bundle.parts} | changes
    other = folder / "other.edge"
    manifest = replace(bundle.manifest, parts=())
    other.write_bytes(bytes_from_parts(manifest, content, Keyring(made.home).development_key()))
    return other
