"""`edge distill`: student and teachers see one crop, projections stay outside, and a run goes on as plain ones do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from calibration.samples_set import checked_dataset
from compile.model.checkpoint import save_student, teacher_from_checkpoint
from compile.model.spec import ModelSpec
from compile.model.students import Student, student_from_name
from compile.model.vmamba import VMamba, VMambaShape
from compile.model.zoo import model_from_name
from compile.training.augment import text_blocks
from compile.training.cli import recipe_from_options, taught_recipe
from compile.training.images import Batch, batches
from compile.training.kd import kd_loss
from compile.training.learner import Learner, check_teachers
from compile.training.loop import trained
from compile.training.recipe import NOT_STANDARD, Distillation, Phase
from compile.training.stage_maps import STRIDES, recorded_maps, stages_of
from compile.training.teachers import Teacher, groups_from_labels
from edge.errors import UsageError
from edge.preprocess import Preprocess
from tests.compile.training_cases import (
    HELD_OUT_ROWS,
    RECIPE,
    ROWS,
    SHAPE,
    are_equal,
    dataset_of,
    fresh,
    held_out_of,
    images_of,
    silent,
    weights_of,
)
from tests.conftest import Command

LABELS = (*RECIPE.labels, NOT_STANDARD)
KD = replace(RECIPE, distillation=Distillation(("vmamba",), feature_weight=0.5, unlabelled=0.2))


def teacher_of(seed: int = 5, prepare_mean: float = 0.1) -> Teacher:
    """A VMamba of a few thousand weights."""
    torch.manual_seed(seed)
    module = VMamba(VMambaShape((16, 24, 32, 40), (1, 1, 1, 1), 1.0), 3, in_channels=1).eval().requires_grad_(False)
    return Teacher("vmamba", module, lambda gray: (gray - prepare_mean) / 0.3, groups_from_labels(LABELS, LABELS))


@pytest.fixture
def batch() -> Batch:
    return next(iter(batches(images_of(unlabelled=4), KD, torch.from_numpy(text_blocks(2, 0)), 0)))


def test_teacher_and_student_see_the_same_crop_each_in_its_own_range(batch: Batch) -> None:
    learner, seen = Learner(fresh(), KD, [teacher_of()]), dict[str, Tensor]()

    def watch(module: nn.Module, name: str) -> None:
        module.register_forward_pre_hook(lambda _module, args: seen.update({name: args[0].detach().clone()}))

    watch(learner.student, "student")
    watch(learner.teachers[0].module, "teacher")
    learner(batch)
    preprocess = Preprocess()
    assert torch.allclose(seen["student"] * preprocess.std + preprocess.mean, batch.gray, atol=1e-6)
    assert torch.allclose(seen["teacher"] * 0.3 + 0.1, batch.gray, atol=1e-6)


def test_the_loss_is_the_weighted_sum_of_its_parts(batch: Batch) -> None:
    distillation = Distillation(("vmamba",), weight=3.0, label_weight=0.25, feature_weight=2.0)
    parts = Learner(fresh(), replace(KD, distillation=distillation), [teacher_of()])(batch)
    expected = 0.25 * parts["label"] + 3.0 * parts["kd"] + 2.0 * parts["feature"]
    assert parts["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_logits_loss_is_that_of_the_teacher_s_softened_answer(batch: Batch) -> None:
    teacher, student = teacher_of(), fresh().eval()
    parts = Learner(student, KD, [teacher])(batch)
    with torch.no_grad():
        said = torch.softmax(teacher.module(teacher.prepare(batch.gray))[0] / 2.0, 1)
        logits = student((batch.gray - 0.25) / 0.25)[0]
    assert parts["kd"].item() == pytest.approx(float(kd_loss(logits, said, 2.0)), rel=1e-4)


@pytest.mark.parametrize("kind", ["kd", "dkd", "dist"])
def test_every_kind_reaches_every_weight_and_no_teacher(batch: Batch, kind: str) -> None:
    assert KD.distillation is not None
    recipe = replace(KD, drop_path=0.0, distillation=replace(KD.distillation, kind=kind))
    teacher = teacher_of()
    learner = Learner(fresh(recipe), recipe, [teacher])
    learner(batch)["loss"].backward()
    assert [name for name, weight in learner.named_parameters() if weight.grad is None] == []
    assert all(weight.grad is None for weight in teacher.module.parameters())


def test_the_projections_are_not_the_student_s(batch: Batch) -> None:
    learner = Learner(fresh(), KD, [teacher_of()])
    assert [tuple(p.weight.shape[:2]) for p in learner.projections] == [(16, 8), (24, 16), (32, 16), (40, 16)]
    assert weights_of(learner.student).keys() == weights_of(fresh()).keys()
    assert not any(name.startswith("teachers") for name in learner.state_dict())


@pytest.mark.parametrize(
    ("name", "dims"),
    [
        ("edge_n", (48, 96, 192, 384)),
        ("edge_n_noscan", (48, 96, 192, 384)),
        ("resnet18", (64, 128, 256, 512)),
        ("swin_tiny", (96, 192, 384, 768)),
        ("repvit_m1_0", (56, 112, 224, 448)),
        ("efficientnet_b0", (24, 40, 112, 320)),
        ("mobilenetv4_conv_small", (32, 64, 96, 960)),
        ("mspanet", (256, 512, 1024, 2048)),
    ],
)
def test_stage_maps_of_every_family_have_the_four_strides(name: str, dims: tuple[int, ...]) -> None:
    model = model_from_name(name, 2).eval()
    with torch.no_grad(), recorded_maps(model) as maps:
        model(torch.zeros(1, 1, 64, 64))
    assert [tuple(x.shape) for x in maps] == [
        (1, dim, 64 // stride, 64 // stride) for dim, stride in zip(dims, STRIDES, strict=True)
    ]
    assert not any(module._forward_hooks for module, _ in stages_of(model))


def test_features_of_a_teacher_without_stages_are_a_usage_error() -> None:
    blind = replace(teacher_of(), module=nn.Linear(1, 1))
    with pytest.raises(UsageError, match="feature"):
        Learner(fresh(), KD, [blind])


def test_a_size_that_a_teacher_does_not_take_is_told_before_it_is_trained() -> None:
    teacher = replace(teacher_of(), name="mspanet 0", module=model_from_name("mspanet", 3).eval())
    with pytest.raises(UsageError, match="mspanet does not take images of 32 px"):
        check_teachers(fresh(), KD, [teacher])
    check_teachers(fresh(), replace(KD, phases=(Phase(1, 64),)), [teacher])


def test_stage_maps_of_other_sides_are_told_before_they_are_compared() -> None:
    teacher = replace(teacher_of(), module=model_from_name("convnextv2_tiny", 3).eval())
    student, odd = fresh(), replace(KD, phases=(Phase(1, 72),))
    with pytest.raises(UsageError, match="other sides"):
        check_teachers(student, odd, [teacher])
    without = Distillation(("vmamba",), feature_weight=0.0)
    check_teachers(student, replace(odd, distillation=without), [teacher])
    check_teachers(student, KD, [teacher_of()])
    assert student.training


def test_a_distilled_run_that_was_stopped_ends_in_the_very_same_weights(tmp_path: Path) -> None:
    def distilled(folder: Path, progress: object = silent) -> dict[str, Tensor]:
        images = images_of(unlabelled=4)
        model = trained(fresh(), images, held_out_of(), KD, folder, progress, [teacher_of()])  # type: ignore[arg-type]  # a callable
        return weights_of(model)

    def stop(_stage: str, share: float) -> None:
        if share >= 0.5:
            raise KeyboardInterrupt

    whole = distilled(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        distilled(tmp_path / "cut", stop)
    assert are_equal(distilled(tmp_path / "cut"), whole)
    record = json.loads((tmp_path / "cut" / "log.jsonl").read_text().splitlines()[0])
    assert {"loss", "label", "kd", "feature"} <= record.keys()


def test_a_student_follows_its_teacher_on_images_without_a_label(tmp_path: Path) -> None:
    """Without labels and features only the teachers teach: the student's answers come closer to theirs."""
    distillation = Distillation(("vmamba",), label_weight=0.0, unlabelled=0.6, temperature=1.0)
    recipe = replace(KD, phases=(Phase(6, 64),), warmup_epochs=0, lr=5e-3, ema=0.0, drop_path=0.0, mixup=0.0)
    recipe = replace(recipe, distillation=distillation)
    teacher, images = teacher_of(), images_of(unlabelled=4)
    nn.init.normal_(teacher.module.classifier.head.weight, std=2.0)  # type: ignore[union-attr, arg-type]  # a VMamba's

    def distance(model: nn.Module) -> float:
        gray = images.squares[12:16, None].float() / 255
        with torch.no_grad():
            said = torch.softmax(teacher.module(teacher.prepare(gray))[0], 1)
            return float(kd_loss(model.eval()((gray - 0.25) / 0.25)[0], said, 1.0))

    before = distance(fresh(recipe))
    model = trained(fresh(recipe), images, held_out_of(), recipe, tmp_path, silent, [teacher])
    assert distance(model) < 0.8 * before


