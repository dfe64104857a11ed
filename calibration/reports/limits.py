"""Evaluation -> what its figures do not say: in full for the page, the part about these images for the terminal too."""

from __future__ import annotations

from calibration.dataset import number_of_people
from calibration.evaluate import GRADES_ITSELF, Evaluation

FPDB = "fpdb"  # name of FETAL_PLANES_DB in a label table
FPDB_IMAGES = 12400  # of the published set


def limits_from_evaluation(evaluation: Evaluation) -> tuple[str, ...]:
    """What these figures do not say, a sentence each."""
    samples = evaluation.dataset.samples
    partial = sum(sample.dataset == FPDB for sample in samples)
    sentences = ["These figures hold for these images only; that training never saw their patients is not checked."]
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
    sentences += remarks_from_evaluation(evaluation)
    if evaluation.manifest.decision.threshold is None:
        sentences.append("The bundle has no acceptance threshold: the device refuses every image.")
    return tuple(sentences)


def remarks_from_evaluation(evaluation: Evaluation) -> tuple[str, ...]:
    """What these images cannot show, whatever the model, a sentence each."""
    samples = evaluation.dataset.samples
    alone = sum(not sample.patient for sample in samples)
    sentences = [GRADES_ITSELF] if evaluation.grades_itself else []
    if missing := sorted(set(evaluation.labels) - {row.label for row in evaluation.scores.per_class}):
        sentences.append(f"No image shows {', '.join(missing)}: the means are over the other planes.")
    if (copies := evaluation.copies)[0]:
        labelled = f", {copies[1]} of them with different labels" if copies[1] else ""
        sentences.append(f"{copies[0]} images are copies of each other{labelled}; each counts.")
    if evaluation.dataset.patients < 2:
        sentences.append("All images are of one patient: there are no intervals.")
    elif number_of_people(evaluation.plane_patients) < 2:
        sentences.append("All plane images are of one patient: their figures have no intervals.")
    if alone and evaluation.dataset.patients > 1:
        sentences.append(
            f"{alone} of {len(samples)} images name no patient and count as a patient each: where they share patients, "
            "the intervals are too narrow."
        )
    return tuple(sentences)
