"""Evaluation + Evidence -> the sections of the page about one model, in the order a reader asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.evaluate import Evaluation
from calibration.reports.absent import Absent
from calibration.reports.charts import png_from_calibration, png_from_coverage, png_from_embedding, png_from_roc
from calibration.reports.evidence import Evidence
from calibration.reports.figures import (
    credit_from_folder,
    png_from_answers,
    png_from_confusions,
    png_from_thumbnail,
)
from calibration.reports.markup import image, paragraph, picture, share, share_within, text
from calibration.reports.mistakes import GALLERY, Mistake
from calibration.reports.page import Section, picture_section
from calibration.reports.page_summary import summary
from calibration.reports.page_tables import (
    table_of_groups,
    table_of_others,
    table_of_refusals,
    table_of_scores,
    table_of_separations,
)
from edge.manifest import RESEARCH_USE

NO_CREDIT = "Whose images these are is not told: no ATTRIBUTION.md lies beside the label table."


def sections_from_evaluation(
    evaluation: Evaluation, evidence: Evidence, extra: Sequence[Section] = ()
) -> tuple[Section, ...]:
    """All sections; a part that these images do not give says why.

    Args:
        evaluation: of one model.
        evidence: of the same.
        extra: sections with further pictures of single images, put before the sample of answers.
    """
    return (
        Section("Summary", summary(evaluation, evidence)),
        Section("Scores by plane", table_of_scores(evaluation, evidence) + _top2(evaluation, evidence)),
        Section("Confusion matrix", _confusion(evaluation)),
        Section("The reject answer", _reject(evaluation, evidence)),
        Section("Planes against what is no plane", table_of_separations(evidence.separations)),
        Section("Other images", table_of_others(evidence.other_images)),
        Section("Calibration", _calibration(evidence)),
        Section("ROC curves", _roc(evaluation, evidence)),
        Section("By scanner", table_of_groups(evidence.machines, "scanner")),
        Section("By operator", table_of_groups(evidence.operators, "operator")),
        Section("Map of the features", _embedding(evaluation, evidence)),
        Section("Mistakes", _gallery(evaluation, evidence.mistakes)),
        *extra,
        _sample_of_answers(evaluation),
    )


def credit_from_evaluation(evaluation: Evaluation) -> str:
    """The line below pictures of real images: whose they are, and the research-use line."""
    credit = credit_from_folder(evaluation.dataset.root) or NO_CREDIT
    return f"{credit}. {RESEARCH_USE.en} {RESEARCH_USE.zh}".replace("..", ".")


def _top2(evaluation: Evaluation, evidence: Evidence) -> str:
    ends = evidence.score_intervals.means
    top2, accuracy = (share_within(getattr(evaluation.scores, name), ends.get(name)) for name in ("top2", "accuracy"))
    return paragraph(f"Accuracy {accuracy}; the true plane is among the two most probable: {top2}.")


def _confusion(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    alt = "Confusion matrix, rows the label, columns the most probable plane. " + "; ".join(
        f"{row.label}: {round(row.sensitivity * row.n)} of {row.n} right" for row in scores.per_class
    )
    caption = "Counts; the shade is the share of the row. The reject answer is not used here."
    return picture(png_from_confusions([evaluation]), alt, caption)


def _reject(evaluation: Evaluation, evidence: Evidence) -> str:
    coverage, curve = evaluation.coverage, evidence.coverage_curve
    words = (
        f"At the bundle's own threshold {share(coverage.accepted)} of the plane images are accepted, "
        f"{share(coverage.accuracy_accepted)} of those are right"
    )
    if coverage.refused_n:
        words += f", and {share(coverage.refused)} of {coverage.refused_n} images of no plane are refused"
    if isinstance(curve, Absent):
        drawn = paragraph(curve.absent)
    else:
        png = png_from_coverage(curve, coverage, evaluation.manifest.decision.threshold)
        caption = "Another threshold moves along the curves; the marks are the bundle's own."
        drawn = picture(png, f"Accuracy of the accepted images over the share accepted. {words}.", caption)
    return paragraph(f"{words}.") + drawn + table_of_refusals(evidence.reject)


def _calibration(evidence: Evidence) -> str:
    found = evidence.calibration
    if isinstance(found, Absent):
        return paragraph(found.absent)
    words = (
        f"Expected calibration error {found.ece:.3f} over {len(found.bins)} bins of equally many plane images, of the "
        f"calibrated probability of the most probable plane. A perfectly calibrated model would show about "
        f"{found.ece_if_perfect:.3f} on so few images."
    )
    points = "; ".join(f"{one.probability:.2f} says, {one.right:.2f} right" for one in found.bins)
    caption = "Below the dotted line the model is too sure of itself."
    return paragraph(words) + picture(png_from_calibration(found), f"Calibration curve: {points}.", caption)


def _roc(evaluation: Evaluation, evidence: Evidence) -> str:
    if isinstance(evidence.roc, Absent):
        return paragraph(evidence.roc.absent)
    areas = {row.label: row.auc for row in evaluation.scores.per_class}
    alt = "ROC curve of each plane against the others. AUC: " + ", ".join(f"{n} {share(a)}" for n, a in areas.items())
    caption = "One plane against the others, over the plane images."
    return picture(png_from_roc(evidence.roc, areas), alt, caption)


def _embedding(evaluation: Evaluation, evidence: Evidence) -> str:
    found = evidence.embedding
    if isinstance(found, Absent):
        return paragraph(found.absent)
    labels = [evaluation.dataset.samples[number].label for number in found.images]
    caption = (
        f"{len(labels)} images; t-SNE of the engine's own features (mean of the last map), perplexity "
        f"{found.perplexity:.0f}, seed {found.seed}. Near points look alike to the network; "
        "distances between groups and axes mean nothing."
    )
    alt = f"Map of {len(labels)} images, coloured by label: {', '.join(sorted(set(labels)))}."
    return picture(png_from_embedding(found, labels, evaluation.labels), alt, caption)


def _gallery(evaluation: Evaluation, mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return paragraph("None on these images.")
    shown = sum(not mistake.refused for mistake in mistakes)
    words = (
        f"{len(mistakes)} images: the most probable plane is not the label, or the image shows no plane and is "
        f"accepted. {shown} of them would be shown to the sonographer, the others are refused by the device. "
    )
    words += f"The {GALLERY} most certain:" if len(mistakes) > GALLERY else "The most certain first:"
    tiles = "\n".join(_tile(evaluation, mistake) for mistake in mistakes[:GALLERY])
    return (
        f'{paragraph(words)}<div class="gallery">{tiles}</div>{paragraph(credit_from_evaluation(evaluation), "quiet")}'
    )


def _tile(evaluation: Evaluation, mistake: Mistake) -> str:
    plane, label = (name.replace("_", " ") for name in (mistake.plane, mistake.label))
    plane = f"{plane} {mistake.probability:.2f}"
    alt = f"Ultrasound image labelled {label}, taken for {plane}"
    state, kind = ("refused anyway", "refused") if mistake.refused else ("shown as this plane", "shown")
    lines = [
        f"<b>{text(plane)}</b>",
        f"label: {text(label)}",
        f'<span class="{kind}">{state}</span>',
        text(mistake.machine or "scanner unknown"),
    ]
    thumbnail = image(png_from_thumbnail(evaluation.dataset.root / mistake.file), alt)
    return f"<figure>{thumbnail}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"


def _sample_of_answers(evaluation: Evaluation) -> Section:
    return picture_section(
        "Sample of answers",
        png_from_answers(evaluation),
        "Chosen without regard to the answers: the labels in turn, evenly spread over each one's images.",
        "Single images with the most probable plane, its probability and the label below each.",
        credit_from_evaluation(evaluation),
    )
