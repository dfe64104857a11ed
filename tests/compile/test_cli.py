"""`edge compile` as its user meets it: a model goes in, a bundle that verifies, classifies and evaluates comes out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.cpu import load_cpu
from tests.conftest import PLANES, Command, Made, check_told, edge_process, labels_file, striped

NO_TORCH = "import sys; sys.modules.update(dict.fromkeys(('torch', 'onnxscript', 'safetensors', 'sklearn', 'timm')))"
NO_ONNX = "import sys; sys.modules.update(dict.fromkeys(('torch', 'onnx', 'onnxscript', 'safetensors', 'cyclonedx')))"


def data_of(stripes: Path) -> tuple[object, ...]:
    return ("--calibration", stripes, "--gate-data", stripes, "--threads", 1)


def manifest_of(edge: Command, made: Made, bundle: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = edge("inspect", bundle, "--json", home=made.home).document["manifest"]
    return manifest


def test_compiling_says_what_was_made_and_measured(stripes_made: Made) -> None:
    document = stripes_made.document
    stages = [name for name in document["stages"] if not name.startswith("kernel ")]
    assert stages == ["export", "smooth", "calibrate", "quantize", "lower"]
    assert f"kernel {load_cpu().machine}" in document["stages"]
    assert all(Path(stage["file"]).is_file() for stage in document["stages"].values())
    assert document["gate"] | {"f1_float": 1.0, "f1_engine": 1.0, "agreement": 1.0, "n": 24} == document["gate"]
    assert document["decision"]["threshold"] > 0
    assert document["development_key"] is True
    assert document["size_bytes"] == stripes_made.bundle.stat().st_size


def test_a_bundle_verifies_in_a_process_of_its_own(stripes_made: Made) -> None:
    done = edge_process(stripes_made.home, "verify", stripes_made.bundle, "--json")
    assert done.code == 0, done.err
    assert done.document["ok"] is True
    assert 0 < done.document["gate_error"] <= done.document["gate_tolerance"]


@pytest.mark.parametrize("absent", [NO_TORCH, NO_ONNX], ids=["torch", "onnx"])
def test_a_bundle_classifies_without_the_toolchain(absent: str, stripes_made: Made, tmp_path: Path) -> None:
    for plane in range(len(PLANES)):
        Image.fromarray(striped(plane, seed=7)).save(tmp_path / f"{plane}.png")
    done = edge_process(stripes_made.home, "classify", stripes_made.bundle, tmp_path, "--json", prelude=absent)
    assert done.code == 0, done.err
    assert [line["plane"] for line in done.lines] == list(PLANES)
    assert any(line["accepted"] for line in done.lines)


def test_evaluate_measures_the_bundle(stripes_made: Made, stripes: Path) -> None:
    done = edge_process(stripes_made.home, "evaluate", stripes_made.bundle, stripes, "--json")
    assert done.code == 0, done.err
    text = json.dumps(done.document)
    assert '"macro_f1": 1.0' in text
    assert '"n": 24' in text


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_float_bundle_answers_as_the_int8_one(
    precision: str, edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "float.edge"
    options = ("--precision", precision, *data_of(stripes))
    made = edge("compile", stripes_onnx, "-o", bundle, *options, "--json")
    assert made.code == 0, made.err
    assert not {"smooth", "calibrate", "quantize"} & made.document["stages"].keys()
    manifest = edge("inspect", bundle, "--json").document["manifest"]
    assert manifest["precision"] == precision
    assert "table.json" not in {part["name"] for part in manifest["parts"]}
    Image.fromarray(striped(1, seed=7)).save(tmp_path / "frame.png")
    assert edge("classify", bundle, tmp_path / "frame.png", "--json").lines[0]["plane"] == PLANES[1]


def test_fp16_halves_the_large_weights(edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path) -> None:
    sizes = {}
    for precision in ("fp16", "fp32"):
        options = ("--precision", precision, *data_of(stripes))
        done = edge("compile", stripes_onnx, "-o", tmp_path / f"{precision}.edge", *options, "--json")
        sizes[precision] = (tmp_path / "work" / precision / "model.onnx").stat().st_size
        if precision == "fp16":
            sizes[precision] = Path(done.document["stages"]["fp16 weights"]["file"]).stat().st_size
    assert sizes["fp16"] < 0.8 * sizes["fp32"]


def test_a_skipped_gate_is_written_down_and_told_at_every_start(
    edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "x.edge"
    options = ("--no-gate", "--precision", "fp32", *data_of(stripes))
    made = edge("compile", stripes_onnx, "-o", bundle, *options)
    assert made.code == 0, made.err
    assert "gate (skipped)" in made.out
    inspected = edge("inspect", bundle, "--json")
    assert inspected.document["manifest"]["gate"]["skipped"] is True
    assert "gate was skipped" in inspected.err


def test_a_named_key_signs_and_the_release_counts(
    edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "x.edge"
    options = ("--precision", "fp32", "--key", "clinic", *data_of(stripes))
    check_told(edge("compile", stripes_onnx, "-o", bundle, *options), 2, "no key 'clinic'")
    assert edge("key", "new", "clinic").code == 0
    made = edge("compile", stripes_onnx, "-o", bundle, "--release", 7, *options, "--json")
    assert made.document["development_key"] is False
    assert edge("verify", bundle, "--json").code == 0
    again = edge("compile", stripes_onnx, "-o", bundle, *options, "--json")  # no number: the highest opened here
    assert again.code == 0, again.err
    inspected = edge("inspect", bundle, "--json").document
    assert (inspected["signer"]["name"], inspected["manifest"]["release"]) == ("clinic", 7)


def test_the_table_for_people_names_stages_gate_decision_and_bundle(
    edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    done = edge("compile", stripes_onnx, "-o", tmp_path / "x.edge", "--precision", "fp32", *data_of(stripes))
    assert done.code == 0, done.err
    for text in ("export", "macro-F1 1.0000 float, 1.0000 engine", "decision:", "development key", "x.edge"):
        assert text in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (("--target", "abacus"), "no target 'abacus'"),
        (("--precision", "int3"), "no precision 'int3'"),
        (("--crop", "circle"), "no crop 'circle'"),
        (("-o", "x.onnx"), "not named NAME.edge"),
        (("--gate", "-1"), "--gate"),
        (("--gat", "1"), "--gat"),
        (("--labels", "absent.txt"), "absent.txt cannot be read"),
    ],
)
def test_an_option_that_cannot_mean_anything_is_exit_2(
    options: tuple[str, ...], cause: str, edge: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_told(edge("compile", "edge_n", "-o", "y.edge", *options), 2, cause)
    assert not list(tmp_path.glob("*.edge"))
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("patient", ["", "val0.png"], ids=["same image", "same patient"])
def test_gate_images_that_calibration_saw_are_no_gate(
    patient: str, edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    rows = [{"file": "seen.png", "label": PLANES[0], "patient": patient}]
    shutil.copy(stripes.parent / ("test0.png" if patient else "val0.png"), tmp_path / "seen.png")
    seen = labels_file(tmp_path / "seen.csv", rows)
    done = edge("compile", stripes_onnx, "-o", tmp_path / "x.edge", "--calibration", stripes, "--gate-data", seen)
    check_told(done, 2, "Every gate image, or its patient, is also among the calibration images")
    assert not (tmp_path / "x.edge").exists()


def test_images_without_a_plane_of_the_model_leave_f1_out(
    edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    rows = []
    for number in range(12):
        Image.fromarray(striped(number % 3, seed=100 + number)).save(tmp_path / f"{number}.png")
        rows.append({"file": f"{number}.png", "label": "unknown", "split": "val" if number < 6 else "test"})
    data = labels_file(tmp_path / "labels.csv", rows)
    done = edge("compile", stripes_onnx, "-o", tmp_path / "x.edge", *data_of(data), "--json")
    assert done.code == 0, done.err
    gate = done.document["gate"]
    assert (gate["assessed"], gate["f1_engine"], gate["n"]) == (False, None, 6)
    assert gate["agreement"] >= 0.99
    assert done.document["decision"]["threshold"] is None
    answer = edge("classify", tmp_path / "x.edge", tmp_path / "0.png", "--json").lines[0]
    assert (answer["plane"], answer["answer"], answer["accepted"]) == (PLANES[0], "not_covered", False)
    assert np.isclose(sum(chance for _, chance in answer["top"]), 1, atol=1e-5)
