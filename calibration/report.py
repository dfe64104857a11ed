"""Evaluations -> report.json and pictures in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from calibration.evaluate import Comparison, Evaluation
from edge.files import write_atomic
from edge.manifest import RESEARCH_USE

SCHEMA = 1


def document_from_evaluations(evaluations: Sequence[Evaluation], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """JSON of one evaluation, or of several side by side; every figure the page of `edge evaluate` shows."""
    models = [_document(evaluation) for evaluation in evaluations]
    document = models[0] if len(models) == 1 else {"models": models, "comparisons": [asdict(c) for c in comparisons]}
    return {"schema": SCHEMA, **document, "notice": asdict(RESEARCH_USE)}


def _document(evaluation: Evaluation) -> dict[str, Any]:
    scores = asdict(evaluation.scores)
    latencies = [prediction.latency_ms for prediction in evaluation.predictions]
    return {
        "model": evaluation.name,
        "bundle_sha256": evaluation.digest,
        "dataset_sha256": evaluation.dataset.digest,
        "patients": evaluation.dataset.patients,
        "labels": list(evaluation.labels),
        **scores,
        "coverage": asdict(evaluation.coverage),
        "intervals": {name: list(ends) for name, ends in evaluation.intervals.items()},
        "by_machine": _by_machine(evaluation),
        "latency_ms": round(float(np.median(latencies)), 2),
        "skipped_labels": evaluation.skipped_labels,
    }


def _by_machine(evaluation: Evaluation) -> dict[str, dict[str, float | int]]:
    rows: dict[str, list[bool]] = {}
    for sample, truth, answer in zip(evaluation.dataset.samples, evaluation.truth, evaluation.answers, strict=True):
        if truth >= 0:
            rows.setdefault(sample.machine or "unknown", []).append(bool(truth == answer))
    return {name: {"n": len(right), "accuracy": float(np.mean(right))} for name, right in sorted(rows.items())}


def save_report(folder: Path, evaluations: Sequence[Evaluation], document: dict[str, Any]) -> None:
    """Write `report.json`, `confusion.png` and `answers.png`.

    Raises:
        MachineError: the folder cannot be written.
    """
    from calibration.figures import png_from_answers, png_from_confusions

    write_atomic(folder / "report.json", json.dumps(document, indent=1, ensure_ascii=False).encode())
    write_atomic(folder / "confusion.png", png_from_confusions(evaluations))
    write_atomic(folder / "answers.png", png_from_answers(evaluations[0]))
