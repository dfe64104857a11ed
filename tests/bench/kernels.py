"""The native scan against ONNX Runtime's LinearAttention, the torch form and its bytes: `edge benchmark --kernels`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def measured(small: bool) -> dict[str, Any]:
    """The command's document."""
    command = [sys.executable, "-m", "edge", "benchmark", "--kernels", "--runs", "5" if small else "50", "--json"]
    document: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    del document["machine"]  # every part of the evidence has it
    return {"command": " ".join(["edge", *command[3:]]), **document}
