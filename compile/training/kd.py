"""Losses between a student's logits and teachers' probabilities, and between their stage maps.

In: logits (B,C), probabilities (B,C) at the same temperature. Out: one number, the mean over the images. The factor T^2
keeps gradients as large as at T = 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-8  # added before logarithms and divisions of float32 probabilities


def _divergence(teacher: Tensor, log_student: Tensor) -> Tensor:
    """KL divergence of rows, (B,)."""
    return (teacher * ((teacher + TINY).log() - log_student)).sum(1)


def kd_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Knowledge distillation: T^2 KL(teacher, student).

    Args:
        logits: (B,C), of the student.
        teacher: (B,C), probabilities at that temperature.
        temperature: T.

    Source: Hinton et al., arXiv 1503.02531, section 2.
    """
    return _divergence(teacher, functional.log_softmax(logits / temperature, 1)).mean() * temperature**2


def dkd_parts(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The two divergences of decoupled distillation: target against the rest, and among the rest.

    Args:
        logits: (B,C), of the student.
        teacher: (B,C), probabilities at that temperature.
        target: (B,), class numbers.
        temperature: T.

    Returns:
        (B,) and (B,), without the factor T^2; KD is the first plus (1 - teacher's target) times the second.

    Source: Zhao et al., Decoupled Knowledge Distillation, arXiv 2203.08679, equation 6.
    """
    chosen = functional.one_hot(target, logits.shape[1]).bool()
    log_all = functional.log_softmax(logits / temperature, 1)
    log_rest = log_all.masked_fill(chosen, -torch.inf).logsumexp(1)
    log_binary = torch.stack([log_all[chosen], log_rest], 1)
    hit = teacher[chosen]
    binary = torch.stack([hit, (1 - hit).clamp(min=0)], 1)
    others = teacher.masked_fill(chosen, 0) / (1 - hit).clamp(min=TINY).unsqueeze(1)
    log_others = (log_all - log_rest.unsqueeze(1)).masked_fill(chosen, 0)
    return _divergence(binary, log_binary), _divergence(others, log_others)


def dkd_loss(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float, alpha: float, beta: float) -> Tensor:
    """Decoupled distillation: T^2 (alpha target part + beta part of the other classes).

    Args:
        logits: (B,C), of the student.
        teacher: (B,C), probabilities at that temperature.
        target: (B,), class numbers.
        temperature: T.
        alpha: weight of the target class against the rest.
        beta: weight of the divergence among the rest.
    """
    first, second = dkd_parts(logits, teacher, target, temperature)
    return (alpha * first + beta * second).mean() * temperature**2


def dist_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 times (1 - correlation within images) + (1 - correlation within classes).

    Args:
        logits: (B,C), of the student.
        teacher: (B,C), probabilities at that temperature.
        temperature: T.

    Source: Huang et al., Knowledge Distillation from A Stronger Teacher (DIST), arXiv 2205.10536, equations 9 and 10.
    """
    student = functional.softmax(logits / temperature, 1)
    within_images = 1 - _correlation(student, teacher).mean()
    within_classes = 1 - _correlation(student.T, teacher.T).mean()
    return (within_images + within_classes) * temperature**2


def _correlation(ours: Tensor, theirs: Tensor) -> Tensor:
    """Pearson's correlation of rows."""
    ours, theirs = (x - x.mean(1, keepdim=True) for x in (ours, theirs))
    lengths = torch.linalg.vector_norm(ours, dim=1) * torch.linalg.vector_norm(theirs, dim=1)
    correlation: Tensor = (ours * theirs).sum(1) / lengths.clamp(min=TINY)
    return correlation


def feature_loss(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """Mean squared distance of unit vectors at each pixel, mean over the stages; 0..4.

    Args:
        ours: (B,D,H,W) a stage, projected to the teacher's width.
        theirs: (B,D,H,W) a stage.

    Source: Romero et al., FitNets, arXiv 1412.6550, section 2.2; unit vectors make it free of the maps' scale.
    """
    losses = [
        (functional.normalize(a.float(), dim=1) - functional.normalize(b.float(), dim=1)).square().sum(1).mean()
        for a, b in zip(ours, theirs, strict=True)
    ]
    return torch.stack(losses).mean()


def label_loss(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy with soft targets; a row without a target counts nothing.

    Args:
        logits: (B,C).
        targets: (B,C), rows that add up to at most 1; what is missing was an image without a label.
        smoothing: share of each target that is spread over all classes.
    """
    mass = targets.sum(1, keepdim=True)
    smooth = targets * (1 - smoothing) + mass * (smoothing / logits.shape[1])
    return -(smooth * functional.log_softmax(logits, 1)).sum() / mass.sum().clamp(min=1)
