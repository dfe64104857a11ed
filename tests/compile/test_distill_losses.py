"""The distillation losses against closed forms, torch's own and the papers' identities."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from compile.training.kd import dist_loss, dkd_loss, dkd_parts, feature_loss, kd_loss, label_loss

TEMPERATURES = (1.0, 2.0, 4.0)


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(0)) * 2


@pytest.fixture
def teacher() -> Tensor:
    """Another's logits."""
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(1)) * 3


@pytest.fixture
def target() -> Tensor:
    return torch.tensor([0, 1, 2, 3, 4, 0, 2])


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_kd_is_torch_s_divergence_times_the_squared_temperature(
    logits: Tensor, teacher: Tensor, temperature: float
) -> None:
    expected = functional.kl_div(
        torch.log_softmax(logits / temperature, 1), torch.softmax(teacher / temperature, 1), reduction="batchmean"
    )
    ours = kd_loss(logits, torch.softmax(teacher / temperature, 1), temperature)
    assert float(ours) == pytest.approx(float(expected) * temperature**2, rel=1e-5)


def test_kd_of_two_classes_is_the_closed_form() -> None:
    p, q = 0.8, 0.3
    logits = torch.tensor([[math.log(q), math.log(1 - q)]])
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert float(kd_loss(logits, torch.tensor([[p, 1 - p]]), 1.0)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_kd_is_the_two_parts_of_dkd(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> None:
    said = torch.softmax(teacher / temperature, 1)
    first, second = dkd_parts(logits, said, target, temperature)
    hit = said.gather(1, target[:, None])[:, 0]
    decoupled = (first + (1 - hit) * second).mean() * temperature**2
    assert float(decoupled) == pytest.approx(float(kd_loss(logits, said, temperature)), rel=1e-5)


def test_dkd_weighs_its_parts(logits: Tensor, teacher: Tensor, target: Tensor) -> None:
    said = torch.softmax(teacher, 1)
    first, second = (float(part.mean()) for part in dkd_parts(logits, said, target, 1.0))
    assert float(dkd_loss(logits, said, target, 1.0, 1.0, 8.0)) == pytest.approx(first + 8 * second, rel=1e-5)


def test_dkd_of_a_teacher_without_doubt_is_a_number_with_a_gradient(logits: Tensor, target: Tensor) -> None:
    logits.requires_grad_()
    dkd_loss(logits, functional.one_hot(target, 5).float(), target, 4.0, 1.0, 8.0).backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_student_that_answers_like_the_teacher_loses_nothing(
    logits: Tensor, target: Tensor, temperature: float
) -> None:
    said = torch.softmax(logits / temperature, 1)
    losses = (
        kd_loss(logits, said, temperature),
        dkd_loss(logits, said, target, temperature, 1.0, 8.0),
        dist_loss(logits, said, temperature),
    )
    assert [float(loss) for loss in losses] == pytest.approx([0, 0, 0], abs=1e-4)


def test_dist_is_one_minus_numpy_s_correlations(logits: Tensor, teacher: Tensor) -> None:
    import numpy as np

    ours, theirs = (torch.softmax(x, 1).double().numpy() for x in (logits, teacher))
    rows = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)])
    columns = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, theirs.T, strict=True)])
    loss = dist_loss(logits, torch.softmax(teacher, 1), 1.0)
    assert float(loss) == pytest.approx(2 - rows - columns, rel=1e-5)


def test_dist_does_not_see_the_scale_and_shift_of_the_teacher(logits: Tensor, teacher: Tensor) -> None:
    said = torch.softmax(teacher, 1)
    assert float(dist_loss(logits, said * 3 + 0.7, 1.0)) == pytest.approx(float(dist_loss(logits, said, 1.0)), rel=1e-4)
    assert float(dist_loss(logits, -said, 1.0)) == pytest.approx(4 - float(dist_loss(logits, said, 1.0)), rel=1e-4)


def test_dist_of_a_class_that_nobody_ever_names_is_a_number() -> None:
    logits = torch.tensor([[0.0, 1.0, -200.0], [1.0, 0.0, -200.0]], requires_grad=True)
    dist_loss(logits, torch.tensor([[0.2, 0.8, 0.0], [0.9, 0.1, 0.0]]), 1.0).backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_label_loss_is_torch_s_cross_entropy(logits: Tensor, teacher: Tensor, smoothing: float) -> None:
    soft = torch.softmax(teacher, 1)
    expected = functional.cross_entropy(logits, soft, label_smoothing=smoothing)
    assert float(label_loss(logits, soft, smoothing)) == pytest.approx(float(expected), rel=1e-5)


def test_images_without_a_label_change_nothing_in_the_label_loss(logits: Tensor, target: Tensor) -> None:
    hard = functional.one_hot(target, 5).float()
    some = hard * torch.tensor([1, 1, 0, 1, 0, 1, 1])[:, None]
    kept = [0, 1, 3, 5, 6]
    logits.requires_grad_()
    loss = label_loss(logits, some, 0.1)
    assert float(loss.detach()) == pytest.approx(float(label_loss(logits[kept], hard[kept], 0.1).detach()), rel=1e-5)
    loss.backward()
    assert logits.grad is not None and float(logits.grad[[2, 4]].abs().max()) == 0


def test_a_batch_without_any_label_has_no_label_loss(logits: Tensor) -> None:
    assert float(label_loss(logits, torch.zeros(7, 5), 0.1)) == 0


def test_the_feature_loss_is_two_minus_two_cosines_and_free_of_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    cosine = functional.cosine_similarity(ours, theirs).mean()
    assert float(feature_loss([ours], [theirs])) == pytest.approx(float(2 - 2 * cosine), rel=1e-5)
    assert float(feature_loss([ours * 9], [theirs / 7])) == pytest.approx(float(2 - 2 * cosine), rel=1e-5)
    assert float(feature_loss([ours, theirs], [ours * 2, theirs])) == pytest.approx(0, abs=1e-6)
