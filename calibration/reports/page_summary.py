"""Evaluation -> what a reader wants first: which model, which images, the two or three figures, and their limits."""

from __future__ import annotations

from calibration.dataset import people_in_words
from calibration.evaluate import Evaluation
from calibration.reports.absent import Absent
from calibration.reports.evidence import Evidence
from calibration.reports.limits import limits_from_evaluation
from calibration.reports.markup import NOTHING, cards, interval, pairs, paragraph, share


def summary(evaluation: Evaluation, evidence: Evidence) -> str:
    """Cards, facts and limits."""
    return _cards(evaluation, evidence) + pairs(_facts(evaluation)) + _limits(evaluation)


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
        "images": f"{len(samples)} of {people_in_words(evaluation.patients)}; {evaluation.scores.n} show a plane",
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
