"""INT8 against the float model on the shipped test images, through the command a user would run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

POINTS = ("roc", "calibration", "coverage_curve", "mistakes", "embedding")  # of the report's pictures
BUNDLES = ("build/fetal-planes-fp32.edge", "build/fetal-planes.edge")  # edge_n
LARGER = ("build/edge_s-fp32.edge", "build/edge_s.edge")


def measured(small: bool) -> dict[str, Any]:
    """Scores, confusion matrices, F1 drop and agreement with intervals by patient; the small scale is the full one."""
    return measured_on(BUNDLES)


def measured_larger(small: bool) -> dict[str, Any]:
    """The same of `edge_s`."""
    return measured_on(LARGER)


def measured_on(bundles: Sequence[str]) -> dict[str, Any]:
    """The same of any two bundles."""
    command = [sys.executable, "-m", "edge", "evaluate", *bundles, "--report", "build/report", "--json"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    document = json.loads(result.stdout)
    for model in document["models"]:
        for name in POINTS:
            model.pop(name, None)
    return {"command": " ".join(["edge", *command[3:]]), **document}
