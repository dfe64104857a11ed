"""How hard the phantoms are: logistic regression on 32x32 pixels, and at full scale vmamba_t, compiled and evaluated.

Every figure here is of SYNTHETIC images and stands in a file of its own; none may stand beside figures of real ones.
The full scale trains vmamba_t for about four hours of one core, once; build/phantom-vmamba_t.edge is used again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from calibration.dataset import Dataset, dataset_from_csv
from calibration.phantom.phantom_set import PhantomSet, phantom_set_from_settings
from calibration.phantom.plan import PhantomSettings
from calibration.phantom.planes import NOT_STANDARD
from calibration.phantom.sweep import sweep_from_patient
from edge.preprocess import Preprocess, square_from_frame
from edge.sources.images import load_image

SWEEP = ("TV", "4C")
PIXELS_PX = 32  # side of what logistic regression sees
STRENGTHS = (1.0, 0.01, 0.0005)  # regularisations that are tried; the split val chooses
SMALL = PhantomSettings(per_plane=20, size_px=256)
FULL = PhantomSettings(per_plane=400, size_px=384)
FOLDER = Path("build/phantom")
FIRST = ("--epochs", "12@128", "--lr", "1e-3")
MORE = ("--epochs", "10@128", "--lr", "7e-4", "--seed", "1")  # from the first one's weights
TRAIN = ("--batch", "32", "--threads", "1")


def measured(small: bool) -> dict[str, Any]:
    """Accuracy on the split test of phantoms; the small scale has fewer frames and no trained network."""
    if small:
        with tempfile.TemporaryDirectory() as folder:
            return _figures(phantom_set_from_settings(Path(folder), SMALL, _quiet), SMALL)
    made = phantom_set_from_settings(FOLDER, FULL, _quiet)
    return {**_figures(made, FULL), "vmamba_t": _network(made)}


def _quiet(stage: str, share: float) -> None:
    """No bar."""


def _figures(made: PhantomSet, settings: PhantomSettings) -> dict[str, Any]:
    return {
        "synthetic": True,
        "note": "SYNTHETIC PHANTOM figures; never to be shown beside figures of real images",
        "per_plane": settings.per_plane,
        "size_px": settings.size_px,
        "patients": made.patients,
        "splits": made.splits,
        "logistic_regression_32px": logistic_regression(dataset_from_csv(made.labels)),
        "sweep_cpu_ms_a_frame": sweep_ms(),
    }


def sweep_ms() -> float:
    """CPU time of one frame of a sweep, 640x480."""
    frames = sweep_from_patient(0, SWEEP)
    next(frames)  # scatterers and screen
    start = time.process_time()
    count = sum(1 for _ in frames)
    return round(1000 * (time.process_time() - start) / count, 2)


def logistic_regression(dataset: Dataset) -> dict[str, Any]:
    """Accuracy over the 21 planes, standardised pixels, split by patient.

    Args:
        dataset: a phantom set; the split val chooses the regularisation.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    samples = [sample for sample in dataset.samples if sample.label != NOT_STANDARD]
    small = Preprocess(size_px=PIXELS_PX)
    pixels = np.array([square_from_frame(load_image(dataset.path(s)), small).ravel() for s in samples], np.float64)
    labels, splits = (np.array([getattr(sample, name) for sample in samples]) for name in ("label", "split"))
    fitted = []
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        model.fit(pixels[splits == "train"], labels[splits == "train"])
        fitted.append((model.score(pixels[splits == "val"], labels[splits == "val"]), strength, model))
    val, strength, model = max(fitted, key=lambda found: found[0])
    test = model.score(pixels[splits == "test"], labels[splits == "test"])
    return {"accuracy": float(test), "accuracy_val": float(val), "C": strength, "n": int((splits == "test").sum())}


def commands(labels: Path) -> tuple[list[str], ...]:
    """What trains, trains further, compiles and evaluates vmamba_t on a phantom set."""
    folder, bundle = labels.parent, "build/phantom-vmamba_t.edge"
    first, weights = "build/phantom-first.safetensors", "build/phantom-vmamba_t.safetensors"
    train = ["train", "vmamba_t", "--data", str(labels), "--labels", str(folder / "planes.txt")]
    train += ["--recipe", str(folder / "recipe.toml"), *TRAIN]
    compiled = ["compile", weights, "-o", bundle, "--calibration", str(labels), "--gate-data", str(labels)]
    return (
        [*train, *FIRST, "-o", first],
        [*train, *MORE, "--init", first, "-o", weights],
        compiled,
        ["evaluate", bundle, "--data", str(labels), "--split", "test", "--json"],
    )


def _network(made: PhantomSet) -> dict[str, Any]:
    *making, evaluate = commands(made.labels)
    if not Path(evaluate[1]).is_file():
        for command in making:
            _edge(command)
    document = json.loads(_edge(evaluate).splitlines()[-1])
    kept = ("accuracy", "macro_f1", "intervals", "coverage", "n", "confusion", "labels", "watermark")
    shown = [" ".join(["edge", *command]) for command in (*making, evaluate)]
    return {"commands": shown, **{name: document[name] for name in kept if name in document}}


def _edge(arguments: list[str]) -> str:
    return subprocess.run([sys.executable, "-m", "edge", *arguments], check=True, capture_output=True, text=True).stdout
