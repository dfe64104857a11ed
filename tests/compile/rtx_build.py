"""What TensorRT for RTX makes of ONNX files: `python -m tests.compile.rtx_build PLUGIN MODEL...`, a JSON line a model.

Its parser and builder need no driver. PLUGIN: `none`, `twin`, or the path of a plugin library.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import tensorrt_rtx as trt

from compile.kernels.plugin_twin import register_twin
from compile.onnx_function import OP_TYPE

PROFILE_BATCH = (1, 1, 4)
EXPECTED = ("Attribute", "already exists")  # a scale that the node leaves out; a local function used more than once


class Log(trt.ILogger):  # type: ignore[misc]  # TensorRT comes without types
    """Keeps what TensorRT complains about."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.lines: list[str] = []

    def log(self, severity: Any, text: str) -> None:
        if severity <= trt.ILogger.WARNING and not any(word in text for word in EXPECTED):
            self.lines.append(text)


def built(model: Path, log: Log, with_plan: bool) -> dict[str, Any]:
    """Parse one model, and build it."""
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    log.lines.clear()
    found: dict[str, Any] = {"parsed": parser.parse(model.read_bytes())}
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    found["layers"] = Counter(layer.type.name for layer in layers)
    found["scans"] = [scan(layer) for layer in layers if layer.type == trt.LayerType.PLUGIN_V3]
    if with_plan and found["parsed"]:
        plan = builder.build_serialized_network(network, config(builder, network))
        found["plan_names"] = bytes(plan).count(OP_TYPE.encode()) if plan else None
    found["log"] = log.lines[:3]
    return found


def scan(layer: Any) -> dict[str, Any]:
    """Types and shapes of a plugin layer."""
    tensors = [layer.get_input(index) for index in range(layer.num_inputs)] + [layer.get_output(0)]
    return {
        "types": [tensor.dtype.name for tensor in tensors],
        "shapes": [list(tensor.shape) for tensor in tensors],
        "outputs": layer.num_outputs,
    }


def config(builder: Any, network: Any) -> Any:
    """A profile with an open batch."""
    result = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        profile.set_shape(tensor.name, *((batch, *tuple(tensor.shape)[1:]) for batch in PROFILE_BATCH))
    result.add_optimization_profile(profile)
    return result


def main(plugin: str, *models: str) -> None:
    log = Log()
    creator = register_twin(trt) if plugin == "twin" else None
    if plugin not in ("none", "twin"):
        trt.Builder(log)  # the registry has no logger before
        if trt.get_plugin_registry().load_library(plugin) is None:
            raise SystemExit(f"{plugin} cannot be loaded: {log.lines}")
    for model in models:
        print(json.dumps(built(Path(model), log, with_plan=plugin != "none")), flush=True)
    del creator  # the builders needed it until here


if __name__ == "__main__":
    main(*sys.argv[1:])
