"""A bundle is lowered again on the cart: without torch, with the same name, decision and gate frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.attention import HEAD_PART
from edge.bundle import Bundle, bytes_from_parts
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.session import CANONICAL_MODEL, CPU_MODEL
from tests.conftest import PLANES, Command, Made, check_told, edge_process, striped

CART = """
import sys
ABSENT = 'torch', 'torchvision', 'timm', 'safetensors', 'onnxscript', 'sklearn', 'matplotlib'
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ABSENT:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
"""


def opened(made: Made, path: Path) -> Bundle:
    return load_bundle(path, Keyring(made.home))


@pytest.fixture(scope="module")
def again(stripes_made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X.edge -> Y.edge in a process that cannot import torch."""
    output = tmp_path_factory.mktemp("cart") / "again.edge"
    done = edge_process(stripes_made.home, "compile", stripes_made.bundle, "-o", output, "--json", prelude=CART)
    assert done.code == 0, done.err
    assert done.document["bundle"] == str(output)
    return output


def test_recompiling_needs_no_torch_and_the_result_classifies(again: Path, stripes_made: Made, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(striped(2, seed=9)).save(tmp_path / "frame.png")
    done = edge_process(stripes_made.home, "classify", again, tmp_path / "frame.png", "--json", prelude=CART)
    assert done.code == 0, done.err
    assert done.lines[0]["plane"] == PLANES[2]


def test_everything_but_the_engine_stays(again: Path, stripes_made: Made) -> None:
    before, after = opened(stripes_made, stripes_made.bundle), opened(stripes_made, again)
    assert before.parts.keys() == after.parts.keys()
    assert HEAD_PART in after.parts
    same = {name for name in before.parts if before.part(name) == after.part(name)}
    assert same >= before.parts.keys() - {CPU_MODEL}
    assert replace(before.manifest, created="", parts=()) == replace(after.manifest, created="", parts=())


def test_the_same_machine_makes_the_same_engine(again: Path, stripes_made: Made) -> None:
    assert opened(stripes_made, again).part(CPU_MODEL) == opened(stripes_made, stripes_made.bundle).part(CPU_MODEL)


def test_compiling_from_weights_without_torch_names_the_pip_line(stripes_made: Made, tmp_path: Path) -> None:
    done = edge_process(stripes_made.home, "compile", "edge_n", "-o", tmp_path / "x.edge", prelude=CART)
    check_told(done, 4, "'torch' is not installed")
    assert "'.[compile]'" in done.err


def test_a_canonical_model_that_answers_otherwise_is_refused(
    edge: Command, stripes_made: Made, stripes_onnx: Path, tmp_path: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    bundle = opened(stripes_made, stripes_made.bundle)
    model = onnx.load_from_string(bundle.part(CANONICAL_MODEL))
    for tensor in model.graph.initializer:
        if tensor.name.endswith("weight_scale") or tensor.name == "head.bias":
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values[::-1].copy(), tensor.name))
    parts = {name: bundle.part(name) for name in bundle.parts} | {CANONICAL_MODEL: model.SerializeToString()}
    other = tmp_path / "other.edge"
    manifest = replace(bundle.manifest, parts=())
    other.write_bytes(bytes_from_parts(manifest, parts, Keyring(stripes_made.home).development_key()))
    done = edge("compile", other, "-o", tmp_path / "x.edge", home=stripes_made.home)
    check_told(done, 5, "does not answer as the float model")
    assert not (tmp_path / "x.edge").exists()


def test_a_bundle_of_an_unknown_signer_is_not_lowered(edge: Command, stripes_made: Made, tmp_path: Path) -> None:
    done = edge("compile", stripes_made.bundle, "-o", tmp_path / "x.edge", home=tmp_path / "stranger")
    check_told(done, 6, "a key this device does not trust")
    assert not (tmp_path / "x.edge").exists()


def test_one_scale_multiplied_by_four_is_refused_and_nothing_is_written(
    edge: Command, shipped: Made, tmp_path: Path
) -> None:
    """The stem's weights come back four times too large, in the student that ships."""
    import onnx
    from onnx import numpy_helper

    bundle = opened(shipped, shipped.bundle)
    model = onnx.load_from_string(bundle.part(CANONICAL_MODEL))
    scale = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("weight_scale"))
    scale.CopyFrom(numpy_helper.from_array(4 * numpy_helper.to_array(scale), scale.name))
    parts = {name: bundle.part(name) for name in bundle.parts} | {CANONICAL_MODEL: model.SerializeToString()}
    other = tmp_path / "other.edge"
    signer = Keyring(shipped.home).development_key()
    other.write_bytes(bytes_from_parts(replace(bundle.manifest, parts=()), parts, signer))
    done = edge("compile", other, "-o", tmp_path / "x.edge", home=shipped.home)
    check_told(done, 5, "does not answer as the float model")
    assert not (tmp_path / "x.edge").exists()
