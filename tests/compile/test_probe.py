"""Linear probes: what they choose on, that they see nothing of the test, and the command on every kind of encoder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from calibration.formats import load_dataset
from compile.model.checkpoint import save_student
from compile.model.sononet import SonoNet
from compile.model.spec import ModelSpec
from compile.model.students import student_from_name
from compile.training.probe.cli import _parts
from compile.training.probe.encoder import encoder_from_text, kept_features
from compile.training.probe.regression import Encoded, few_shot, probe_from_vectors, scores_from_probe
from edge.errors import CheckpointError, LabelsError
from edge.keyring import Keyring
from edge.preprocess import Preprocess
from tests.compile.crossval_cases import PLANES, mount, table_of
from tests.conftest import Command, Made, check_told, striped

LABELS = ("a", "b", "c")


def encoded(patients: int, shift: float = 2.0, seed: int = 0) -> Encoded:
    """Three clouds; images of a patient lie close together."""
    rng = np.random.default_rng(seed)
    truth = np.tile(np.arange(3), patients)
    centres = shift * np.eye(3, 8)[truth]
    own = rng.normal(size=(patients, 8)).repeat(3, 0)
    vectors = (centres + own + 0.3 * rng.normal(size=(len(truth), 8))).astype(np.float32)
    return Encoded(vectors, truth, tuple(f"p{seed}-{index // 3}" for index in range(len(truth))))


def test_a_probe_tells_clouds_apart_and_scores_stand_with_their_interval() -> None:
    probe, by_strength = probe_from_vectors(encoded(40), 3)
    scores = scores_from_probe(probe, encoded(30, seed=1), LABELS)
    low, high = scores["intervals"]["macro_f1"]
    assert 0.75 < scores["macro_f1"] < 1 and low < scores["macro_f1"] < high
    assert abs(max(by_strength.values()) - scores["macro_f1"]) < 0.12


def test_the_strength_is_chosen_on_other_patients() -> None:
    """Vectors that name their patient and nothing else: cuts through patients would find them perfect."""
    patients, each = 12, 6
    names = np.eye(patients, dtype=np.float32).repeat(each, 0)
    truth = (np.arange(patients) % 3).repeat(each)
    train = Encoded(names, truth, tuple(f"p{i // each}" for i in range(len(names))))
    assert max(probe_from_vectors(train, 3)[1].values()) < 0.6


def test_the_same_seed_gives_the_same_probe() -> None:
    first, second = (probe_from_vectors(encoded(20), 3, seed=3) for _ in range(2))
    assert first[1] == second[1] and np.array_equal(first[0][-1].coef_, second[0][-1].coef_)


def test_few_images_are_drawn_again_and_again_and_more_of_them_help() -> None:
    train, test = encoded(40), encoded(30, seed=1)
    one, ten = (few_shot(train, test, LABELS, images, draws=6) for images in (1, 10))
    assert len(set(one["macro_f1"])) > 1 and one["mean"] < ten["mean"]
    assert one["deviation"] == pytest.approx(np.std(one["macro_f1"], ddof=1))
    assert few_shot(train, test, LABELS, 1, draws=1)["deviation"] is None


def test_too_few_images_or_patients_are_refused() -> None:
    with pytest.raises(LabelsError, match="a has 4 training images, not 5"):
        few_shot(encoded(4), encoded(4), LABELS, 5, 1)
    with pytest.raises(LabelsError, match="fewer than two patients"):
        probe_from_vectors(encoded(1), 3)


def test_features_are_the_mean_of_the_last_map_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from compile.training.images import inputs_from_dataset
    from compile.training.probe import encoder as module

    dataset = load_dataset(table_of(tmp_path / "data", "fpdb", 2))
    network, spec = student_from_name("edge_n_noscan", 2), ModelSpec("edge_n_noscan", PLANES, (), Preprocess(64))
    save_student(network, spec, tmp_path / "w.safetensors")
    encoder, keyring = encoder_from_text(str(tmp_path / "w.safetensors")), Keyring(tmp_path / "home")
    made = kept_features(tmp_path, encoder, dataset, keyring, 1, lambda *_: None)
    inputs = torch.from_numpy(inputs_from_dataset(dataset, spec.preprocess))
    with torch.inference_mode():
        expected = network.half().float().eval()(inputs)[1].mean((1, 2)).numpy()
    assert made == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(module, "_from_torch", None)
    assert np.array_equal(kept_features(tmp_path, encoder, dataset, keyring, 1, lambda *_: None), made)


def test_the_command_probes_sononet_and_leaves_the_test_patients_out(
    tmp_path: Path, edge: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(monkeypatch)
    weights, labels = tmp_path / "sononet.safetensors", tmp_path / "planes.txt"
    save_file({k: v for k, v in SonoNet().state_dict().items() if not k.endswith("num_batches_tracked")}, weights)
    labels.write_text("\n".join(PLANES))
    table, other = table_of(tmp_path / "data", "fpdb", 9), table_of(tmp_path / "other", "elsewhere", 3)
    more = ("--labels", labels, "--few", 2, "--draws", 2, "--cohort", f"abroad={other}")
    done = edge("probe", f"sononet16:{weights}", "--data", table, "-o", tmp_path / "out", *more, "--json")
    assert done.code == 0, done.err
    document = done.document
    assert json.loads((tmp_path / "out" / "probe.json").read_text()) == document
    assert (document["dimensions"], document["train"]["n"], document["n"]) == (128, 12, 6)
    assert (document["train"]["patients"], document["test"]["patients"], document["warnings"]) == (6, 3, [])
    assert document["synthetic"] is False
    assert document["cohorts"]["abroad"]["n"] == 2 and len(document["few"]["macro_f1"]) == 2
    told = edge("probe", f"sononet16:{weights}", "--data", table, "-o", tmp_path / "out", *more)
    assert told.code == 0 and "macro-F1 on abroad" in told.out
    twice = ("--cohort", f"abroad={table_of(tmp_path / 'third', 'third', 3)}")
    check_told(
        edge("probe", f"sononet16:{weights}", "--data", table, "-o", tmp_path / "out", *more, *twice),
        2,
        "Two cohorts are called abroad",
    )


WITHOUT_TORCH = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ImportError("no torch here")

sys.meta_path.insert(0, Absent)

import typer
from compile.training.probe import cli as probe_cli

app = typer.Typer()
app.callback()(lambda: None)
probe_cli.register(app)
app(sys.argv[1:])
"""


