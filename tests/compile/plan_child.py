"""`python -m tests.compile.plan_child [twin] [MODEL | MODEL=PLUGIN]...`: plans by TensorRT for RTX, a JSON line each.

A process of its own: its loader looks for a library that the wheel has under another name, and some faults abort.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # TensorRT for RTX keeps no timings, and says so at every call

import tensorrt_rtx as trt  # noqa: E402  # behind the filter

import compile.retarget  # noqa: E402, F401  # all that a cart imports
from compile.kernels.plugin_twin import register_twin  # noqa: E402
from compile.tensorrt_plan import PlanOptions, plan_from_onnx  # noqa: E402
from edge.backends.tensorrt import tensorrt_from_plan  # noqa: E402
from edge.errors import EdgeError  # noqa: E402
from tests.edge.tensorrt_simulator import SimulatedCuda  # noqa: E402


def main(*models: str) -> None:
    twin = None
    for model in models:
        if model == "twin":
            twin = register_twin(trt)
        else:
            name, _, library = model.partition("=")
            sys.stdout.write(json.dumps(outcome(Path(name), Path(library).read_bytes() if library else b"")) + "\n")
    del twin  # the builders needed it until here
    assert "torch" not in sys.modules, "a cart has none"


def outcome(model: Path, plugin: bytes) -> dict[str, Any]:
    """What came of one model, and of loading its plan on a machine without a driver."""
    told: list[tuple[str, float]] = []

    def progress(stage: str, share: float) -> None:
        told.append((stage, share))
        if model.name.startswith("stopped"):
            raise KeyboardInterrupt

    try:
        built = plan_from_onnx(trt, model.read_bytes(), plugin, PlanOptions(max_batch=4), progress=progress)
    except (EdgeError, KeyboardInterrupt) as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {
        "plan_bytes": len(built.plan),
        "layers": built.layers,
        "scans": built.scans,
        "tensorrt": built.tensorrt,
        "stages": sorted({stage for stage, _ in told}),
        "shares": [min(share for _, share in told), max(share for _, share in told)],
        "log": [line for line in built.log if line[0] == "E"],
        "loaded": loaded(built.plan),
    }


def loaded(plan: bytes) -> str:
    """What a session would tell."""
    try:
        tensorrt_from_plan(trt, SimulatedCuda(), plan, b"").close()
    except EdgeError as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


if __name__ == "__main__":
    main(*sys.argv[1:])
