"""An ONNX file and its graph indexed by tensor name: what every pass over a graph starts from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.artifact import Artifact, artifact_from_file
from edge.errors import ModelError
from edge.files import write_atomic

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

FIRST_OPSET = 13  # the first with per-channel DequantizeLinear


@dataclass(frozen=True)
class Graph:
    """The top-level graph of a model, by name. Valid until the model is changed.

    Attributes:
        model: the model that was indexed.
        constants: initializers.
        producers: tensor -> the node that makes it.
        consumers: tensor -> the nodes that read it, themselves or in a branch or loop of theirs, in order.
        inputs: names of the inputs that are not constants.
        outputs: names of the outputs.
        shapes: tensor -> its dimensions, None where one is symbolic or unknown.
    """

    model: ModelProto
    constants: Mapping[str, TensorProto]
    producers: Mapping[str, NodeProto]
    consumers: Mapping[str, list[NodeProto]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, tuple[int | None, ...]]

    def array(self, name: str) -> NDArray[Any]:
        """A constant's values."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self.constants[name])

    def only_consumer(self, name: str) -> NodeProto | None:
        """The one node that reads a tensor; None if there are several, none, or it is an output."""
        nodes = self.consumers.get(name, [])
        return nodes[0] if len(nodes) == 1 and name not in self.outputs else None


def graph_from_model(model: ModelProto) -> Graph:
    """Index a model's graph."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    consumers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(names_read([node])):
            consumers[name].append(node)
    return Graph(
        model,
        constants,
        {name: node for node in graph.node for name in node.output if name},
        consumers,
        tuple(value.name for value in graph.input if value.name not in constants),
        tuple(value.name for value in graph.output),
        _shapes(model),
    )


def _shapes(model: ModelProto) -> dict[str, tuple[int | None, ...]]:
    shapes: dict[str, tuple[int | None, ...]] = {t.name: tuple(t.dims) for t in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        if value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            shapes[value.name] = tuple(d.dim_value if d.dim_value > 0 else None for d in dims)  # some write -1 for any
    return shapes


def opset_of(model: ModelProto) -> int:
    """Version of the standard operators that a model uses; 0 where it does not say."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Value of a node's attribute, or the default where it is not written."""
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def constant(model: ModelProto, name: str, values: NDArray[Any]) -> str:
    """Add an initializer, or replace the one of that name.

    Returns:
        The name.
    """
    from onnx import numpy_helper

    tensor = next((tensor for tensor in model.graph.initializer if tensor.name == name), None)
    if tensor is None:
        tensor = model.graph.initializer.add()
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(values, order="C"), name))
    return name


def replace_all(field: Any, items: Iterable[Any]) -> None:
    """Put new items into a repeated field of a protobuf message."""
    kept = list(items)
    del field[:]
    field.extend(kept)


def insert_before_use(model: ModelProto, groups: Mapping[int, list[NodeProto]]) -> None:
    """Insert nodes into a graph and keep it sorted.

    Args:
        model: changed in place.
        groups: position of a present node -> the nodes that shall stand before it.
    """
    nodes: list[NodeProto] = []
    for position, node in enumerate(model.graph.node):
        nodes += [*groups.get(position, ()), node]
    replace_all(model.graph.node, nodes)


def drop_unused_constants(model: ModelProto) -> None:
    """Remove initializers that neither a node, a subgraph nor an output reads."""
    used = {value.name for value in model.graph.output} | set(names_read(model.graph.node))
    replace_all(model.graph.initializer, [tensor for tensor in model.graph.initializer if tensor.name in used])


def names_read(nodes: Iterable[NodeProto]) -> Iterable[str]:
    """The tensors that nodes read, also in their branches and loops."""
    for node in nodes:
        yield from node.input
        for attr in node.attribute:
            for subgraph in (*attr.graphs, *([attr.g] if attr.HasField("g") else [])):
                yield from names_read(subgraph.node)
                yield from (value.name for value in subgraph.output)


def load_model(path: Path) -> ModelProto:
    """Read an ONNX classifier.

    Args:
        path: file with one graph input; weights inside the file.

    Raises:
        ModelError: not ONNX, an older opset than 13, or not exactly one input.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ModelError(
            f"{path} cannot be read as ONNX: {error}.", "Give a file written by an ONNX exporter."
        ) from error
    opset = opset_of(model)
    if opset < FIRST_OPSET:
        raise ModelError(f"{path} has opset {opset}, expected {FIRST_OPSET} or newer.", "Export it again.")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{path} keeps its weights in another file.", "Save it as one file.")
    inputs = graph_from_model(model).inputs
    if len(inputs) != 1:
        raise ModelError(f"{path} has {len(inputs)} inputs, expected 1.", "Export a classifier that takes images only.")
    return model


def save_model(model: ModelProto, path: Path, made_from: Mapping[str, str]) -> Artifact:
    """Check a model and write it whole.

    Args:
        model: what to write.
        path: where.
        made_from: role -> sha256 of what the stage read.

    Raises:
        ModelError: the graph breaks the ONNX specification.
        MachineError: the file cannot be written.
    """
    check_valid(model, f"The graph for {path}")
    write_atomic(path, model.SerializeToString(deterministic=True))
    return artifact_from_file(path, made_from)


def check_valid(model: ModelProto, what: str) -> None:
    """Raise ModelError if a graph breaks the ONNX specification; `what` begins the message."""
    import onnx

    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        first_line = str(error).splitlines()[0].rstrip(" .")
        raise ModelError(f"{what} is not valid ONNX: {first_line}.", "Export the model again.") from error
