"""Who votes on what: teachers with other labels, their groups, and the mean of their votes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from compile.model.checkpoint import save_student
from compile.model.sononet import LABELS as SONONET_LABELS
from compile.model.sononet import OUR_PLANES
from compile.model.spec import ModelSpec
from compile.model.students import student_from_name
from compile.training.recipe import NOT_STANDARD, Recipe
from compile.training.teachers import Groups, group_masses, groups_from_labels, teacher_from_text, voted
from edge.errors import CheckpointError
from edge.preprocess import Preprocess

OURS = (*Recipe().labels, NOT_STANDARD)
SONONET = groups_from_labels(SONONET_LABELS, OURS, OUR_PLANES)
EVEN = torch.full((1, 8), 1 / 8)


def probabilities(**named: float) -> Tensor:
    row = torch.tensor([[named.get(label, 0.0) for label in OURS]])
    return row / row.sum()


def logits_of(labels: tuple[str, ...], **named: float) -> Tensor:
    return torch.tensor([[named.get(label.replace(" ", "_"), 1e-6) for label in labels]]).log()


def test_equal_names_in_another_order_are_the_same_labels() -> None:
    groups = groups_from_labels(OURS[::-1], OURS)
    assert groups.is_full and not groups.may_refuse
    said = torch.rand(3, 8, generator=torch.Generator().manual_seed(0))
    vote = voted([group_masses(said.flip(1), groups, 1.0)], [groups], EVEN.expand(3, -1))
    assert torch.allclose(vote, torch.softmax(said, 1), atol=1e-6)


def test_sononet_knows_five_of_our_planes_in_four_groups_and_a_rest() -> None:
    groups = [{OURS[index] for index in row.nonzero().flatten().tolist()} for row in SONONET.members]
    assert groups == [
        {"abdomen"},
        {"brain_transcerebellar"},
        {"brain_transthalamic", "brain_transventricular"},
        {"femur"},
        {"thorax", "profile_standard", NOT_STANDARD},
    ]
    assert SONONET.may_refuse and torch.equal(SONONET.gather.sum(1), torch.ones(14))


def test_a_group_is_divided_as_the_student_divides_it_where_no_teacher_does() -> None:
    mass = torch.tensor([[0.1, 0.1, 0.6, 0.0, 0.2]])
    own = probabilities(brain_transthalamic=0.3, brain_transventricular=0.1, thorax=0.2, abdomen=0.4)
    vote = voted([mass], [SONONET], own)[0]
    by_name = dict(zip(OURS, vote.tolist(), strict=True))
    assert by_name["brain_transthalamic"] == pytest.approx(0.45)
    assert by_name["brain_transventricular"] == pytest.approx(0.15)
    assert by_name["thorax"] == pytest.approx(0.2)  # all of the rest: the student gives the others nothing
    assert float(vote.sum()) == pytest.approx(1)


def test_a_teacher_that_knows_every_label_divides_the_others_groups() -> None:
    full = groups_from_labels(OURS, OURS)
    said = probabilities(brain_transthalamic=0.2, brain_transventricular=0.6, femur=0.2)
    mass = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]])
    vote = voted([said, mass], [full, SONONET], EVEN)[0]
    by_name = dict(zip(OURS, vote.tolist(), strict=True))
    assert by_name["brain_transventricular"] == pytest.approx((0.6 + 0.75) / 2)
    assert by_name["brain_transthalamic"] == pytest.approx((0.2 + 0.25) / 2)
    assert by_name["femur"] == pytest.approx(0.1)


def test_labels_that_a_teacher_does_not_know_are_left_to_the_others() -> None:
    brain = groups_from_labels(("brain_transthalamic", "brain_transventricular"), OURS)
    full = groups_from_labels(OURS, OURS)
    said = probabilities(femur=0.7, thorax=0.1, brain_transthalamic=0.1, brain_transventricular=0.1)
    vote = voted([said, torch.tensor([[0.9, 0.1, 0.0]])], [full, brain], EVEN)[0]
    by_name = dict(zip(OURS, vote.tolist(), strict=True))
    assert (by_name["femur"], by_name["thorax"]) == (pytest.approx(0.7), pytest.approx(0.1))
    assert by_name["brain_transthalamic"] == pytest.approx((0.1 + 0.18) / 2)


def test_a_class_that_the_student_has_no_place_for_takes_its_mass_with_it() -> None:
    theirs = ("kidneys", *OURS)  # the student's labels are all known, so kidneys mean nothing here
    groups = groups_from_labels(theirs, OURS)
    assert groups.is_full and not groups.may_refuse
    masses = group_masses(logits_of(theirs, kidneys=0.5, femur=0.4, thorax=0.1), groups, 1.0)
    assert float(masses[0, OURS.index("femur")]) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_votes_are_probabilities_whatever_the_teachers(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    everyone: list[Groups] = [SONONET, groups_from_labels(OURS, OURS), groups_from_labels(("femur", "abdomen"), OURS)]
    for teachers in (everyone, everyone[:1], everyone[2:], everyone[::2]):
        masses = [torch.softmax(torch.randn(4, len(g.members), generator=generator), 1) for g in teachers]
        masses = [m * (g.gather.sum(0) > 0) for m, g in zip(masses, teachers, strict=True)]
        masses = [m / m.sum(1, keepdim=True) for m in masses]
        vote = voted(masses, teachers, torch.softmax(torch.randn(4, 8, generator=generator) * 9, 1))
        assert bool((vote >= 0).all()) and torch.allclose(vote.sum(1), torch.ones(4), atol=1e-5)


def test_the_student_s_own_division_asks_for_nothing() -> None:
    """With one coarse teacher the loss is that of the groups: its gradient keeps the shares within a group."""
    logits = torch.randn(1, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mass = torch.tensor([[0.1, 0.1, 0.6, 0.1, 0.1]])
    own = torch.softmax(logits, 1)
    vote = voted([mass], [SONONET], own)
    (-(vote * torch.log_softmax(logits, 1)).sum()).backward()
    assert logits.grad is not None
    pair = [OURS.index("brain_transthalamic"), OURS.index("brain_transventricular")]
    pulls = (logits.grad[0] / own.detach()[0])[pair]
    assert float(pulls[0]) == pytest.approx(float(pulls[1]), rel=1e-4)


def test_a_checkpoint_votes_with_the_labels_it_describes(tmp_path: Path) -> None:
    model = student_from_name("edge_n", 3)
    spec = ModelSpec("edge_n", ("femur", "abdomen", NOT_STANDARD), preprocess=Preprocess(64, 0.5, 0.1, 1))
    save_student(model, spec, tmp_path / "t.safetensors")
    teacher = teacher_from_text(str(tmp_path / "t.safetensors"), OURS)
    assert teacher.name.startswith("edge_n ") and len(teacher.groups.members) == 4
    assert torch.allclose(teacher.prepare(torch.full((1, 1, 2, 2), 0.7)), torch.tensor(2.0))
    assert not any(parameter.requires_grad for parameter in teacher.module.parameters())


@pytest.mark.parametrize(
    ("labels", "told"), [(("kidneys", "lips"), "knows none of the labels"), (None, "does not say")]
)
def test_a_teacher_without_a_common_label_is_refused(tmp_path: Path, labels: tuple[str, ...] | None, told: str) -> None:
    path = tmp_path / "t.safetensors"
    if labels:
        save_student(student_from_name("edge_n", 2), ModelSpec("edge_n", labels), path)
    else:
        from compile.model.vmamba import VMamba, VMambaShape

        path = path.with_suffix(".pth")
        torch.save(VMamba(VMambaShape((16, 16, 16, 16), (1, 1, 1, 1), 1.0), 4).state_dict(), path)
    with pytest.raises(CheckpointError, match=told) as refusal:
        teacher_from_text(str(path), OURS)
    assert refusal.value.exit_code == 3
