"""torch against ONNX Runtime: largest difference of the logits, random and trained weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compile.export import onnx_from_student
from compile.model.checkpoint import teacher_from_checkpoint
from compile.model.spec import ModelSpec
from compile.model.zoo import model_from_name
from compile.source import WEIGHTS
from edge.backends.ort import ort_from_model
from edge.preprocess import Preprocess

CASES = (("vmamba_t", 1000, 3), ("edge_s", 8, 1), ("edge_n", 8, 1))  # the small scale: the last


def measured(small: bool) -> dict[str, Any]:
    """Model -> largest difference and the logits' spread, on 1 or 4 random images at 224."""
    images = 1 if small else 4
    rows = {}
    for name, classes, channels in CASES[-1:] if small else CASES:
        torch.manual_seed(0)
        model = randomized(model_from_name(name, classes, channels).eval())
        rows[f"{name}, random weights"] = difference(model, name, classes, channels, images)
    for file in sorted(WEIGHTS.glob("*.safetensors")):
        model, info = teacher_from_checkpoint(file)
        rows[f"{file.stem}, shipped weights"] = difference(model, file.stem, info.classes, info.in_channels, images)
    return {"images": images, "max_abs_difference_of_logits": rows, "bound": 1e-3}


def randomized(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough for logits of order 1: fresh heads of 0.02 would hide an error."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.normal_(0, module.in_features**-0.5)
    return model


def difference(model: torch.nn.Module, name: str, classes: int, channels: int, images: int) -> dict[str, float]:
    """Largest difference between the two runtimes, and the standard deviation of the logits."""
    spec = ModelSpec(name, tuple(f"class_{i}" for i in range(classes)), preprocess=Preprocess(224, channels=channels))
    x = np.random.default_rng(0).standard_normal((images, channels, 224, 224)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file = onnx_from_student(model, spec, Path(folder) / "model.onnx").path
        ours = ort_from_model(file.read_bytes(), 2, spin=False).logits_from_input(x)
        theirs = model(torch.from_numpy(x))[0].numpy()
    return {"max_abs_difference": float(np.abs(ours - theirs).max()), "logits_std": float(theirs.std())}
