"""`edge serve` as a process of its own, with its local API: what the tests of the running service drive."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

START_S = 60.0  # a loaded machine
WAIT_S = 20.0
WORDS = ("confirmed", "not_obtainable")

T = TypeVar("T")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Serving:
    """A running service.

    Attributes:
        process: of `edge serve`.
        ready: its JSON line.
    """

    process: subprocess.Popen[str]
    ready: Any

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Status and body, JSON where it is some."""
        connection = UnixConnection(Path(self.ready["socket"]))
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, headers or {})
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        is_json = "json" in (reply.getheader("Content-Type") or "")
        return reply.status, json.loads(content) if is_json else content

    def view(self) -> Any:
        """The view now."""
        status, view = self.request("GET", "/api/view")
        assert status == 200, view
        return view

    def order(self, name: str, **fields: Any) -> Any:
        """Status and body of an order."""
        return self.request("POST", f"/api/orders/{name}", {"by": "", **fields})

    def still(self, pixels: NDArray[np.uint8], patient: str = "", study: str = "") -> bool:
        """Hand a still over as a bridge does; whether it was taken."""
        height, width = pixels.shape[:2]
        headers = {
            "X-Width": str(width),
            "X-Height": str(height),
            "X-Channels": "1" if pixels.ndim == 2 else "3",
            "X-Still": "1",
        }
        headers |= {"X-Patient": patient, "X-Study": study, "X-Machine": "", "X-Source": "dicom"}
        status, reply = self.request("POST", "/api/frames", pixels.tobytes(), headers)
        assert status == 200, reply
        return bool(reply["taken"])

    def wait_view(self, condition: Callable[[Any], T], seconds: float = WAIT_S) -> T:
        """What the condition made of the first view that it accepts."""
        deadline = time.monotonic() + seconds
        while True:
            view = self.view()
            if found := condition(view):
                return found
            assert time.monotonic() < deadline, view
            time.sleep(0.05)

    def child(self) -> int:
        """Number of the inference process."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; exit code and standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, err


@contextmanager
def serving(home: Path, *arguments: object) -> Iterator[Serving]:
    """Start `edge serve ARGUMENTS --json`, and be sure that it has ended."""
    process = started(home, *arguments)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield Serving(process, json.loads(line))
    finally:
        process.kill()
        process.communicate()


def started(home: Path, *arguments: object) -> subprocess.Popen[str]:
    """The process, not yet ready."""
    command = [sys.executable, "-m", "edge", "serve", *(str(argument) for argument in arguments), "--json"]
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(home)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def captured(view: Any) -> dict[str, str]:
    """Plane -> state of those rows of the open exam that hold a frame or a person's word."""
    rows = view["exam"]["checklist"]["rows"] if view["exam"] else []
    return {row["plane"]: row["state"] for row in rows if row["frame"] or row["state"] in WORDS}


def bands_bundle(bundles: Any, name: str = "bands.edge", **changes: Any) -> Path:
    """A bundle for ONNX Runtime that answers as the null backend does: bright bands decide; with a head for maps."""
    from dataclasses import replace

    from onnx import TensorProto, helper, numpy_helper

    from edge.attention import HEAD_PART
    from edge.backends.null import NullBackend
    from tests.edge.conftest import MANIFEST, gate_parts, npy

    manifest, size, bands = replace(MANIFEST, **changes), MANIFEST.preprocess.size_px, len(MANIFEST.labels)
    edges = np.cumsum([0, *(len(rows) for rows in np.array_split(np.arange(size), bands))])
    pool = np.zeros((size, size, bands), np.float32)
    for band in range(bands):
        pool[edges[band] : edges[band + 1], :, band] = 1 / (size * (edges[band + 1] - edges[band]))
    stored = [
        numpy_helper.from_array(pool.reshape(-1, bands), "pool"),
        numpy_helper.from_array(np.array([-1, 1, 1, bands]), "shape"),
    ]
    nodes = [
        helper.make_node("Flatten", ["frame"], ["flat"]),
        helper.make_node("MatMul", ["flat", "pool"], ["logits"]),
        helper.make_node("Reshape", ["logits", "shape"], ["features"]),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, size, size])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", bands]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 1, 1, bands]),
    ]
    graph = helper.make_graph(nodes, "bands", [frame], outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    head = np.concatenate([np.eye(bands), np.zeros((bands, 1))], axis=1).astype(np.float32)
    parts = {"model.cpu.onnx": model.SerializeToString(), HEAD_PART: npy(head)}
    return Path(bundles.pack(name, manifest, parts | gate_parts(manifest, NullBackend(bands))))
