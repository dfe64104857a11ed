"""A student and what it learns from: one call takes a batch to the loss and its parts.

::

    gray crop --+--> student --> logits --------------------> label loss, with targets ---+
                |       `--> stage maps --1x1 projections--+                              +--> loss
                +--> teachers --> voted probabilities ------+--> kd | dkd | dist ---------+
                         `--> stage maps -------------------+--> feature loss ------------+

The projections live beside the student, so that nothing has to be taken off it after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compile.training.images import Batch
from compile.training.kd import dist_loss, dkd_loss, feature_loss, kd_loss, label_loss
from compile.training.recipe import Distillation, Recipe
from compile.training.stage_maps import recorded_maps, stages_of
from compile.training.teachers import Teacher, group_masses, has_stages, seen, voted
from edge.errors import UsageError
from edge.preprocess import Preprocess

PROBE_PX = 64  # side of the image that shows the widths of stage maps


class Learner(nn.Module):
    """A student with its projections.

    Args:
        student: to train.
        recipe: loss and preprocessing.
        teachers: frozen; the first with stage maps gives the features.

    Raises:
        UsageError: features are asked for where the student or every teacher has no stage maps.
    """

    def __init__(self, student: nn.Module, recipe: Recipe, teachers: Sequence[Teacher] = ()) -> None:
        super().__init__()
        self.student = student
        self.recipe = recipe
        self.preprocess = Preprocess(size_px=recipe.size_px)
        self.teachers = tuple(teachers)  # a tuple: their weights are not this module's
        self.guide: Teacher | None = None
        self.projections = nn.ModuleList()
        if recipe.distillation is not None and recipe.distillation.feature_weight:
            self.guide = _guide(teachers)
            if self.guide is None or not stages_of(student):
                raise UsageError(
                    "Neither side of a feature loss may lack stages, and one does.",
                    "Give a VMamba, a student or a comparator as a teacher, or --feature-weight 0.",
                )
            self.projections.extend(_projections(student, self.guide))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch, "loss", and its parts, each a number."""
        x = (batch.gray - self.preprocess.mean) / self.preprocess.std
        if self.guide is None:
            logits, maps = self.student(x)[0].float(), []
        else:
            with recorded_maps(self.student) as maps:
                logits = self.student(x)[0].float()
        label = label_loss(logits, batch.targets, self.recipe.label_smoothing)
        if self.recipe.distillation is None:
            return {"loss": label}
        return self._distilled(self.recipe.distillation, batch, logits, maps, label)

    def _distilled(
        self, recipe: Distillation, batch: Batch, logits: Tensor, maps: list[Tensor], label: Tensor
    ) -> dict[str, Tensor]:
        masses, theirs = [], []
        for number, teacher in enumerate(self.teachers):
            if batch.answers and teacher is not self.guide:
                answer = batch.answers[number]
            else:
                answer, shown = seen(teacher, batch.gray, teacher is self.guide)
                theirs += shown
            with torch.autocast(logits.device.type, enabled=False):
                masses.append(group_masses(answer, teacher.groups, recipe.temperature))
        ours = [project(own_map) for project, own_map in zip(self.projections, maps, strict=True)]
        with torch.autocast(logits.device.type, enabled=False):  # votes and losses in float32
            own = torch.softmax(logits.detach() / recipe.temperature, 1)
            teacher_says = voted(masses, [teacher.groups for teacher in self.teachers], own)
            parts = {"label": label, recipe.kind: _logit_loss(recipe, logits, teacher_says, batch.targets)}
            loss = recipe.label_weight * label + recipe.weight * parts[recipe.kind]
            if self.guide is not None:
                parts["feature"] = feature_loss(ours, theirs)
                loss = loss + recipe.feature_weight * parts["feature"]
        return {"loss": loss, **parts}


def check_teachers(student: nn.Module, recipe: Recipe, teachers: Sequence[Teacher]) -> None:
    """Let teachers answer a black image of every size of the schedule, before hours are spent on one they do not take.

    Args:
        student: to train; left in the mode it is in.
        recipe: its sizes, and whether stage maps are compared.
        teachers: frozen.

    Raises:
        UsageError: a teacher does not take a size, or its stage maps have other sides there than the student's.
    """
    guide = _guide(teachers) if recipe.distillation is not None and recipe.distillation.feature_weight else None
    for size_px in sorted({phase.size_px for phase in recipe.phases}):
        gray = torch.zeros(1, 1, size_px, size_px)
        for teacher in teachers:
            try:
                theirs = [one.shape[2:] for one in seen(teacher, gray, teacher is guide)[1]]
            except (AssertionError, RuntimeError, ValueError) as error:  # timm asserts, torch raises
                cause = str(error).partition("\n")[0].rstrip(".")
                raise UsageError(
                    f"The teacher {teacher.name.split()[0]} does not take images of {size_px} px: {cause}.",
                    "Give a multiple of 32, 64 px or more.",
                ) from error
            if teacher is guide and stages_of(student) and theirs != _sides(student, gray):
                raise UsageError(
                    f"At {size_px} px the stage maps of {teacher.name.split()[0]} have other sides than the student's.",
                    "Give multiples of 32 px, or --feature-weight 0.",
                )


def _guide(teachers: Sequence[Teacher]) -> Teacher | None:
    return next((teacher for teacher in teachers if has_stages(teacher)), None)


def _sides(student: nn.Module, gray: Tensor) -> list[torch.Size]:
    """Height and width of each stage map."""
    training = student.training
    with torch.no_grad(), recorded_maps(student) as maps:
        student.eval()(gray)
    student.train(training)
    return [one.shape[2:] for one in maps]


def _logit_loss(recipe: Distillation, logits: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
    if recipe.kind == "dist":
        return dist_loss(logits, teacher, recipe.temperature)
    if recipe.kind == "dkd":  # an image without a label has the teachers' answer for a target
        has_label = targets.sum(1) > 0
        target = torch.where(has_label, targets.argmax(1), teacher.argmax(1))
        return dkd_loss(logits, teacher, target, recipe.temperature, recipe.dkd_alpha, recipe.dkd_beta)
    return kd_loss(logits, teacher, recipe.temperature)


def _projections(student: nn.Module, guide: Teacher) -> list[nn.Module]:
    """A 1x1 convolution a stage, from the student's width to the teacher's."""

    def probe(module: nn.Module) -> Tensor:
        return torch.zeros(1, 1, PROBE_PX, PROBE_PX, device=next(module.parameters()).device)

    training = student.training
    student.eval()
    with torch.no_grad(), recorded_maps(student) as ours:
        student(probe(student))
    student.train(training)
    theirs = seen(guide, probe(guide.module), with_maps=True)[1]
    return [nn.Conv2d(a.shape[1], b.shape[1], 1, bias=False) for a, b in zip(ours, theirs, strict=True)]
