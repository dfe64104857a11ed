"""One stage's SelectiveScan2D in every form that `edge benchmark --kernels` times: operands in, calls out.

::

    Stage --operands_from_stage--> arrays --+--> NativeStage.forward, .backward       the library itself
                                            +--> operator_session                     the library in ONNX Runtime
                                            +--> linear_attention                     ONNX Runtime's recurrence
                                            +--> torch_forms                          torch's chunked scan
                                            +--> streaming                            the bytes alone
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compile.kernels.native import BEST_ISA, Gradients, NativeKernel, Params, Strides, params_from_sizes
from compile.onnx_function import DOMAIN, DOMAIN_VERSION, IR_VERSION, OP_TYPE, OPSET, PLUGIN_ATTRIBUTES
from edge.errors import DeviceError

if TYPE_CHECKING:
    from onnx import ModelProto

Floats = NDArray[np.float32]
Run = Callable[[], object]

ROUTES = (0, 1, 2, 3)
OPERANDS = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
RANK_SHARE = 16  # dt_rank = d_inner / 16, VMamba's default
CACHE_LINE_BYTES = 64


@dataclass(frozen=True)
class Stage:
    """The scans of one map size in a network, batch 1.

    Attributes:
        side_px: H and W.
        d_inner: D.
        scans: how often the network runs it.
    """

    side_px: int
    d_inner: int
    scans: int

    @property
    def dt_rank(self) -> int:
        """R."""
        return self.d_inner // RANK_SHARE

    @property
    def elements(self) -> int:
        """Of one scan: routes x pixels x channels."""
        return len(ROUTES) * self.side_px**2 * self.d_inner


def operands_from_stage(stage: Stage) -> tuple[Floats, ...]:
    """Random u, x_dbl, dt_weight, dt_bias, A and D with d_state 1; the same at every call."""
    rng = np.random.default_rng(0)
    side, k, d, rank = stage.side_px, len(ROUTES), stage.d_inner, stage.dt_rank
    shapes = [(1, side, side, d), (1, side, side, k * (rank + 2)), (k, d, rank), (k, d), (k, d, 1), (k, d)]
    arrays = [aligned(shape) for shape in shapes]
    for array in arrays:
        array[...] = rng.standard_normal(array.shape) / 2
    arrays[4][...] = -np.exp(arrays[4])
    return tuple(arrays)


def aligned(shape: Sequence[int]) -> Floats:
    """An uninitialized array that begins with a cache line, as a runtime's buffers do."""
    size = int(np.prod(shape)) * 4
    raw = np.empty(size + CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[start : start + size].view(np.float32).reshape(shape)


class NativeStage:
    """The native library on one stage's operands: weights packed, every buffer allocated before anything is timed.

    Args:
        kernel: the library.
        operands: from `operands_from_stage`.
        isa: a value of `native.ISAS`, or BEST_ISA.
    """

    def __init__(self, kernel: NativeKernel, operands: Sequence[Floats], isa: int = BEST_ISA) -> None:
        self._kernel, self._operands, self._y = kernel, operands, aligned(operands[0].shape)
        self._params = _params(operands, self._y, isa)
        self._sizes = kernel.bytes_from_params(self._params)
        sizes = (self._sizes.packed, self._sizes.forward, self._sizes.backward)
        self._packed, self._forward, self._backward = (aligned((-(-size // 4),)) for size in sizes)
        kernel.pack(self._params, self._packed.ctypes.data)
        self._grads = [aligned(operand.shape) for operand in operands]

    def forward(self, threads: int = 1) -> Floats:
        """Run the scan: y (1,H,W,D)."""
        packed, workspace = self._packed.ctypes.data, self._forward.ctypes.data
        self._kernel.forward(self._params, packed, workspace, self._sizes.forward, threads)
        return self._y

    def backward(self) -> list[Floats]:
        """Run the backward pass on one thread, u standing in for dLoss/dy: the six gradients."""
        pointers = [array.ctypes.data for array in (self._operands[0], *self._grads)]
        maps = (self._params.u_strides, self._params.u_strides, self._params.x_dbl_strides)
        gradients = Gradients(*pointers[:3], *maps, *pointers[3:])
        packed, workspace = self._packed.ctypes.data, self._backward.ctypes.data
        self._kernel.backward(self._params, packed, gradients, workspace, self._sizes.backward, 1)
        return self._grads


def _params(operands: Sequence[Floats], y: Floats, isa: int) -> Params:
    u, x_dbl, dt_weight, dt_bias, a, d = operands
    _, height, width, d_inner = u.shape
    params = params_from_sizes(1, height, width, d_inner, a.shape[2], dt_weight.shape[2], ROUTES, isa)
    params.u, params.x_dbl, params.y = u.ctypes.data, x_dbl.ctypes.data, y.ctypes.data
    strides = [Strides(height * width * channels, channels, 1) for channels in (d_inner, x_dbl.shape[3])]
    params.u_strides, params.x_dbl_strides, params.y_strides = strides[0], strides[1], strides[0]
    params.dt_weight, params.dt_bias = dt_weight.ctypes.data, dt_bias.ctypes.data
    params.A, params.D = a.ctypes.data, d.ctypes.data
    return params


def operator_session(library: Path, operands: Sequence[Floats], threads: int) -> Run:
    """A graph of one SelectiveScan2D node on the native library, in ONNX Runtime with threads of its own.

    Raises:
        DeviceError: ONNX Runtime does not take the library.
    """
    from onnx import helper, numpy_helper

    attributes: dict[str, Any] = {"routes": ROUTES, "layout": "last", **PLUGIN_ATTRIBUTES}
    node = helper.make_node(OP_TYPE, OPERANDS, ["y"], domain=DOMAIN, **attributes)
    maps, weights = dict(zip(OPERANDS[:2], operands, strict=False)), dict(zip(OPERANDS[2:], operands[2:], strict=True))
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    model = _model([node], {name: array.shape for name, array in maps.items()}, {"y": operands[0].shape}, tensors)
    return _bound(model, maps, {"y": operands[0].shape}, threads, library)


def linear_attention(operands: Sequence[Floats]) -> Run:
    """The recurrence alone, h = exp(g) h + k v and y = q h, in ONNX Runtime's operator; the four routes as a batch.

    Raises:
        DeviceError: this ONNX Runtime is older than the operator.
    """
    from onnx import helper

    _, height, width, d_inner = operands[0].shape
    shape = (len(ROUTES), height * width, d_inner)
    attributes = {"update_rule": "gated", "scale": 1.0, "q_num_heads": d_inner, "kv_num_heads": d_inner}
    inputs, outputs = ["q", "k", "v", "", "g"], ["y", "state"]
    node = helper.make_node("LinearAttention", inputs, outputs, domain="com.microsoft", **attributes)
    rng = np.random.default_rng(0)
    feeds = {name: aligned(shape) for name in "qkvg"}
    for array in feeds.values():
        array[...] = rng.standard_normal(shape)
    feeds["g"][...] = -np.abs(feeds["g"])
    return _bound(_model([node], dict.fromkeys("qkvg", shape), {"y": shape}), feeds, {"y": shape}, 1)


def _model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
    weights: Sequence[Any] = (),
) -> ModelProto:
    from onnx import TensorProto, helper

    ins, outs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
        for values in (inputs, outputs)
    )
    domains = {"": OPSET, DOMAIN: DOMAIN_VERSION, "com.microsoft": 1}
    opsets = [helper.make_opsetid(name, version) for name, version in domains.items()]
    graph = helper.make_graph(nodes, "one node", ins, outs, weights)
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _bound(
    model: ModelProto,
    feeds: Mapping[str, Floats],
    outputs: Mapping[str, Sequence[int]],
    threads: int,
    library: Path | None = None,
) -> Run:
    """A session with the device's settings; inputs and outputs stay where they are, so that nothing is copied."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if library is not None:
        options.register_custom_ops_library(str(library))
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base below Exception
        operator = model.graph.node[0].op_type
        raise DeviceError(
            f"ONNX Runtime {onnxruntime.__version__} has no {operator}.", "Upgrade onnxruntime."
        ) from error
    binding = session.io_binding()
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(aligned(shape)) for name, shape in outputs.items()}
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    for name, value in values.items():
        binding.bind_ortvalue_output(name, value)

    def run() -> Any:
        session.run_with_iobinding(binding)
        return values, feeds  # held as long as the binding points to them

    return run


def torch_forms(kernel: NativeKernel, operands: Sequence[Floats]) -> dict[str, Run]:
    """What only torch can run: its chunked scan, and the native backward pass as training calls it.

    Raises:
        ImportError: torch is not installed.
    """
    import torch

    from compile.kernels.torch_native import NativeScan
    from compile.kernels.torch_scan import selective_scan_2d

    u, x_dbl, dt_weight, dt_bias, a, d = (torch.from_numpy(array) for array in operands)
    scan, routes = NativeScan(kernel, threads=1), list(ROUTES)
    return {
        "torch_chunked": lambda: selective_scan_2d(u, x_dbl, dt_weight, dt_bias, a, d, routes, "last"),
        "backward_torch": lambda: scan.backward(u, u, x_dbl, dt_weight, dt_bias, a, d, routes, "last"),
    }


def streaming(operands: Sequence[Floats]) -> Run:
    """Read u and x_dbl and write y once."""
    u, x_dbl = operands[:2]
    y = aligned(u.shape)

    def run() -> object:
        np.copyto(y, u)
        return x_dbl.max()

    return run