def test_the_command_distills_from_a_checkpoint_and_names_it(tmp_path: Path, edge: Command) -> None:
    data, held = dataset_of(tmp_path / "data", ROWS), dataset_of(tmp_path / "held", HELD_OUT_ROWS)
    labels, teacher, weights = tmp_path / "labels.txt", tmp_path / "t.safetensors", tmp_path / "s.safetensors"
    labels.write_text("\n".join(RECIPE.labels))
    save_student(student_from_name("edge_n", 3), ModelSpec("edge_n", LABELS), teacher)
    done = edge(
        *("distill", "edge_n_noscan", "--teacher", teacher, "--data", data.root / "labels.csv", "-o", weights),
        *("--held-out", held.root / "labels.csv", "--epochs", "1@32", "--batch", 5, "--labels", labels),
        *("--kd", "dkd", "--unlabelled", held.root / "labels.csv", "--json"),
    )
    assert done.code == 0, done.err
    _, info = teacher_from_checkpoint(teacher)
    assert done.document["made_from"]["teacher 1"] == f"edge_n {info.sha256}"
    digest = checked_dataset(held.root / "labels.csv").digest
    assert done.document["made_from"]["unlabelled 1"] == digest
    assert {"label", "dkd", "feature"} <= done.document["last_epoch"].keys()
    model, found = teacher_from_checkpoint(weights)
    assert isinstance(model, Student) and found.name == "edge_n_noscan"


