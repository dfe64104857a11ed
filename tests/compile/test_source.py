"""What the user named -> a float model with its description."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from compile.source import WEIGHTS, path_from_name, spec_from_onnx
from edge.errors import ModelError, UsageError
from edge.files import sha256_from_file

MOST_BYTES = 20_000_000


def test_a_zoo_name_with_shipped_weights_is_their_file() -> None:
    assert path_from_name("edge_n") == WEIGHTS / "edge_n.safetensors"


@pytest.mark.parametrize("weights", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_shipped_weights_are_small_float16_and_have_a_card_of_these_very_bytes(weights: Path) -> None:
    card = weights.with_suffix(".md").read_text("utf-8")
    assert f"`{sha256_from_file(weights)}`" in card
    assert weights.stat().st_size <= MOST_BYTES
    assert {tensor.dtype.name for tensor in load_file(weights).values()} <= {"float16", "int64"}


def test_a_zoo_name_without_shipped_weights_says_which_ship() -> None:
    with pytest.raises(UsageError, match=r"No weights of vmamba_b ship with the project \(shipped: .*edge_n"):
        path_from_name("vmamba_b")


@pytest.mark.parametrize(("name", "nearest"), [("edge-n", "edge_n"), ("vmamba_tiny", "vmamba_t"), ("resnet", "resnet")])
def test_an_unknown_name_gets_the_nearest_ones(name: str, nearest: str) -> None:
    with pytest.raises(UsageError) as raised:
        path_from_name(name)
    assert f"{name!r}" in raised.value.cause
    assert nearest in raised.value.cure


@pytest.mark.parametrize("name", ["absent.onnx", "absent.pth", "absent.safetensors", "folder/absent.pt"])
def test_a_file_that_is_not_there_is_an_input_error(name: str) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        path_from_name(name)


def test_the_description_is_read_from_the_onnx_file(stripes_onnx: Path) -> None:
    spec = spec_from_onnx(stripes_onnx)
    assert (spec.name, spec.protocol, spec.preprocess.size_px) == ("stripes", "demo", 64)


def test_an_onnx_file_without_a_description_is_refused(stripes_onnx: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(stripes_onnx)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="carries no description"):
        spec_from_onnx(tmp_path / "bare.onnx")
