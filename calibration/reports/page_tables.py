"""Figures -> tables of the page."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.comparison import Comparison
from calibration.evaluate import Evaluation
from calibration.mcnemar import p_value
from calibration.reject import RejectAt, Separation
from calibration.reports.absent import Absent
from calibration.reports.evidence import Evidence
from calibration.reports.groups import FEW, GroupRow
from calibration.reports.markup import NOTHING, Row, interval, paragraph, share, share_within, table
from calibration.reports.others import OtherImages
from calibration.score_intervals import CLASS_FIGURES, MEAN_NAMES

# Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249, 1983: the rule of three
BY_PATIENT = (
    "In brackets: 95 % interval, patients drawn again. No brackets: all draws agree, which still allows for an error "
    "of 3 / number of patients."
)


def table_of_scores(evaluation: Evaluation, evidence: Evidence) -> str:
    """A row a plane, and the means."""
    scores, ends = evaluation.scores, evidence.score_intervals
    rows = []
    for row in scores.per_class:
        within = ends.per_class[row.label]
        figures = (share_within(getattr(row, name), within.get(name)) for name in CLASS_FIGURES)
        rows.append(Row((row.label, str(row.n), *figures)))
    means = (share_within(getattr(scores, name), ends.means.get(name)) for name in MEAN_NAMES)
    rows.append(Row(("mean", str(scores.n), *means), "all"))
    head = ("plane", "n", "sensitivity", "specificity", "precision", "F1", "AUC")
    return table(head, rows, f"Each plane against the others; the mean is over the planes that occur. {BY_PATIENT}")


def table_of_groups(rows: Sequence[GroupRow] | Absent, what: str) -> str:
    """A row a scanner or operator, few images in grey."""
    if isinstance(rows, Absent):
        return paragraph(rows.absent)
    lines = [
        Row(
            (
                row.name + (" (few)" if row.few else ""),
                str(row.n),
                str(row.patients),
                share_within(row.accuracy, row.accuracy_interval),
                share_within(row.macro_f1, row.macro_f1_interval),
                str(row.classes),
                share_within(row.accepted, row.accepted_interval),
            ),
            "few" if row.few else "",
        )
        for row in rows
    ]
    caption = f"Macro-F1 is over the planes that the row has, so rows of other planes cannot be compared. {BY_PATIENT}"
    if any(row.few for row in rows):
        caption += f" Grey: fewer than {FEW} images, too few to mean anything."
    return table((what, "images", "patients", "accuracy", "macro-F1", "planes", "accepted"), lines, caption)


def table_of_refusals(reject: RejectAt | Absent) -> str:
    """Refusals at the share of kept planes."""
    if isinstance(reject, Absent):
        return paragraph(reject.absent)
    rows = [
        Row(
            (
                "all images of no plane" if number == 0 else refusal.label,
                str(refusal.n),
                share_within(refusal.refused, refusal.refused_interval),
            ),
            _kind(refusal.n, number == 0),
        )
        for number, refusal in enumerate(reject.refusals)
    ]
    words = f"Threshold {reject.threshold:.3f}, set on these very images so that {reject.kept:.1%} of "
    words += f"{reject.correct} correctly answered planes are kept; the bundle's own was set when it was compiled. "
    return table(("label", "n", "refused"), rows, words + BY_PATIENT)


def table_of_separations(rows: Sequence[Separation] | Absent) -> str:
    """AUC of planes against what is none."""
    if isinstance(rows, Absent):
        return paragraph(rows.absent)
    lines = [
        Row(
            (
                row.positive,
                row.negative,
                share_within(row.auc, row.auc_interval),
                str(row.positives),
                str(row.negatives),
                row.score,
            )
        )
        for row in rows
    ]
    return table(("images", "against", "AUC", "n", "n against", "told apart by"), lines, BY_PATIENT)


def table_of_others(rows: Sequence[OtherImages] | Absent) -> str:
    """What is answered to images of no plane."""
    if isinstance(rows, Absent):
        return paragraph(rows.absent)
    groups = list(rows[0].accepted)
    lines = [
        Row(
            (
                row.label,
                "yes" if row.should_be_refused else NOTHING,
                str(row.n),
                share_within(row.refused, row.refused_interval),
                *(share_within(row.accepted[name], row.accepted_intervals[name]) for name in groups),
            ),
            _kind(row.n, False),
        )
        for row in rows
    ]
    head = ("label", "should be refused", "n", "refused", *(f"accepted as {name}" for name in groups))
    caption = (
        f"Shares at the bundle's own threshold. {NOTHING}: the model does not know the label, so no answer is "
        f"demanded; whether training saw these images is not known here. {BY_PATIENT} Grey: fewer than {FEW} images."
    )
    return table(head, lines, caption)


def table_of_models(evaluations: Sequence[Evaluation], evidence: Sequence[Evidence]) -> str:
    """The models side by side."""
    rows = []
    for evaluation, found in zip(evaluations, evidence, strict=True):
        scores, ends, coverage = evaluation.scores, found.score_intervals.means, evaluation.coverage
        ece = None if isinstance(found.calibration, Absent) else found.calibration.ece
        refused = None if isinstance(found.reject, Absent) else found.reject.refusals[0].refused
        within = [share_within(getattr(scores, n), ends.get(n)) for n in ("macro_f1", "accuracy", "auc")]
        more = (scores.top2, ece, coverage.accepted, coverage.accuracy_accepted, coverage.refused, refused)
        rows.append(Row((evaluation.name, *within, *(share(value) for value in more))))
    head = ("model", "macro-F1", "accuracy", "AUC", "top-2", "ECE", "accepted", "right of those", "refused")
    return table((*head, "refused at 95 % kept"), rows, BY_PATIENT)


def table_of_comparisons(comparisons: Sequence[Comparison]) -> str:
    """Each further model against the first."""
    rows = [
        Row(
            (
                c.name,
                f"{c.f1_drop:+.2f} {interval(c.f1_drop_interval, '+.2f')}".rstrip(),
                share_within(c.agreement, c.agreement_interval),
                str(c.mcnemar.only_first),
                str(c.mcnemar.only_second),
                p_value(c.mcnemar.p),
                c.mcnemar.method,
            )
        )
        for c in comparisons
    ]
    head = (
        "model",
        "macro-F1 drop, points",
        "agreement",
        "only the first right",
        "only this right",
        "McNemar p",
        "test",
    )
    caption = (
        f"Against {comparisons[0].reference}. {BY_PATIENT} McNemar's test is over the plane images and takes them as "
        "independent, which images of one patient are not: believe the interval where the two differ."
    )
    return table(head, rows, caption)


def _kind(n: int, is_all: bool) -> str:
    return "all" if is_all else "few" if n < FEW else ""
