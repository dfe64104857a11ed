"""Evaluation -> what a reader wants first: which model, which images, the two or three figures, and their limits."""

from __future__ import annotations

from calibration.dataset import number_of_people
from calibration.evaluate import GRADES_ITSELF, Evaluation
from calibration.reports.absent import Absent
from calibration.reports.evidence import Evidence
from calibration.reports.markup import NOTHING, cards, interval, pairs, paragraph, share

FPDB = "fpdb"  # name of FETAL_PLANES_DB in a label table
FPDB_IMAGES = 12400  # of the published set


def summary(evaluation: Evaluation, evidence: Evidence) -> str:
    """Cards, facts and limits."""
    return _cards(evaluation, evidence) + pairs(_facts(evaluation)) + _limits(evaluation)


def limits_from_evaluation(evaluation: Evaluation) -> tuple[str, ...]:
    """What these figures do not say, a sentence each."""
    samples = evaluation.dataset.samples
    partial = sum(sample.dataset == FPDB for sample in samples)
    alone = sum(not sample.patient for sample in samples)
    sentences = ["These figures hold for these images only.", *([GRADES_ITSELF] if evaluation.grades_itself else [])]
    if 0 < partial < FPDB_IMAGES:
        sentences.append(
            f"{partial} of the {FPDB_IMAGES:,} images of FETAL_PLANES_DB are here: not comparable with results "
            "published on its six classes or its full test split."
        )
    if len(sets := sorted({sample.dataset or "unnamed" for sample in samples})) > 1:
        sentences.append(
            f"Images of several data sets are pooled ({', '.join(sets)}): a plane that only one of them has can be "
            "told by that set's looks alone."
        )
    if evaluation.dataset.patients < 2:
        sentences.append("All images are of one patient: there are no intervals.")
    elif number_of_people(evaluation.plane_patients) < 2:
        sentences.append("All plane images are of one patient: their figures have no intervals.")
    if alone and evaluation.dataset.patients > 1:
        sentences.append(
            f"{alone} of {len(samples)} images name no patient and count as a patient each: where they share patients, "
            "the intervals are too narrow, and whether training saw the same patients cannot be checked."
        )
    if evaluation.manifest.decision.threshold is None:
        sentences.append("The bundle has no acceptance threshold: the device refuses every image.")
    return tuple(sentences)


def _cards(evaluation: Evaluation, evidence: Evidence) -> str:
    scores, coverage, ends = (
        evaluation.scores,
        evaluation.coverage,
        {**evidence.score_intervals.means, **evidence.coverage_intervals},
    )
    values = [
        ("macro-F1", share(scores.macro_f1), _within(ends.get("macro_f1"), "over the planes that occur")),
        ("accuracy", share(scores.accuracy), _within(ends.get("accuracy"), f"{scores.n} plane images")),
        (
            "plane images accepted",
            share(coverage.accepted),
            _within(ends.get("accepted"), f"{share(coverage.accuracy_accepted)} of those right"),
        ),
    ]
    if coverage.refused_n:
        words = _within(ends.get("refused"), f"{coverage.refused_n} images, the bundle's own threshold")
        values.append(("images of no plane refused", share(coverage.refused), words))
    if not isinstance(evidence.reject, Absent):
        first = evidence.reject.refusals[0]
        words = _within(first.refused_interval, "threshold set on these images")
        values.append(("refused, 95 % of correct planes kept", share(first.refused), words))
    return cards(values)


def _facts(evaluation: Evaluation) -> dict[str, str]:
    samples, decision = evaluation.dataset.samples, evaluation.manifest.decision
    names, splits = (sorted({getattr(s, name) or "unnamed" for s in samples}) for name in ("dataset", "split"))
    threshold = NOTHING if decision.threshold is None else f"{decision.threshold:.3f}"
    facts = {
        "images": f"{len(samples)} of {evaluation.dataset.patients} patients; {evaluation.scores.n} show a plane",
        "data set": f"{', '.join(names)}; split {', '.join(splits)}",
        "data digest": evaluation.dataset.digest,
        "bundle": f"{evaluation.manifest.name}, release {evaluation.manifest.release}, {evaluation.manifest.precision}",
        "bundle digest": evaluation.digest,
        "threshold": f"{threshold}, temperature {decision.temperature:.2f} ({decision.method})",
    }
    if evaluation.skipped_labels:
        skipped = ", ".join(f"{label} ({count})" for label, count in sorted(evaluation.skipped_labels.items()))
        facts["left out, unknown to the model"] = skipped
    return facts


def _limits(evaluation: Evaluation) -> str:
    return (
        f'<div class="limits">{"".join(paragraph(sentence) for sentence in limits_from_evaluation(evaluation))}</div>'
    )


def _within(ends: tuple[float, float] | None, words: str) -> str:
    brackets = interval(ends)
    return f"95 % by patient {brackets}; {words}" if brackets else words
