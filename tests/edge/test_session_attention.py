"""Attention maps from the bundle's own engine: what a session gives, and what `edge classify --attention` writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.attention import HEAD_PART, map_from_features, map_on_frame
from edge.errors import UsageError
from edge.keyring import Keyring
from edge.manifest import RESEARCH_USE
from edge.preprocess import input_from_frame
from edge.session import open_session
from tests.conftest import Command, check_told
from tests.edge.conftest import MANIFEST, Maker, gate_parts, npy, onnx_classifier

Tissue = Callable[[int], NDArray[np.uint8]]


def with_head(bundles: Maker, **changes: Any) -> Path:
    """The random classifier of the other tests with its head as a part."""
    from dataclasses import replace

    import onnx
    from onnx import numpy_helper

    from edge.backends.ort import ort_from_model

    manifest, model = replace(MANIFEST, **changes), onnx_classifier()
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(model).graph.initializer}
    head = np.concatenate([weights["head"].T, np.zeros((3, 1))], axis=1).astype(np.float32)
    parts = {"model.cpu.onnx": model, HEAD_PART: npy(head)}
    return bundles.pack("head.edge", manifest, parts | gate_parts(manifest, ort_from_model(model, 1, spin=False)))


@pytest.fixture
def frames(tmp_path: Path, tissue: Tissue) -> Path:
    folder = tmp_path / "frames"
    (folder / "second").mkdir(parents=True)
    for name in ("a.png", "b.png", "second/a.png"):
        Image.fromarray(tissue(1)[:64]).save(folder / name)
    return folder


def test_the_map_is_of_the_most_probable_plane_unless_another_is_named(
    bundles: Maker, keyring: Keyring, tissue: Tissue
) -> None:
    frame = tissue(0)[:70]
    with open_session(with_head(bundles), threads=1, keyring=keyring) as session:
        plane = session.classify(frame).plane
        maps = {label: session.attention(frame, label) for label in session.manifest.label_ids}
        own = map_from_features(session.features(frame), session.head, session.manifest.label_ids.index(plane))
        np.testing.assert_array_equal(session.attention(frame), maps[plane])
    np.testing.assert_array_equal(maps[plane], map_on_frame(own, frame, MANIFEST.preprocess))
    assert maps[plane].shape == (70, 96)
    assert len({values.tobytes() for values in maps.values()}) > 1


def test_the_head_of_the_bundle_gives_the_logits_of_the_engine(
    bundles: Maker, keyring: Keyring, tissue: Tissue
) -> None:
    with open_session(with_head(bundles), threads=1, keyring=keyring) as session:
        logits = session.logits(input_from_frame(tissue(2), MANIFEST.preprocess))[0]
        np.testing.assert_allclose(session.head.logits_from_features(session.features(tissue(2))), logits, atol=1e-4)


def test_a_label_that_the_model_does_not_know_is_a_usage_error(
    bundles: Maker, keyring: Keyring, tissue: Tissue
) -> None:
    path = with_head(bundles)
    with open_session(path, threads=1, keyring=keyring) as session, pytest.raises(UsageError, match="no label 'spine'"):
        session.attention(tissue(0), "spine")


def test_one_overlay_an_image_with_its_name_and_the_research_line(
    bundles: Maker, keyring: Keyring, frames: Path, edge: Command, tmp_path: Path
) -> None:
    path = with_head(bundles, watermark="SYNTHETIC phantoms")
    done = edge("classify", path, frames, "--attention", tmp_path / "maps", "--json", home=keyring.home)
    assert done.code == 0, done.err
    written = [Path(line["attention"]) for line in done.lines]
    assert [file.name for file in written] == ["a.png", "b.png", "a-2.png"]
    with Image.open(written[0]) as image:
        texts, size = dict(image.text), image.size  # type: ignore[attr-defined]
    assert texts["Disclaimer"] == f"{RESEARCH_USE.en} {RESEARCH_USE.zh}"
    assert texts["Comment"] == "SYNTHETIC phantoms"
    assert texts["Title"].startswith("a.png")
    assert size[0] >= 320
    assert size[1] > 64


def test_without_the_option_nothing_is_written_and_no_key_is_added(
    bundles: Maker, keyring: Keyring, frames: Path, edge: Command
) -> None:
    done = edge("classify", with_head(bundles), frames, "--json", home=keyring.home)
    assert all("attention" not in line for line in done.lines)


def test_a_bundle_without_a_head_is_told_before_any_frame_is_answered(
    bundles: Maker, keyring: Keyring, frames: Path, edge: Command, tmp_path: Path
) -> None:
    done = edge("classify", bundles.onnx(), frames, "--attention", tmp_path / "maps", home=keyring.home)
    check_told(done, 2, "gives no attention maps")
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize(
    ("inputs", "folder"), [("frames", "frames"), ("frames", "frames/second"), ("frames/a.png", "frames")]
)
def test_overlays_never_go_among_the_inputs(
    inputs: str, folder: str, bundles: Maker, keyring: Keyring, frames: Path, edge: Command, tmp_path: Path
) -> None:
    before = {file: file.read_bytes() for file in frames.rglob("*.png")}
    done = edge("classify", with_head(bundles), tmp_path / inputs, "--attention", tmp_path / folder, home=keyring.home)
    check_told(done, 2, "among the inputs")
    assert {file: file.read_bytes() for file in frames.rglob("*.png")} == before


def test_every_frame_of_a_clip_gets_its_number(
    bundles: Maker, keyring: Keyring, edge: Command, tissue: Tissue, tmp_path: Path
) -> None:
    pages = [Image.fromarray(tissue(band)) for band in range(3)]
    pages[0].save(tmp_path / "clip.gif", save_all=True, append_images=pages[1:], duration=40)
    done = edge(
        "classify",
        with_head(bundles),
        tmp_path / "clip.gif",
        "--attention",
        tmp_path / "m",
        "--json",
        home=keyring.home,
    )
    assert [Path(line["attention"]).name for line in done.lines] == ["clip.png", "clip-00001.png", "clip-00002.png"]


def test_a_disk_that_is_full_is_told_once(
    bundles: Maker, keyring: Keyring, frames: Path, edge: Command, tmp_path: Path
) -> None:
    (tmp_path / "maps").write_text("a file where the folder should be")
    done = edge("classify", with_head(bundles), frames, "--attention", tmp_path / "maps", "--json", home=keyring.home)
    assert done.code == 1
    assert json.loads(done.out.splitlines()[-1])["exit_code"] == 1