def test_a_bundle_is_probed_without_torch_and_figures_of_phantoms_say_so(stripes_made: Made, tmp_path: Path) -> None:
    table = table_of(tmp_path / "data", "phantom", 9)
    arguments = ("probe", stripes_made.bundle, "--data", table, "-o", tmp_path / "out", "--json")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        env={**os.environ, "VMAMBA_EDGE_HOME": str(stripes_made.home)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["synthetic"] is True
    assert document["labels"] == list(PLANES) and "trained by this program" in document["warnings"][0]


BAD = {
    "encoder": (["missing.edge"], "is not a file", 3),
    "labels": (["{weights}", "--labels", "missing.txt"], "cannot be read", 2),
    "seed": (["{weights}", "--seed", "-1"], "--seed", 2),
    "data set": (["{weights}", "--only-datasets", "hc18"], "no image of these planes", 3),
}


@pytest.mark.parametrize(("arguments", "told", "code"), BAD.values(), ids=BAD)
def test_what_cannot_be_probed_is_refused(
    tmp_path: Path, edge: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str, code: int
) -> None:
    mount(monkeypatch)
    weights, table = tmp_path / "w.safetensors", table_of(tmp_path / "data", "fpdb", 6)
    weights.touch()
    filled = [argument.format(weights=weights) for argument in arguments]
    check_told(edge("probe", *filled, "--data", table, "-o", tmp_path / "out", "--json"), code, told)


def test_a_file_in_the_way_is_told_first(tmp_path: Path, edge: Command) -> None:
    (tmp_path / "out").touch()
    told = edge("probe", "w.safetensors", "--data", tmp_path / "labels.csv", "-o", tmp_path / "out")
    check_told(told, 2, "is a file, not a folder")


def test_a_test_part_without_a_trained_plane_is_refused(
    tmp_path: Path, edge: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(monkeypatch)
    weights, table = tmp_path / "w.safetensors", table_of(tmp_path / "data", "fpdb", 6)
    weights.touch()
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row.replace("abdomen,test", "thorax,test") for row in rows if "femur,test" not in row))
    check_told(edge("probe", weights, "--data", table, "-o", tmp_path / "out"), 3, "No test image shows")


def test_class_folders_that_number_their_images_alike_lose_none(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number, label in enumerate(PLANES):
            (tmp_path / part / label).mkdir(parents=True)
            for name in ("1.png", "2.png"):
                seed = 10 * len(part) + number + len(list(tmp_path.rglob("*.png")))
                Image.fromarray(striped(number, seed, 48)).save(tmp_path / part / label / name)
    train, test, planes = _parts(tmp_path, None, PLANES, (), lambda _stage, _share: None)
    assert (len(train.samples), len(test.samples), planes) == (4, 4, PLANES)


def test_an_encoder_that_is_not_there_is_named() -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        encoder_from_text("sononet16:nowhere.safetensors")
