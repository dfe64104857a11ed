"""Measure what the documents quote and write it as JSON: `python -m tests.bench.evidence --output DIR`.

Needs build/fetal-planes.edge, build/edge_s.edge and both in FP32; `make evidence` makes them.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.cpu import load_cpu
from tests.bench import (
    accuracy,
    burned_in,
    cart_link,
    dicom_receive,
    dicom_send,
    igtl_stream,
    kernels,
    latency,
    masking,
    parity,
    phantom,
    plane_check_captures,
    plane_check_faults,
    plane_check_kills,
    plane_check_studies,
    plane_check_sustained,
    scan_forms,
    shapes,
    startup,
    store,
    training_step,
    video_stream,
    whole_cart,
)

PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "accuracy": accuracy.measured,
    "accuracy_edge_s": accuracy.measured_larger,
    "burned_in": burned_in.measured,
    "cart_link": cart_link.measured,
    "dicom_receive": dicom_receive.measured,
    "dicom_send": dicom_send.measured,
    "igtl_stream": igtl_stream.measured,
    "masking": masking.measured,
    "masking_edge_s": masking.measured_larger,
    "parity": parity.measured,
    "phantom": phantom.measured,
    "plane_check_captures": plane_check_captures.measured,
    "plane_check_studies": plane_check_studies.measured,
    "plane_check_sustained": plane_check_sustained.measured,
    "plane_check_faults": plane_check_faults.measured,
    "plane_check_kills": plane_check_kills.measured,
    "startup": startup.measured,
    "latency": latency.measured,
    "kernels": kernels.measured,
    "scan_forms": scan_forms.measured,
    "shapes": shapes.measured,
    "store": store.measured,
    "training_step": training_step.measured,
    "video_stream": video_stream.measured,
    "whole_cart": whole_cart.measured,
}


def main() -> None:
    """Run every part, or the ones named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all without one")
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    parser.add_argument("--output", type=Path, default=Path("docs/evidence"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    cpu = load_cpu()
    machine = {"machine": cpu.machine, "cpu": cpu.model, "vnni": not cpu.saturates, "python": platform.python_version()}
    for name in arguments.parts or PARTS:
        figures = {"scale": arguments.scale, "machine": machine, **PARTS[name](arguments.scale == "small")}
        (arguments.output / f"{name}.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
        print(f"{name}: {json.dumps(figures)[:300]}")


if __name__ == "__main__":
    main()
