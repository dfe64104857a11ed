"""Run every NAME-FORM.onnx of a folder on NAME.npy with the runtime's own backend: onnxruntime and numpy suffice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edge.backends.ort import ort_from_model

FORMS = ("fp32", "fp16", "canonical", "int8", "int8_7bit")


def answer(folder: Path, output: Path) -> None:
    """Write the logits of every model as NAME-FORM.npy."""
    output.mkdir(exist_ok=True)
    for images in sorted(folder.glob("*.npy")):
        for form in FORMS:
            model = (folder / f"{images.stem}-{form}.onnx").read_bytes()
            backend = ort_from_model(model, threads=1, spin=False)
            logits = np.concatenate([backend.logits_from_input(x[None]) for x in np.load(images)])
            np.save(output / f"{images.stem}-{form}.npy", logits)
    heavy = {"torch", "onnx"} & set(sys.modules)
    if output.name != "current" and heavy:
        raise SystemExit(f"the runtime loaded {heavy}")


if __name__ == "__main__":
    answer(Path(sys.argv[1]), Path(sys.argv[2]))
