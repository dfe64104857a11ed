"""Figures -> tables for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from calibration.benchmark import Timing
from calibration.comparison import Comparison
from calibration.dataset import number_of_people, people_in_words
from calibration.evaluate import Evaluation
from calibration.mcnemar import p_value
from calibration.phantom.marking import TEXT, is_synthetic
from calibration.reports.limits import remarks_from_evaluation
from calibration.reports.markup import interval
from calibration.reports.others import rows_of_others
from edge.commands.terminal import ANSWERS

if TYPE_CHECKING:
    from rich.table import Table


def score_table(evaluation: Evaluation) -> Table:
    """Scores of one bundle: a row per plane, the means, what the reject answer does."""
    from rich.table import Table

    scores, coverage = evaluation.scores, evaluation.coverage
    people = people_in_words(evaluation.plane_patients)
    table = Table(
        title=f"{evaluation.name}: {scores.n} {_kind(evaluation)}images of a plane, {people}",
        caption=(
            f"macro-F1 {scores.macro_f1:.3f}{_within(evaluation)}, "
            f"accuracy {scores.accuracy:.3f}\n"
            f"with the reject answer: {_share(coverage.accepted)} of the plane images accepted, "
            f"{_share(coverage.accuracy_accepted)} of those right;\n"
            f"{_share(coverage.refused)} of {coverage.refused_n} images of no plane refused"
            + "".join(f"\n{remark}" for remark in (*remarks_from_evaluation(evaluation), *_left_out(evaluation)))
        ),
    )
    for title in ("plane", "n", "sensitivity", "specificity", "precision", "F1", "AUC"):
        table.add_column(title, justify="left" if title == "plane" else "right")
    for row in scores.per_class:
        shares = (row.sensitivity, row.specificity, row.precision, row.f1, row.auc)
        table.add_row(row.label, str(row.n), *(_share(share) for share in shares))
    means = (scores.sensitivity, scores.specificity, scores.precision, scores.macro_f1, scores.auc)
    table.add_row("mean", str(scores.n), *(_share(share) for share in means), style="bold")
    return table


def _kind(evaluation: Evaluation) -> str:
    return f"{TEXT} " if is_synthetic(evaluation.dataset.samples) else ""


def _within(evaluation: Evaluation) -> str:
    """Macro-F1's interval; the rule of three where all draws agree (its source: page_tables.py)."""
    people, within = number_of_people(evaluation.plane_patients), interval(evaluation.intervals["macro_f1"])
    units, by = ("patients", "by patient") if any(evaluation.plane_patients) else ("images", "by image")
    if within:
        return f" {within} (95 %, {by})"
    bound = min(1.0, 3 / people)
    return f" (all draws of {people} {units} agree, which allows for an error of {bound:.3f})" if people > 1 else ""


def _left_out(evaluation: Evaluation) -> tuple[str, ...]:
    skipped = ", ".join(f"{label} ({count})" for label, count in sorted(evaluation.skipped_labels.items()))
    return (f"Left out, unknown to the model: {skipped}.",) if skipped else ()


def image_table(evaluation: Evaluation, count: int) -> Table:
    """Some single images: the table that `make run` ends with."""
    from rich.table import Table

    table = Table(
        title=f"{evaluation.name}: {min(count, len(evaluation.predictions))} of {len(evaluation.predictions)} images"
    )
    for title in ("image", "true plane", "answer", "probability", "ms"):
        table.add_column(title, justify="right" if title in ("probability", "ms") else "left", overflow="fold")
    for index in spread_over_labels(evaluation, count):
        sample, prediction = evaluation.dataset.samples[index], evaluation.predictions[index]
        is_right = prediction.answer == sample.label or (not prediction.accepted and evaluation.truth[index] < 0)
        table.add_row(
            sample.file.rsplit("/", 1)[-1],
            sample.label,
            ANSWERS.get(prediction.answer, prediction.answer),
            f"{prediction.probability:.2f}",
            f"{prediction.latency_ms:.1f}",
            style=None if is_right else "yellow",
        )
    return table


def others_table(evaluation: Evaluation) -> Table:
    """What is answered to images of no plane, where there are any: a row a label, a column a group of planes."""
    from rich.table import Table

    rows = rows_of_others(evaluation)
    table = Table(title=f"{evaluation.name}: images that are no plane of it, shares accepted")
    for title in ("label", "n", *rows[0].accepted, "refused"):
        table.add_column(title, justify="left" if title == "label" else "right")
    for row in rows:
        table.add_row(row.label, str(row.n), *(_share(share) for share in (*row.accepted.values(), row.refused)))
    return table


def spread_over_labels(evaluation: Evaluation, count: int) -> list[int]:
    """Numbers of some images, labels in turn, each label's images evenly spread; no regard to the answers."""
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(evaluation.dataset.samples):
        groups.setdefault(sample.label, []).append(index)
    each = -(-count // len(groups))
    picked = [[group[int(i)] for i in np.linspace(0, len(group) - 1, each)] for _, group in sorted(groups.items())]
    chosen = list(dict.fromkeys(index for turn in zip(*picked, strict=True) for index in turn))[:count]
    return sorted(chosen, key=lambda index: (evaluation.dataset.samples[index].label, index))


def comparison_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Each further bundle against the first."""
    return [_comparison_line(comparison) for comparison in comparisons]


def _comparison_line(c: Comparison) -> str:
    drop = f"{c.f1_drop:+.2f} points {interval(c.f1_drop_interval, '+.2f')}".rstrip()
    agreement = f"{c.agreement:.1%} {interval(c.agreement_interval, '.1%')}".rstrip()
    return (
        f"{c.name} against {c.reference}: macro-F1 drop {drop}, agreement {agreement} (95 %, by patient); "
        f"right alone {c.mcnemar.only_second} against {c.mcnemar.only_first}, "
        f"McNemar p {p_value(c.mcnemar.p)}, {c.mcnemar.method}"
    )


def timing_table(timings: Sequence[Timing]) -> Table:
    """Latencies side by side, with the ratio to the first."""
    from rich.table import Table

    table = Table(caption="one run of each in turn, batch 1; ratio of medians to the first")
    for title in ("file", "p50 ms", "p90 ms", "p99 ms", "images/s", "peak MB", "ratio"):
        table.add_column(title, justify="left" if title == "file" else "right")
    for t in timings:
        ratio = t.p50_ms / timings[0].p50_ms
        figures = (f"{t.p50_ms:.2f}", f"{t.p90_ms:.2f}", f"{t.p99_ms:.2f}", f"{t.images_per_s:.0f}")
        table.add_row(t.file, *figures, f"{t.peak_mb:.0f}", f"{ratio:.2f}")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
