"""Evaluations -> report.html, report.json and two pictures in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from calibration.comparison import Comparison
from calibration.dataset import number_of_people
from calibration.evaluate import Evaluation
from calibration.phantom.marking import TEXT, is_synthetic
from calibration.reports.evidence import Evidence, document_from_evidence
from calibration.reports.others import rows_of_others
from calibration.reports.page import Chapter, Section, page_from_chapters
from edge.files import write_atomic
from edge.manifest import RESEARCH_USE

SCHEMA = 1
PAGE, DOCUMENT = "report.html", "report.json"


def document_from_evaluations(
    evaluations: Sequence[Evaluation], comparisons: Sequence[Comparison], evidence: Sequence[Evidence] = ()
) -> dict[str, Any]:
    """JSON of one evaluation, or of several side by side; every figure that `edge evaluate` shows.

    Args:
        evaluations: one a bundle.
        comparisons: of the further bundles with the first.
        evidence: one an evaluation, where a report was asked for.
    """
    found: Sequence[Evidence | None] = evidence or [None] * len(evaluations)
    models = [_document(*pair) for pair in zip(evaluations, found, strict=True)]
    document = models[0] if len(models) == 1 else {"models": models, "comparisons": [asdict(c) for c in comparisons]}
    return {"schema": SCHEMA, **document, "notice": asdict(RESEARCH_USE)}


def _document(evaluation: Evaluation, evidence: Evidence | None) -> dict[str, Any]:
    scores = asdict(evaluation.scores)
    latencies = [prediction.latency_ms for prediction in evaluation.predictions]
    document = {
        "model": evaluation.name,
        "bundle_sha256": evaluation.digest,
        "dataset_sha256": evaluation.dataset.digest,
        "images": len(evaluation.dataset.samples),
        "patients": evaluation.dataset.patients,
        "plane_patients": number_of_people(evaluation.plane_patients),
        "images_without_patient": evaluation.patients.count(""),
        "copies": {"images": evaluation.copies[0], "of_different_labels": evaluation.copies[1]},
        "labels": list(evaluation.labels),
        **scores,
        "coverage": asdict(evaluation.coverage),
        "intervals": {name: list(ends) for name, ends in evaluation.intervals.items()},
        "by_machine": _by_machine(evaluation),
        "latency_ms": round(float(np.median(latencies)), 2),
        "skipped_labels": evaluation.skipped_labels,
    }
    if evaluation.manifest.watermark:
        document["watermark"] = evaluation.manifest.watermark
    if is_synthetic(evaluation.dataset.samples):
        document["synthetic_images"] = True
    if evaluation.grades_itself:
        document["calibration_images"] = True
    if evaluation.others and evidence is None:
        document["other_images"] = [asdict(row) for row in rows_of_others(evaluation)]
    if evidence is not None:
        document |= document_from_evidence(evidence)
        intervals = {**evidence.score_intervals.means, **evidence.coverage_intervals}
        document["intervals"] = {**_lists(intervals), **document["intervals"]}
        for row in document["per_class"]:
            row["intervals"] = _lists(evidence.score_intervals.per_class[row["label"]])
    return document


def _by_machine(evaluation: Evaluation) -> dict[str, dict[str, float | int]]:
    rows: dict[str, list[bool]] = {}
    for sample, truth, answer in zip(evaluation.dataset.samples, evaluation.truth, evaluation.answers, strict=True):
        if truth >= 0:
            rows.setdefault(sample.machine or "unknown", []).append(bool(truth == answer))
    return {name: {"n": len(right), "accuracy": float(np.mean(right))} for name, right in sorted(rows.items())}


def _lists(intervals: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: list(ends) for name, ends in intervals.items()}


def page_from_evaluations(
    evaluations: Sequence[Evaluation],
    comparisons: Sequence[Comparison],
    evidence: Sequence[Evidence],
    extra: Sequence[Sequence[Section]] = (),
) -> str:
    """The page that a browser opens without a network.

    Args:
        evaluations: one a bundle.
        comparisons: of the further bundles with the first.
        evidence: one an evaluation.
        extra: further sections of each evaluation, see `sections_from_evaluation`.
    """
    from calibration.reports.page_sections import sections_from_evaluation
    from calibration.reports.page_tables import table_of_comparisons, table_of_models

    opening = []
    if comparisons:
        body = table_of_models(evaluations, evidence) + table_of_comparisons(comparisons)
        opening.append(Section("Side by side", body))
    more: Sequence[Sequence[Section]] = extra or [()] * len(evaluations)
    chapters = [
        Chapter(evaluation.name, sections_from_evaluation(evaluation, found, sections))
        for evaluation, found, sections in zip(evaluations, evidence, more, strict=True)
    ]
    watermarks = dict.fromkeys(mark for evaluation in evaluations for mark in _marks(evaluation))
    title = "Evaluation of " + ", ".join(evaluation.name for evaluation in evaluations)
    return page_from_chapters(title, RESEARCH_USE, " ".join(watermarks) or None, opening, chapters)


def _marks(evaluation: Evaluation) -> list[str]:
    """What must stand over the figures: the model's watermark, and where the images are phantoms."""
    marks = [evaluation.manifest.watermark] if evaluation.manifest.watermark else []
    return marks + ([f"{TEXT} images: no patient is on them."] if is_synthetic(evaluation.dataset.samples) else [])


def save_report(folder: Path, evaluations: Sequence[Evaluation], document: Mapping[str, Any], page: str) -> None:
    """Write `confusion.png`, `answers.png`, `report.json` and, when the others lie there, `report.html`.

    Args:
        folder: is made where it is not there.
        evaluations: one a bundle; the second picture is of the first.
        document: of them.
        page: of them.

    Raises:
        MachineError: the folder cannot be written.
    """
    from calibration.reports.figures import png_from_answers, png_from_confusions

    files = {
        "confusion.png": png_from_confusions(evaluations),
        "answers.png": png_from_answers(evaluations[0]),
        DOCUMENT: json.dumps(document, indent=1, ensure_ascii=False).encode(),
        PAGE: page.encode(),
    }
    for name, data in files.items():
        write_atomic(folder / name, data)
