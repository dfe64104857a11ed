"""Run every model of a folder on an ONNX Runtime of any version: onnxruntime, numpy and the runtime's own code suffice.

::

    NAME-FORM.onnx, NAME.npy ----the runtime's backend----------> NAME-FORM.npy
                    + selective_scan.so --session, profiled-----> NAME-FORM-native.npy   which operators ran is checked
    operator-LAYOUT.onnx, operator-LAYOUT.npz + selective_scan.so -> operator-LAYOUT.npy
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge.backends.ort import ort_from_model

FORMS = ("fp32", "fp16", "canonical", "int8", "int8_7bit")
NATIVE_FORMS = ("fp32", "int8")
LAYOUTS = ("last", "first")
LIBRARY = "selective_scan.so"
OPERATOR = "SelectiveScan2D"


def answer(folder: Path, output: Path) -> None:
    """Write what every model answers."""
    output.mkdir(exist_ok=True)
    for images in sorted(folder.glob("*.npy")):
        for form in FORMS:
            model = (folder / f"{images.stem}-{form}.onnx").read_bytes()
            backend = ort_from_model(model, threads=1, spin=False)
            logits = np.concatenate([backend.logits_from_input(x[None]) for x in np.load(images)])
            np.save(output / f"{images.stem}-{form}.npy", logits)
        for form in NATIVE_FORMS:
            np.save(output / f"{images.stem}-{form}-native.npy", native_logits(folder, f"{images.stem}-{form}", output))
    for layout in LAYOUTS:
        session = native_session(folder, folder / f"operator-{layout}.onnx")
        (y,) = session.run(None, dict(np.load(folder / f"operator-{layout}.npz")))
        np.save(output / f"operator-{layout}.npy", y)
    heavy = {"torch", "onnx"} & set(sys.modules)
    if output.name != "current" and heavy:
        raise SystemExit(f"the runtime loaded {heavy}")


def native_logits(folder: Path, name: str, output: Path) -> Any:
    """Of a network with the library, which must have run in place of the graph's local function."""
    session = native_session(folder, folder / f"{name}.onnx", output / f"{name}-profile")
    images = np.load(folder / f"{name.split('-')[0]}.npy")
    frame = session.get_inputs()[0].name
    logits = np.concatenate([session.run(["logits"], {frame: x[None]})[0] for x in images])
    events = json.loads(Path(session.end_profiling()).read_text())
    ran = {event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time")}
    if OPERATOR not in ran or "Scan" in ran:
        raise SystemExit(f"{name}: the library's operator did not run, but {sorted(ran)}")
    return logits


def native_session(folder: Path, model: Path, profile: Path | None = None) -> Any:
    """A session with the library that was built once for all versions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    options.register_custom_ops_library(str((folder / LIBRARY).absolute()))
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    answer(Path(sys.argv[1]), Path(sys.argv[2]))