def test_options_of_distillation_keep_what_the_recipe_file_sets(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[distillation]\ndkd_beta = 4\n")
    made = recipe_from_options("edge_n", None, None, path, None, None, None, 0, taught=True)
    taught = taught_recipe(made, "dkd", 0.5, None, None, None, 2).distillation
    assert taught is not None and (taught.kind, taught.weight, taught.views, taught.dkd_beta) == ("dkd", 0.5, 2, 4.0)


BAD = {
    "kind": (["--kd", "fitnet"], "no distillation", 2),
    "teacher": (["--teacher", "missing.safetensors"], "is not a file", 3),
    "sononet": (["--teacher", "sononet16:missing.safetensors"], "cannot be read", 3),
    "temperature": (["--temperature", "0"], "temperature is 0", 2),
    "weight": (["--kd-weight", "-1"], "kd-weight", 2),
    "folder without views": (["--views-folder", "kept"], "no views are kept", 2),
}


@pytest.mark.parametrize(("arguments", "told", "code"), BAD.values(), ids=BAD)
def test_bad_input_is_told_in_a_line(tmp_path: Path, edge: Command, arguments: list[str], told: str, code: int) -> None:
    data = dataset_of(tmp_path / "data", ROWS).root / "labels.csv"
    save_student(Student(SHAPE, 3), ModelSpec("edge_n", LABELS), tmp_path / "t.safetensors")
    student_from_edge = tmp_path / "edge.safetensors"
    save_student(student_from_name("edge_n", 3), ModelSpec("edge_n", LABELS), student_from_edge)
    teacher = [] if "--teacher" in arguments else ["--teacher", student_from_edge]
    done = edge("distill", "edge_n", "--data", data, "-o", tmp_path / "s.safetensors", *teacher, *arguments)
    assert done.code == code and told in done.err and "Traceback" not in done.err
