"""SelectiveScan2D as a TensorRT plugin in Python: what a builder asks of it, and nothing that runs.

Same name, version and namespace as the C++ plugin in tensorrt/. It shows on a machine without a GPU that a graph's
nodes become plugin layers and that TensorRT accepts their types and shapes. A plan built with it cannot run.

::

    ONNX node --parser--> creator --attributes--> plugin --types, shapes, formats--> builder
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compile.onnx_function import OP_TYPE, PLUGIN_ATTRIBUTES
from edge.errors import DeviceError, UsageError

INPUTS = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
Y = len(INPUTS)  # position of the output
RANKS = (4, 4, 3, 2, 3, 2)
SCALES = ("u_scale", "x_dbl_scale", "y_scale")


@dataclass(frozen=True)
class ScanAttributes:
    """The node's attributes.

    Attributes:
        routes: K of 0..3.
        layout: "last" or "first".
        scales: of u, x_dbl and y where they are int8; 0 where they never are.
    """

    routes: tuple[int, ...]
    layout: str = "last"
    scales: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not self.routes or not set(self.routes) <= {0, 1, 2, 3} or self.layout not in ("last", "first"):
            raise UsageError(
                f"{OP_TYPE} has routes {self.routes} and layout {self.layout!r}.", 'Use routes 0..3, "last" or "first".'
            )
        if not all(math.isfinite(scale) and scale >= 0 for scale in self.scales):
            raise UsageError(f"{OP_TYPE} has the scales {self.scales}.", "Use positive, finite numbers, 0 for none.")

    def supports(self, position: int, types: Sequence[str]) -> bool:
        """Whether a tensor may have its type, given those before it.

        Args:
            position: 0..5 inputs, 6 y.
            types: names of TensorRT data types, up to this position.
        """
        u, own = types[0], types[position]
        if position == 0:
            return u in ("FLOAT", "HALF") or (u == "INT8" and min(self.scales[:2]) > 0)
        if position == 1:
            return own == u
        if position < Y:
            return own == "FLOAT"
        return own == u != "INT8" or (u == "INT8" and (own == "HALF" or own == self.y_type(u)))

    def y_type(self, u: str) -> str:
        """TensorRT data type of y for that of u."""
        return u if u != "INT8" or self.scales[2] > 0 else "HALF"


def register_twin(trt: Any) -> Any:
    """Put the twin into TensorRT's plugin registry.

    Args:
        trt: the module `tensorrt` or `tensorrt_rtx`.

    Returns:
        Its creator; the registry needs it alive as long as a network or builder uses it.
    """
    creator = type("TwinCreator", (_Creator, trt.IPluginCreatorV3One), {"trt": trt})()
    trt.get_plugin_registry().register_creator(creator, PLUGIN_ATTRIBUTES["plugin_namespace"])
    return creator


def attributes_from_fields(fields: Any) -> ScanAttributes:
    """The attributes in a PluginFieldCollection.

    Raises:
        UsageError: they mean nothing.
    """
    data = {field.name: np.asarray(field.data) for field in fields}
    routes = tuple(int(route) for route in data.get("routes", ()))
    layout = data["layout"].tobytes().rstrip(b"\0").decode() if "layout" in data else "last"
    u, x_dbl, y = (float(data[name].reshape(-1)[0]) if name in data else 0.0 for name in SCALES)
    return ScanAttributes(routes, layout, (u, x_dbl, y))


class _Creator:
    """Methods of the creator; TensorRT's class joins in `register_twin`."""

    trt: Any

    def __init__(self) -> None:
        trt = self.trt
        trt.IPluginCreatorV3One.__init__(self)
        self.name = OP_TYPE
        self.plugin_version = PLUGIN_ATTRIBUTES["plugin_version"]
        self.plugin_namespace = PLUGIN_ATTRIBUTES["plugin_namespace"]
        types = trt.PluginFieldType
        self.field_names = trt.PluginFieldCollection(
            [
                trt.PluginField("routes", np.array([], np.int32), types.INT32),
                trt.PluginField("layout", np.array([], np.int8), types.CHAR),
                *(trt.PluginField(name, np.array([], np.float32), types.FLOAT32) for name in SCALES),
            ]
        )
        bases = (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime)
        self.plugin_class = type(OP_TYPE, (_Plugin, *bases), {"trt": trt, "bases": bases})

    def create_plugin(self, name: str, fields: Any, phase: Any) -> Any:
        return self.plugin_class(attributes_from_fields(fields))


class _Plugin:
    """Methods of the plugin; TensorRT's four classes join in `_Creator`."""

    trt: Any
    bases: tuple[Any, ...]

    def __init__(self, attributes: ScanAttributes) -> None:
        for base in self.bases:
            base.__init__(self)
        self.attributes = attributes
        self.num_outputs = 1
        self.plugin_name = OP_TYPE
        self.plugin_version = PLUGIN_ATTRIBUTES["plugin_version"]
        self.plugin_namespace = PLUGIN_ATTRIBUTES["plugin_namespace"]
        self.timing_cache_id = repr(attributes)

    def get_capability_interface(self, kind: Any) -> Any:
        return self

    def get_output_data_types(self, input_types: Sequence[Any]) -> list[Any]:
        return [getattr(self.trt.DataType, self.attributes.y_type(input_types[0].name))]

    def get_output_shapes(self, inputs: Sequence[Any], shape_inputs: Sequence[Any], builder: Any) -> list[Any]:
        for name, shape, rank in zip(INPUTS, inputs, RANKS, strict=True):
            if len(shape) != rank:
                raise UsageError(f"{OP_TYPE}: {name} has {len(shape)} axes, not {rank}.", "Export the model again.")
        return [self.trt.DimsExprs(inputs[0])]

    def supports_format_combination(self, position: int, tensors: Sequence[Any], inputs_n: int) -> bool:
        types = [tensor.desc.type.name for tensor in tensors[: position + 1]]
        linear = tensors[position].desc.format == self.trt.TensorFormat.LINEAR
        return bool(linear and inputs_n == len(INPUTS) and self.attributes.supports(position, types))

    def configure_plugin(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Nothing depends on it."""

    def on_shape_change(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Nothing depends on it."""

    def set_tactic(self, tactic: int) -> None:
        """There is but one."""

    def get_fields_to_serialize(self) -> Any:
        trt, own = self.trt, self.attributes
        types = trt.PluginFieldType
        scales = zip(SCALES, own.scales, strict=True)
        return trt.PluginFieldCollection(
            [
                trt.PluginField("routes", np.array(own.routes, np.int32), types.INT32),
                trt.PluginField("layout", own.layout.encode(), types.CHAR),
                *(trt.PluginField(name, np.array([scale], np.float32), types.FLOAT32) for name, scale in scales),
            ]
        )

    def clone(self) -> Any:
        return type(self)(self.attributes)

    def attach_to_context(self, context: Any) -> Any:
        return self.clone()

    def enqueue(self, *arguments: Any) -> None:
        raise DeviceError(
            f"The Python twin of {OP_TYPE} only serves to build; it computes nothing.",
            "Build the plan with the C++ plugin: compile/kernels/build_plugin.py.",
        )
