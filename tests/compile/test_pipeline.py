"""The whole flow: what the gate lets through, what it refuses, and what is mended before it has to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calibration.graph import graph_from_model, load_model
from calibration.layers import int8_layers, integer_result
from calibration.table import Range, Table, json_from_table, load_table
from edge.files import sha256_from_file
from tests.conftest import PLANES, Command, Done, Made, check_told, edge_process, labels_file, striped

ImageRows = list[dict[str, str]]


def rigged(made: Made, folder: Path, change: Callable[[Table], dict[str, Range]]) -> Path:
    """A copy of the stages' files in which the calibration has "measured" other ranges."""
    work = Path(shutil.copytree(made.work, folder / "work"))
    table, note = work / "table.json", work / "table.json.made.json"
    ranges = load_table(table)
    table.write_text(json_from_table(replace(ranges, ranges={**ranges.ranges, **change(ranges)})))
    note.write_text(json.dumps({**json.loads(note.read_text()), "sha256": sha256_from_file(table)}))
    return work


def compiled(made: Made, model: object, output: Path, *options: object) -> Done:
    return edge_process(made.home, "compile", model, "-o", output, "--json", *options)


def test_the_shipped_student_passes_the_gate(shipped: Made) -> None:
    gate = shipped.document["gate"]
    assert gate["assessed"]
    assert not gate["skipped"]
    assert gate["n"] == 375
    assert gate["drop"] <= 0.3
    assert gate["agreement"] >= 0.99


def test_one_range_sixteen_times_too_wide_is_refused_and_nothing_is_written(shipped: Made, tmp_path: Path) -> None:
    """The range of what the stem gives, which every later layer depends on: four of its eight bits are lost."""
    graph = graph_from_model(load_model(shipped.work / "smooth.onnx"))
    stem = integer_result(int8_layers(graph)[0].node, graph)
    assert stem is not None

    def sixteen_times(table: Table) -> dict[str, Range]:
        return {stem: replace(table.ranges[stem], amax=16 * table.ranges[stem].amax)}

    work = rigged(shipped, tmp_path, sixteen_times)
    done = compiled(shipped, "edge_n", tmp_path / "x.edge", "--work", work)
    check_told(done, 5, "The engine")
    assert not (tmp_path / "x.edge").exists()


def test_ranges_that_are_all_wrong_are_refused_and_explained(
    stripes_made: Made, stripes_onnx: Path, stripes: Path, tmp_path: Path
) -> None:
    def far_too_wide(table: Table) -> dict[str, Range]:
        return {name: replace(entry, amax=300 * entry.amax) for name, entry in table.ranges.items()}

    work = rigged(stripes_made, tmp_path, far_too_wide)
    options = ("--calibration", stripes, "--gate-data", stripes, "--work", work, "--explain", tmp_path / "why")
    done = compiled(stripes_made, stripes_onnx, tmp_path / "x.edge", *options)
    check_told(done, 5, "The engine")
    assert not (tmp_path / "x.edge").exists()
    assert (tmp_path / "why" / "layers.md").is_file()


def test_a_layer_that_int8_breaks_stays_float(
    stripes_made: Made, stripes_onnx: Path, stripes: Path, tmp_path: Path
) -> None:
    first = int8_layers(graph_from_model(load_model(stripes_made.work / "smooth.onnx")))[0].input

    def one_broken(table: Table) -> dict[str, Range]:
        return {first: replace(table.ranges[first], amax=300 * table.ranges[first].amax, error=1.0)}

    work = rigged(stripes_made, tmp_path, one_broken)
    options = ("--calibration", stripes, "--gate-data", stripes, "--work", work)
    done = compiled(stripes_made, stripes_onnx, tmp_path / "x.edge", *options)
    assert done.code == 0, done.err
    assert any("stay float" in message for message in done.document["messages"])
    assert edge_process(stripes_made.home, "verify", tmp_path / "x.edge").code == 0


