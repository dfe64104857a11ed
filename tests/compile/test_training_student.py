"""`edge train` from a table to weights that describe themselves, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration.dataset import Dataset
from calibration.samples_set import note_on_held_out
from compile.model.checkpoint import teacher_from_checkpoint
from compile.training.recipe import Distillation, Recipe
from compile.training.recipe_file import checked_recipe, labels_from_file, phases_from_text, recipe_from_toml
from compile.training.schedule import rate_at
from compile.training.student import reported_dataset, student_from_dataset
from edge.errors import LabelsError, UsageError
from edge.files import sha256_from_file
from edge.preprocess import Preprocess
from tests.compile.training_cases import HELD_OUT_ROWS, RECIPE, ROWS, dataset_of, short, silent
from tests.conftest import Command, check_told

FLOAT = ("--precision", "fp32", "--no-native", "--no-gate")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Images to train on and images that are held out."""
    folder = tmp_path_factory.mktemp("data")
    return dataset_of(folder / "train", ROWS), dataset_of(folder / "held", HELD_OUT_ROWS)


def test_a_student_is_trained_from_a_table_to_weights_that_describe_themselves(
    data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    artifact = student_from_dataset(*data, short(), tmp_path / "work", tmp_path / "student.safetensors", silent)
    model, info = teacher_from_checkpoint(artifact.path)
    assert info.spec is not None
    assert (info.spec.name, info.spec.labels) == ("edge_n", ("abdomen", "femur", "not_standard"))
    assert info.spec.reject_labels == ("not_standard",)
    assert info.spec.machines == ("Aloka",)
    assert info.spec.preprocess == Preprocess(size_px=32)
    assert info.spec.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert set(artifact.made_from) == {"dataset", "recipe"}
    assert not info.spec.synthetic


def is_synthetic(weights: Path) -> bool:
    spec = teacher_from_checkpoint(weights)[1].spec
    return spec is not None and spec.synthetic


def test_whoever_learned_from_a_phantom_is_synthetic_and_so_is_whoever_goes_on_from_there(
    data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    dataset, held_out = data
    phantoms = replace(dataset, samples=(replace(dataset.samples[0], dataset="phantom"), *dataset.samples[1:]))
    first = student_from_dataset(phantoms, held_out, short(), tmp_path / "a", tmp_path / "a.safetensors", silent)
    further = student_from_dataset(
        *data, short(), tmp_path / "b", tmp_path / "b.safetensors", silent, initial=str(first.path)
    )
    assert is_synthetic(first.path) and is_synthetic(further.path)
    assert "initial" not in first.made_from
    assert further.made_from["initial"] == f"{short().model} {sha256_from_file(first.path)}"


def test_a_bundle_measured_on_phantoms_is_watermarked(tmp_path: Path, edge: Command) -> None:
    rows = [(f"{i}.png", "femur", "test", f"p{i}", "") for i in range(3)]
    root = dataset_of(tmp_path / "images", rows).root
    lines = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join([f"{lines[0]},dataset", *(f"{line},phantom" for line in lines[1:])]))
    done = edge("compile", "edge_n", "-o", tmp_path / "n.edge", *FLOAT, "--gate-data", root / "labels.csv")
    assert done.code == 0, done.err
    assert "SYNTHETIC" in done.out + done.err
    assert "SYNTHETIC" in edge("inspect", tmp_path / "n.edge").out


def test_held_out_images_without_a_trained_label_are_refused(data: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    dataset, held_out = data
    strangers = replace(held_out, samples=tuple(replace(sample, label="spine") for sample in held_out.samples))
    with pytest.raises(LabelsError, match="no image of a plane that is trained"):
        student_from_dataset(dataset, strangers, RECIPE, tmp_path, tmp_path / "student.safetensors", silent)


def test_progress_is_not_reported_on_test_images_where_there_are_others(data: tuple[Dataset, Dataset]) -> None:
    _, held_out = data
    assert len(reported_dataset(held_out, RECIPE).samples) == 3
    mixed = replace(held_out, samples=(replace(held_out.samples[0], split="val"), *held_out.samples[1:]))
    assert [sample.split for sample in reported_dataset(mixed, RECIPE).samples] == ["val"]


def test_progress_is_not_reported_on_images_of_the_reject_label_alone(data: tuple[Dataset, Dataset]) -> None:
    _, held_out = data
    others = replace(held_out, samples=tuple(replace(s, label="cervix", split="val") for s in held_out.samples))
    with pytest.raises(LabelsError, match="no image of a plane that is trained"):
        reported_dataset(others, RECIPE)


def unexpected(stage: str, _share: float) -> None:
    pytest.fail(f"{stage} was begun")


def test_an_unknown_model_is_refused_before_any_image_is_read(data: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="edge-n"):
        student_from_dataset(*data, replace(RECIPE, model="edge-n"), tmp_path, tmp_path / "x", unexpected)


def test_the_command_trains_and_tells_its_last_epoch(
    data: tuple[Dataset, Dataset], tmp_path: Path, edge: Command
) -> None:
    labels, recipe, weights = tmp_path / "planes.txt", tmp_path / "recipe.toml", tmp_path / "w.safetensors"
    labels.write_text("abdomen\nfemur\n")
    recipe.write_text("ema = 0.5\nmixup = 0\n[augmentation]\nerase = 0.1\n")
    table, held = (dataset.root / "labels.csv" for dataset in data)
    done = edge(
        *("train", "mobilenetv4_conv_small", "--data", table, "--held-out", held, "-o", weights, "--json"),
        *("--epochs", "1@32", "--batch", 5, "--optimizer", "sgd", "--lr", 0.01, "--labels", labels, "--recipe", recipe),
    )
    assert done.code == 0, done.err
    assert done.document["last_epoch"]["epoch"] == 1 and done.document["weights"] == str(weights)
    assert weights.is_file() and Path(done.document["log"]).is_file()
    assert "note: 3 of 10 training images are left out" in done.err
    assert note_on_held_out(data[0], replace(data[1], samples=())) == ""


BAD = {
    "model": (["edge-n"], "edge_n", 2),
    "schedule": (["edge_n", "--epochs", "5@0"], "no schedule", 2),
    "size beyond what is kept of an image": (["edge_n", "--epochs", "1@288"], "up to 256 px", 2),
    "size of a few pixels": (["edge_n", "--epochs", "1@4"], "from 8 up to", 2),
    "seed below 0": (["edge_n", "--seed", "-1"], "--seed", 2),
    "seed beyond 32 bits": (["edge_n", "--seed", 2**32], "--seed", 2),
    "optimizer": (["edge_n", "--optimizer", "adam"], "optimizer is 'adam'", 2),
    "rate": (["edge_n", "--lr", "-1"], "lr is -1", 2),
    "recipe file": (["edge_n", "--recipe", "missing.toml"], "cannot be read", 2),
    "labels file": (["edge_n", "--labels", "missing.txt"], "cannot be read", 2),
    "output is a folder": (["edge_n", "-o", "{folder}"], "is a folder", 2),
    "output is what is learned from": (["edge_n", "-o", "{weights}", "--init", "{weights}"], "would overwrite", 2),
    "output below a file": (["edge_n", "-o", "{weights}/w.safetensors"], "is a file, not a folder", 2),
    "work is a file": (["edge_n", "--work", "{weights}"], "is a file, not a folder", 2),
    "output": (["edge_n", "-o", "weights.pt"], "NAME.safetensors", 2),
}


@pytest.mark.parametrize(("arguments", "told", "code"), BAD.values(), ids=BAD)
def test_what_cannot_mean_anything_is_a_usage_error(
    data: tuple[Dataset, Dataset], tmp_path: Path, edge: Command, arguments: list[str], told: str, code: int
) -> None:
    folder, weights = tmp_path / "folder.safetensors", tmp_path / "i.safetensors"
    folder.mkdir()
    weights.touch()
    filled = [str(argument).format(folder=folder, weights=weights) for argument in arguments]
    output = [] if "-o" in arguments else ["-o", tmp_path / "w.safetensors"]
    done = edge("train", *filled, "--data", data[0].root / "labels.csv", *output, "--json")
    assert done.code == code and told in done.err


@pytest.mark.parametrize(
    "text", ["", "90", "90@", "0@160", "5@0", "-1@160", "90@160;25@224", "9.5@160", "9" * 5000 + "@160"]
)
def test_a_schedule_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no schedule"):
        phases_from_text(text)


def test_a_recipe_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('drop_path = 0\nrejects = ["other"]\nbatch = 8\n[augmentation]\narea = [0.5, 1.0]\n')
    made = recipe_from_toml(path, RECIPE)
    augmentation = replace(RECIPE.augmentation, area=(0.5, 1.0))
    assert made == replace(RECIPE, drop_path=0.0, rejects=("other",), batch=8, augmentation=augmentation)


@pytest.mark.parametrize(
    "text",
    [
        "rate = 1",
        "model = 'edge_s'",
        "seed = 3",
        "lr = '1'",
        "batch = 1.5",
        "batch = true",
        "rejects = [1]",
        "ema = 1.0",
        "lr = nan",
        "lr = [1]",
        "weight_decay = inf",
        "labels = []",
        "labels = ['femur', 'femur']",
        "labels = ['femur', 'not_standard']",
        "labels = ['femur', 'not_covered']",
        "augmentation = 3",
        "[augmentation]\narea = [-1.0, 1.0]",
        "[augmentation]\narea = [0.5]",
        "[augmentation]\ngamma = 0.0",
        "[augmentation]\ntext = 1.5",
        "[augmentation]\nzoom = 1",
        "distillation = 3",
        "[distillation]\ndkd_beta = 4",
        "lr =",
    ],
)
def test_a_recipe_file_that_means_nothing_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UsageError):
        recipe_from_toml(path, RECIPE)


def test_whole_numbers_and_a_byte_order_mark_mean_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("lr = 1\n[augmentation]\narea = [0.5, 1]\n", "utf-8-sig")
    made = recipe_from_toml(path, RECIPE)
    assert made == replace(RECIPE, lr=1.0, augmentation=replace(RECIPE.augmentation, area=(0.5, 1.0)))
    path.write_text("femur\nabdomen\n", "utf-8-sig")
    assert labels_from_file(path) == ("femur", "abdomen")


def test_published_teacher_weights_are_not_overwritten(
    data: tuple[Dataset, Dataset], tmp_path: Path, edge: Command
) -> None:
    weights = tmp_path / "sononet.safetensors"
    weights.write_bytes(b"published")
    table = data[0].root / "labels.csv"
    done = edge("distill", "edge_n", "--data", table, "--teacher", f"sononet16:{weights}", "-o", weights, "--json")
    check_told(done, 2, "would overwrite")
    assert weights.read_bytes() == b"published"


def test_a_recipe_file_sets_of_the_distillation_what_no_option_does(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[distillation]\ndkd_beta = 4\nunlabelled = 0.3\n")
    taught = replace(RECIPE, distillation=Distillation(()))
    made = recipe_from_toml(path, taught)
    assert made == replace(RECIPE, distillation=replace(Distillation(()), dkd_beta=4.0, unlabelled=0.3))
    for text in ("temperature = 3", "dkd_alpha = -1", "unlabelled = 1.0", "unlabelled = -0.1"):
        path.write_text(f"[distillation]\n{text}\n")
        with pytest.raises(UsageError):
            recipe_from_toml(path, taught)


@pytest.mark.parametrize("change", [{"kind": "magic"}, {"temperature": 0.0}, {"weight": -1.0}, {"unlabelled": 0.99}])
def test_a_distillation_that_means_nothing_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        checked_recipe(replace(RECIPE, distillation=replace(Distillation(()), **change)))


def test_the_rate_rises_linearly_and_falls_as_a_cosine_to_zero() -> None:
    recipe = Recipe(phases=phases_from_text("20@32"), warmup_epochs=5, lr=0.1)
    rates = np.array([rate_at(recipe, position) for position in (0, 2.5, 5, 12.5, 20)])
    assert rates == pytest.approx([0.0002, 0.0502, 0.1, 0.05, 0], abs=1e-6)
    short = replace(recipe, phases=phases_from_text("2@32"))
    assert [rate_at(short, position) for position in (1, 2)] == pytest.approx([0.1, 0])  # it rises for half of it


def test_weight_decay_spares_biases_and_norms() -> None:
    from compile.training.schedule import optimizer_from_recipe

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2))
    for kind in ("adamw", "sgd"):
        decayed, plain = optimizer_from_recipe(model, replace(RECIPE, optimizer=kind)).param_groups
        assert [len(decayed["params"]), len(plain["params"])] == [1, 3]
        assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)


