"""A probe is put on: how much memory the first answer takes. How long it takes, tests/bench/startup.py measures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 2000  # 2000 x 2000 = 4 M parameters, as the smallest student
ONE_ANSWER = """
import re, sys
from edge import open_session
from edge.sources.images import load_image
with open_session(sys.argv[1]) as session:
    session.classify(load_image(sys.argv[2]))
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])  # ru_maxrss is inherited by exec
"""


def four_million() -> bytes:
    """A network of 4 M parameters whose logits are the null backend's: its large layer gives nothing."""
    from onnx import TensorProto, helper, numpy_helper

    size, bands = 96, 3
    weights = {
        "pool": np.kron(np.eye(bands), np.full((size * size // bands, 1), bands / size**2)).astype(np.float32),
        "wide": np.ones((bands, SIDE), np.float32),
        "large": np.zeros((SIDE, SIDE), np.float32),
        "narrow": np.ones((SIDE, bands), np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["frame"], ["flat"]),
        helper.make_node("MatMul", ["flat", "pool"], ["means"]),
        helper.make_node("MatMul", ["means", "wide"], ["a"]),
        helper.make_node("MatMul", ["a", "large"], ["b"]),
        helper.make_node("MatMul", ["b", "narrow"], ["nothing"]),
        helper.make_node("Add", ["means", "nothing"], ["logits"]),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", bands])
    stored = [numpy_helper.from_array(weight, name) for name, weight in weights.items()]
    graph = helper.make_graph(nodes, "four_million", [frame], [logits], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


def test_the_first_answer_takes_less_than_250_mib(bundles: Any, manifest: Any, tmp_path: Path) -> None:
    from edge.loading import load_bundle

    preprocess = replace(manifest.preprocess, size_px=96)
    manifest = replace(manifest, preprocess=preprocess)
    null = load_bundle(bundles.null(preprocess=preprocess), bundles.keyring)
    parts = {"model.cpu.onnx": four_million(), **{name: bytes(part) for name, part in null.parts.items()}}
    bundle, image = bundles.pack("large.edge", manifest, parts), tmp_path / "frame.png"
    Image.fromarray(np.tile(np.arange(160, dtype=np.uint8), (120, 1))).save(image)
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(bundles.keyring.home)}
    command = [sys.executable, "-c", ONE_ANSWER, str(bundle), str(image)]
    assert int(subprocess.check_output(command, env=environment)) / 1024 < 250