def test_an_official_vmamba_t_compiles_to_int8_and_classifies(tmp_path: Path) -> None:
    """A checkpoint as its authors publish it, but with random weights: no class means anything, answers still agree."""
    import torch

    from compile.model.vmamba import vmamba_from_name

    torch.manual_seed(0)
    module = vmamba_from_name("vmamba_t", 1000, in_channels=3)
    with torch.no_grad():
        module.classifier.head.weight.mul_(3)  # logits of order 1, as a trained head gives
    torch.save({"model": module.state_dict()}, tmp_path / "vssm1_tiny.pth")
    rows: ImageRows = []
    for number in range(18):
        Image.fromarray(striped(number % 3, seed=number)).save(tmp_path / f"{number}.png")
        rows.append({"file": f"{number}.png", "label": "unknown", "split": "val" if number < 6 else "test"})
    data, home = labels_file(tmp_path / "labels.csv", rows), tmp_path / "home"
    options = ("--calibration", data, "--gate-data", data, "--size", 64, "--no-gate", "--json")
    done = edge_process(home, "compile", tmp_path / "vssm1_tiny.pth", "-o", tmp_path / "t.edge", *options)
    assert done.code == 0, done.err
    gate = done.document["gate"]
    assert done.document["model"] == "vmamba_t"
    assert (gate["assessed"], gate["f1_engine"], gate["skipped"]) == (False, None, True)
    assert gate["agreement"] >= 0.9  # without training the two best of 1000 classes often lie close
    assert gate["tolerance"] < 0.2  # twice the largest error of the logits, in units of their spread
    asked = ("--top", 2, "--attention", tmp_path / "maps", "--json")
    answer = edge_process(home, "classify", tmp_path / "t.edge", tmp_path / "0.png", *asked).lines[0]
    assert answer["plane"].startswith("class_")
    assert (answer["answer"], len(answer["top"])) == ("not_covered", 2)
    assert (tmp_path / "maps" / "0.png").is_file()


def test_weights_that_give_nan_are_refused_even_without_a_gate(
    edge: Command, stripes_onnx: Path, stripes: Path, tmp_path: Path
) -> None:
    """Finite weights that overflow on the way: float16 range is exceeded only at run time."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(stripes_onnx)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4:
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(1e30), tensor.name))
    onnx.save(model, tmp_path / "hot.onnx")
    data = ("--calibration", stripes, "--gate-data", stripes, "--precision", "fp32", "--no-gate")
    done = edge("compile", tmp_path / "hot.onnx", "-o", tmp_path / "x.edge", *data)
    check_told(done, 5, "not a finite number")
    assert not (tmp_path / "x.edge").exists()


@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessing_given_on_the_command_line_travels_in_the_bundle(
    channels: int, edge: Command, stripes: Path, tmp_path: Path
) -> None:
    import torch

    from compile.model.vmamba import VMamba, VMambaShape

    torch.manual_seed(0)
    module = VMamba(VMambaShape((16, 16, 16, 16), (1, 1, 1, 1), 1.0), len(PLANES), in_channels=channels)
    torch.save(module.state_dict(), tmp_path / "small.pth")
    options = ("--size", 64, "--mean", 0.25, "--std", 0.5, "--crop", "sector", "--precision", "fp32")
    data = ("--calibration", stripes, "--gate-data", stripes)
    done = edge("compile", tmp_path / "small.pth", "-o", tmp_path / "x.edge", *options, *data)
    assert done.code == 0, done.err
    manifest = edge("inspect", tmp_path / "x.edge", "--json").document["manifest"]
    assert manifest["preprocess"] == {"channels": channels, "crop": "sector", "mean": 0.25, "size_px": 64, "std": 0.5}
    assert manifest["model"]["name"] == "small"
    assert [label["id"] for label in manifest["labels"]] == ["class_0", "class_1", "class_2"]