@pytest.mark.parametrize(("scan_decay", "more"), [(True, {"A_logs", "dt_projs_bias"}), (False, set())])
def test_weight_decay_reaches_what_sets_the_scan_s_times_only_if_asked_to(scan_decay: bool, more: set[str]) -> None:
    from compile.model.ss2d import SS2D
    from compile.training.schedule import optimizer_from_recipe

    model = SS2D(16)
    decayed, _ = optimizer_from_recipe(model, replace(RECIPE, scan_decay=scan_decay)).param_groups
    names = {name for name, value in model.named_parameters() if any(value is one for one in decayed["params"])}
    assert names == {"in_proj.weight", "conv2d.weight", "x_proj_weight", "dt_projs_weight", "out_proj.weight"} | more


def test_weight_decay_spares_what_a_network_of_timm_lists() -> None:
    from compile.model.comparators import Comparator
    from compile.training.schedule import optimizer_from_recipe

    model = Comparator("swin_tiny", 2)
    _, spared = optimizer_from_recipe(torch.nn.ModuleDict({"student": model}), RECIPE).param_groups
    names = {name for name, value in model.named_parameters() if any(value is one for one in spared["params"])}
    tables = {name for name, _ in model.named_parameters() if name.endswith("relative_position_bias_table")}
    assert len(tables) == 12
    assert tables < names
