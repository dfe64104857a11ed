"""Teachers: frozen classifiers that see a student's crop and vote on the student's labels.

::

    gray crop --each teacher's own input--> logits / T -> softmax -> mass of groups of our labels --+
                                                                                                    +--> mean (B,C)
    what a teacher does not tell apart, or not know, is divided as the others divide it ------------+

A teacher partitions the student's labels into groups: one label each where both use the same name, several where the
teacher has one class for them, and one group of all labels it does not know, for which its own other classes vote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from compile.model.checkpoint import CheckpointInfo, teacher_from_checkpoint
from compile.model.sononet import LABELS as SONONET_LABELS
from compile.model.sononet import OUR_PLANES, load_sononet, sononet_input
from compile.training.stage_maps import recorded_maps, stages_of
from edge.errors import CheckpointError
from edge.files import sha256_from_file
from edge.preprocess import Preprocess

SONONET = "sononet16"
TINY = 1e-8  # mass that a division may meet


@dataclass(frozen=True)
class Groups:
    """How a teacher's K classes meet the student's C labels in G groups.

    Attributes:
        gather: (K,G), 1 where a class votes for a group.
        members: (G,C), 1 where a label belongs to a group.
        may_refuse: the teacher has classes that mean none of the labels it knows.
    """

    gather: Tensor
    members: Tensor
    may_refuse: bool

    @property
    def is_full(self) -> bool:
        """Whether the teacher tells every label from every other."""
        return bool((self.members.sum(1) == 1).all() and self.is_voted.all())

    @property
    def is_voted(self) -> Tensor:
        """(G,) bool: some class of the teacher votes for the group."""
        return self.gather.sum(0) > 0

    @property
    def known(self) -> int:
        """Number of groups of labels that the teacher knows."""
        return int(self.is_voted.sum()) - self.may_refuse


@dataclass(frozen=True)
class Teacher:
    """A frozen classifier.

    Attributes:
        name: kind and SHA-256 of its file.
        module: input -> logits (B,K), map.
        prepare: gray (B,1,P,P), 0..1 -> its input.
        groups: its classes and our labels.
        synthetic: has seen phantoms.
    """

    name: str
    module: nn.Module
    prepare: Callable[[Tensor], Tensor]
    groups: Groups
    synthetic: bool = False


def groups_from_labels(
    theirs: Sequence[str], ours: Sequence[str], table: Mapping[str, Sequence[str]] | None = None
) -> Groups:
    """Partition our labels as a teacher does.

    Args:
        theirs: the teacher's labels, in the order of its logits.
        ours: the student's.
        table: teacher's label -> ours that it means; None where equal names mean the same.
    """
    meant = [tuple(name for name in (table.get(label, ()) if table else (label,)) if name in ours) for label in theirs]
    groups: list[tuple[str, ...]] = list(dict.fromkeys(group for group in meant if group))
    rest = tuple(name for name in ours if not any(name in group for group in groups))
    may_refuse = () in meant and bool(rest)
    groups += [rest] if rest else []
    gather, members = torch.zeros(len(theirs), len(groups)), torch.zeros(len(groups), len(ours))
    for number, group in enumerate(meant):
        if group or may_refuse:  # a class that means nothing here and has no group takes its mass with it
            gather[number, groups.index(group or rest)] = 1
    for index, group in enumerate(groups):
        members[index, [ours.index(name) for name in group]] = 1
    return Groups(gather, members, may_refuse)


def group_masses(logits: Tensor, groups: Groups, temperature: float) -> Tensor:
    """A teacher's softened probabilities of its groups, (B,G), rows that add up to 1."""
    mass = torch.softmax(logits.float() / temperature, 1) @ groups.gather.to(logits.device)
    return mass / mass.sum(1, keepdim=True).clamp(min=TINY)


def voted(masses: Sequence[Tensor], groups: Sequence[Groups], own: Tensor) -> Tensor:
    """Mean vote of several teachers.

    Args:
        masses: (B,G) of each teacher.
        groups: of each teacher.
        own: (B,C), the student's own softened probabilities: they divide what no teacher divides, so that the loss asks
            nothing there.

    Returns:
        (B,C), rows that add up to 1.
    """
    full = [mass @ group.members.to(mass.device) for mass, group in zip(masses, groups, strict=True) if group.is_full]
    base = torch.stack(full).mean(0) if full else own.detach()
    return torch.stack([_divided(m, g, base) for m, g in zip(masses, groups, strict=True)]).mean(0)


def _divided(mass: Tensor, groups: Groups, base: Tensor) -> Tensor:
    members = groups.members.to(mass.device)
    share = base @ members.T  # (B,G): what the base gives each group
    unknown = ~groups.is_voted.to(mass.device)  # the group of the labels that this teacher has no answer for
    elsewhere = (share * unknown).sum(1, keepdim=True)
    mass = torch.where(unknown, share, mass * (1 - elsewhere).clamp(min=0))
    share = share.unsqueeze(2)
    even = 1 / members.sum(1, keepdim=True)
    within = torch.where(share > TINY, base.unsqueeze(1) / share.clamp(min=TINY), even)
    return (mass.unsqueeze(2) * within * members).sum(1)


def teacher_from_text(text: str, labels: Sequence[str]) -> Teacher:
    """Load what the command line names.

    Args:
        text: `sononet16:PATH`, or a checkpoint with labels.
        labels: the student's.

    Raises:
        CheckpointError: the file cannot be read, holds no labels, or none of the student's.
        ModelError: the file's description cannot be read.
        UsageError: the file holds a comparator and timm is not installed.
    """
    kind, _, rest = text.partition(":")
    if kind == SONONET and rest:
        path = Path(rest)
        teacher = Teacher(_name(SONONET, path), load_sononet(path), sononet_input, _sononet_groups(labels))
    else:
        module, info = teacher_from_checkpoint(Path(text))
        if info.spec is None:
            raise CheckpointError(
                f"{text} does not say what its {info.classes} classes mean.",
                "Train it with `edge train` first; what that writes describes itself.",
            )
        teacher = _teacher_from_info(module, info, info.spec.labels, info.spec.preprocess, labels)
        teacher = replace(teacher, synthetic=info.spec.synthetic)
    if not teacher.groups.known:
        raise CheckpointError(
            f"{text} knows none of the labels {', '.join(labels)}.", "Give a teacher that was trained on these planes."
        )
    return teacher


def _name(kind: str, path: Path) -> str:
    return f"{kind} {sha256_from_file(path)}" if path.is_file() else kind


def _sononet_groups(labels: Sequence[str]) -> Groups:
    return groups_from_labels(SONONET_LABELS, labels, OUR_PLANES)


def _teacher_from_info(
    module: nn.Module, info: CheckpointInfo, theirs: Sequence[str], preprocess: Preprocess, ours: Sequence[str]
) -> Teacher:
    def prepare(gray: Tensor) -> Tensor:
        return ((gray - preprocess.mean) / preprocess.std).expand(-1, preprocess.channels, -1, -1)

    return Teacher(f"{info.name} {info.sha256}", module, prepare, groups_from_labels(theirs, ours))


def has_stages(teacher: Teacher) -> bool:
    """Whether a teacher shows stage maps at the strides of ours."""
    return bool(stages_of(teacher.module))


def seen(teacher: Teacher, gray: Tensor, with_maps: bool) -> tuple[Tensor, list[Tensor]]:
    """Logits of a crop and, if asked, stage maps."""
    with torch.no_grad():
        if not with_maps:
            return teacher.module(teacher.prepare(gray))[0], []
        with recorded_maps(teacher.module) as maps:
            return teacher.module(teacher.prepare(gray))[0], maps
